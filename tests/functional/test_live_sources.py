"""Live transcription of sound as the many kinds of clients send it: encodings, rates, containers, browsers, languages."""
import asyncio
import json
import subprocess

import pytest
import websockets

import speech
from conftest import ROOT
from testing import browser as chromium
from testing.live import Answers, add_up, check_promises, collect, cut, f32, live_url, session
from testing.server import Server

pytestmark = pytest.mark.model

END = {"type": "end"}
SPEECH = ROOT.parent / "shared" / "speech"  # recordings in more languages than Debian's packages have


@pytest.fixture(scope="module")
def server(stenod, weights, tmp_path_factory):
    with Server(stenod, tmp_path_factory.mktemp("data"), "--model", "base") as running:
        yield running


@pytest.fixture(scope="module")
def written(server, reading):
    """What the server makes of `reading` when it comes as everybody sends it: to compare with."""
    text = session(server, [*cut(f32(reading.samples)), END], "language=en&partial_interval_ms=0").text
    assert speech.word_error_rate(reading.text, text) < 0.15, text
    return text


def encoded(*options):
    """A function that encodes with FFmpeg."""
    def encode(samples):
        return speech.ffmpeg("-f", "s16le", "-ar", 16000, "-ac", 1, "-i", "-", *options, "-", input=samples,
                             stdout=subprocess.PIPE).stdout
    return encode


ogg_opus = encoded("-c:a", "libopus", "-b:a", "48k", "-f", "ogg")


def opus_packets(samples):
    """Those in an Ogg file (RFC 3533), without its two packets of headers."""
    data, packets, packet, at = ogg_opus(samples), [], b"", 0
    while at < len(data):
        assert data[at:at + 4] == b"OggS"
        lacing = data[at + 27:at + 27 + data[at + 26]]
        at += 27 + len(lacing)
        for size in lacing:
            packet += data[at:at + size]
            at += size
            if size < 255:
                packets.append(packet)
                packet = b""
    return packets[2:]


@pytest.mark.parametrize("query, encode, size, rate, most", [
    # The same samples; what is doubtful may be decoded once more while the engine has time.
    ("encoding=s16le", bytes, 3200, 16000, 0.05),
    ("encoding=s16le", bytes, 333, 16000, 0.05),  # messages split samples
    ("encoding=mulaw&sample_rate=8000", encoded("-ar", 8000, "-f", "mulaw"), 160, 8000, 0.1),
    ("encoding=alaw&sample_rate=8000", encoded("-ar", 8000, "-f", "alaw"), 1600, 8000, 0.1),
    ("encoding=opus", opus_packets, None, 48000, 0.1),
    ("", ogg_opus, 4000, 48000, 0.1),
    ("", encoded("-c:a", "libopus", "-b:a", "48k", "-f", "webm", "-live", 1), 4000, 48000, 0.1),
], ids=["s16le", "s16le-odd", "mulaw", "alaw", "opus", "ogg", "webm"])
def test_other_sources_give_the_same_text(server, reading, written, query, encode, size, rate, most):
    data = encode(reading.samples)
    answers = session(server, [*(cut(data, size) if size else data), END], f"{query}&language=en&partial_interval_ms=0")
    check_promises(answers)
    assert answers.close_code == 1000
    assert speech.word_error_rate(written, answers.text) <= most, (written, answers.text)
    assert answers.end["audio"]["received"] / rate == pytest.approx(reading.seconds, abs=0.03)


def test_stereo_of_a_sound_card(server, reading, written):
    """48 kHz; on the right nobody speaks."""
    stereo = speech.ffmpeg("-f", "s16le", "-ar", 16000, "-ac", 2, "-i", "-", "-ar", 48000, "-f", "s16le", "-",
                           input=speech.interleave(reading.samples, b""), stdout=subprocess.PIPE).stdout
    answers = session(server, [*cut(stereo, 19200), END],
                      "encoding=s16le&sample_rate=48000&channels=2&language=en&partial_interval_ms=0")
    check_promises(answers, len(stereo) // 2)
    assert {m["channel"] for m in answers.finals} == {0}
    assert speech.word_error_rate(written, answers.text) <= 0.1, (written, answers.text)
    left, right = answers.end["channels"]
    assert left["received"] == right["received"] == right["silence"] == len(stereo) // 4
    assert add_up(left) == left["received"] and left["transcribed"] > 0


# Records a MediaStream as web pages do, and sends the blobs as they come.
RECORD = """async ({url, seconds}) => {
  const audio = {echoCancellation: false, noiseSuppression: false, autoGainControl: false};
  const stream = await navigator.mediaDevices.getUserMedia({audio});
  const socket = new WebSocket(url), messages = [];
  const blobs = [];
  const ended = new Promise((resolve) => (socket.onclose = (event) => resolve(event.code)));
  socket.onmessage = (event) => messages.push(JSON.parse(event.data));
  await new Promise((resolve) => (socket.onopen = resolve));
  const recorder = new MediaRecorder(stream, {mimeType: "audio/webm;codecs=opus"});
  recorder.ondataavailable = (event) => {
    blobs.push(event.data.size);
    socket.send(event.data);
  };
  recorder.onstop = () => socket.send('{"type":"end"}');
  recorder.start(250);
  setTimeout(() => recorder.stop(), 1000 * seconds);
  return {code: await ended, blobs, messages};
}"""


@pytest.mark.skipif(not chromium.CHROMIUM.exists(), reason="the package chromium is not installed")
def test_what_a_browser_records(server, tmp_path):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: see requirements.txt")
    said = speech.join(speech.librivox_clips()[:2])
    spoken = speech.write(tmp_path / "said.wav", said.samples, "-ar", 48000)
    with playwright.sync_playwright() as instance:
        browser = chromium.launch(instance, *chromium.microphone(spoken))
        page = browser.new_page()
        page.goto(server.url + "/")
        recorded = page.evaluate(RECORD, {"url": f"ws://127.0.0.1:{server.port}/ws/transcribe?language=en",
                                          "seconds": said.seconds + 1})
        browser.close()
    messages = recorded["messages"]
    assert recorded["code"] == 1000 and len(recorded["blobs"]) > 8, recorded
    assert [m["type"] for m in messages if m["type"] != "partial"][0] == "ready" and messages[-1]["reason"] == "end"
    account = messages[-1]["audio"]
    assert account["received"] == add_up(account) and account["dropped"] == {}
    # A busy machine's fake microphone may leave sound out.
    assert account["received"] / 48000 == pytest.approx(said.seconds + 1, abs=2)
    text = " ".join(m["text"] for m in messages if m["type"] == "final")
    assert speech.word_error_rate(said.text, text) < 0.3, text


@pytest.mark.parametrize("language", ["de", "fr"])
def test_the_language_is_found_out_and_kept(server, language):
    if not (SPEECH / "manifest.jsonl").exists():
        pytest.skip("there are no recordings in other languages: ../shared/speech")
    known = map(json.loads, (SPEECH / "manifest.jsonl").read_text().splitlines())
    paths = [SPEECH / one["audio"] for one in known
             if one["language"] == language and one["kind"] == "read" and 4 < one["duration_s"] < 15][:2]
    first, second = [speech.decode(path) + speech.silence(1.5) for path in paths]
    # Somebody else says something in English then: the language stays.
    rest = f32(second + speech.librivox_clips()[0].samples + speech.silence(1))

    async def main():
        answers = Answers()
        async with websockets.connect(live_url(server, "language=auto&partial_interval_ms=0"), ping_interval=None) as connection:
            reader = asyncio.create_task(collect(connection, answers))
            for piece in cut(f32(first)):
                await connection.send(piece)
            while not answers.finals:
                assert not reader.done(), answers.summary()
                await asyncio.sleep(0.05)
            for piece in cut(rest):
                await connection.send(piece)
            await connection.send(json.dumps(END))
            return await reader

    answers = asyncio.run(main())
    check_promises(answers, len(first) // 2 + len(rest) // 4)
    assert len(answers.finals) > 2 and {m["language"] for m in answers.finals} == {language}, answers.summary()
    assert answers.finals[0]["language_probability"] > 0.8
