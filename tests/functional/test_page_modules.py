"""The page's modules by themselves, inside Chromium: the resampler, the client, the formats."""
import json

import pytest

from testing import browser as chromium
from testing.mock_server import MockServer, Utterance

pytest.importorskip("playwright", reason="the package playwright is not installed: see tests/functional/requirements.txt")
np = pytest.importorskip("numpy", reason="the package numpy is not installed: see tests/functional/requirements.txt")
from playwright.sync_api import sync_playwright  # noqa: E402

pytestmark = pytest.mark.skipif(not chromium.CHROMIUM.exists(), reason="the package chromium is not installed")


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        instance = chromium.launch(playwright)
        yield instance
        instance.close()


@pytest.fixture
def mock():
    server = MockServer()
    yield server
    server.stop()


@pytest.fixture
def run(browser, mock):
    """Runs the text of a function, with one argument, where modules of the server can be imported."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(mock.url + "favicon.svg")
    yield page.evaluate
    context.close()


# The resampler

RATES = [8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000, 192000]
RESAMPLE = """async ([rate, frequency, seconds, block]) => {
    const { Resampler } = await import("/stenod-worklet.js");
    const resampler = new Resampler(rate, 16000);
    const output = [];
    const input = new Float32Array(block);
    for (let at = 0; at < rate * seconds; at += block) {
        for (let i = 0; i < block; i++) input[i] = Math.sin((2 * Math.PI * frequency * (at + i)) / rate);
        output.push(...resampler.process(input));
    }
    return output;
}"""


def level_db(samples):
    return 10 * np.log10(2 * np.mean(np.square(samples)) + 1e-20)


@pytest.mark.parametrize("rate", RATES)
def test_tones_pass_as_they_are(run, rate):
    """Up to 0.9 of the Nyquist frequency: level within 0.01 dB, and in time to a hundredth of a sample."""
    for frequency in (50, 1000, 3400, 7150):
        if frequency > 0.45 * rate:
            continue
        output = np.array(run(RESAMPLE, [rate, frequency, 0.5, 128]))
        middle = slice(800, len(output) - 800)
        expected = np.sin(2 * np.pi * frequency * np.arange(len(output)) / 16000)
        assert abs(level_db(output[middle]) - level_db(expected[middle])) < 0.01
        assert level_db(output[middle] - expected[middle]) < -60


@pytest.mark.parametrize("rate", [r for r in RATES if r > 16000])
def test_what_would_alias_is_taken_out(run, rate):
    """From 8 kHz on, by 90 dB."""
    for frequency in (8010, 8500, 9600, 12000, 15900, 20000, 31000, 47000):
        if frequency >= rate / 2:
            continue
        output = np.array(run(RESAMPLE, [rate, frequency, 0.25, 128]))
        assert level_db(output[800:-800]) < -88, frequency


def test_images_are_taken_out(run):
    output = np.array(run(RESAMPLE, [8000, 3000, 1, 128]))[2000:14000]
    spectrum = np.abs(np.fft.rfft(output * np.kaiser(len(output), 14)))
    frequencies = np.fft.rfftfreq(len(output), 1 / 16000)
    assert 20 * np.log10(spectrum[frequencies > 3300].max() / spectrum.max()) < -85


@pytest.mark.parametrize("rate", [44100, 48000, 22050])
def test_no_drift(run, rate):
    """After a minute the number of samples is right to half a filter."""
    count = run("""async (rate) => {
        const { Resampler } = await import("/stenod-worklet.js");
        const resampler = new Resampler(rate, 16000);
        const second = new Float32Array(rate);
        let count = 0;
        for (let i = 0; i < 60; i++) count += resampler.process(second).length;
        return count;
    }""", rate)
    assert 60 * 16000 - 120 < count <= 60 * 16000


def test_blocks_do_not_matter(run):
    whole = run(RESAMPLE, [44100, 440, 1, 44100])
    for block in (1, 147, 128, 4410):
        pieces = run(RESAMPLE, [44100, 440, 1, block])
        common = min(len(whole), len(pieces))
        assert common > 15800 and pieces[:common] == whole[:common], block


def test_rates_that_are_none(run):
    for rate in (0, -1, 44100.5):
        message = run("""async (rate) => {
            const { Resampler } = await import("/stenod-worklet.js");
            try { new Resampler(rate, 16000); } catch (error) { return error.name; }
        }""", rate)
        assert message == "RangeError"


# The client

CLIENT = """
const { StenodClient, StenodError, AudioBacklog } = await import("/stenod.js");
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const until = async (test) => { while (!test()) await sleep(5); };
const seconds = (n, value = 0.1) => new Float32Array(Math.round(n * 16000)).fill(value);
const events = [];
const record = (client) => {
    for (const type of ["ready", "partial", "final", "warning", "error", "lost", "reconnecting", "end", "close"]) {
        client.addEventListener(type, ({ detail }) => events.push({ type, detail: { ...detail, code: detail.code ?? detail.error?.code } }));
    }
    return client;
};
const times = (type) => events.filter((e) => e.type === type).map(({ detail: { start, end } }) => [start, end]);
"""


def client(body):
    return f"async (argument) => {{ {CLIENT} {body} }}"


def test_backlog_forgets_the_oldest(run):
    result = run(client("""
        const backlog = new AudioBacklog(10);
        const found = [];
        for (let i = 0; i < 8; i++) backlog.push(Int16Array.of(3 * i, 3 * i + 1, 3 * i + 2));
        found.push(backlog.start, backlog.end, [...backlog.at(16)], [...backlog.at(14)], [...backlog.at(24)]);
        backlog.dropBefore(24);
        found.push(backlog.start, backlog.at(24).length);
        return found;
    """))
    assert result == [12, 24, [16, 17], [14], [], 24, 0]


def test_samples_become_16_bits(run, mock):
    run(client("""
        const client = record(new StenodClient());
        await client.connect();
        client.sendAudio(Float32Array.of(0, 0.5, -0.5, 1, -1, 2, -2, NaN, 1e-9));
        await client.end();
    """))
    assert np.frombuffer(bytes(mock.sessions[0].audio), "<i2").tolist() == [0, 16384, -16384, 32767, -32768, 32767, -32768, 0, 0]


def test_audio_waits_for_the_server(run, mock):
    """What is said before the server is ready is sent as soon as it is, and nothing before `start` is answered."""
    state = run(client("""
        const client = record(new StenodClient());
        const before = client.sendAudio(seconds(1));
        const connected = client.connect();
        const during = client.sendAudio(seconds(1));
        await connected;
        await client.end();
        return [before, during, client.sendAudio(seconds(1)), client.time, client.state, events.map((e) => e.type)];
    """))
    assert state == [False, True, False, 1, "idle", ["ready", "end", "close"]]
    assert len(mock.sessions[0].audio) == 32000


def test_finalize_keeps_its_place(run, mock):
    mock.plan = lambda index: [Utterance(0, 3, "one two three")]
    found = run(client("""
        const client = record(new StenodClient());
        const connected = client.connect();
        client.sendAudio(seconds(2));
        client.finalize();
        await connected;
        await until(() => times("final").length === 1);
        await client.end();
        return events.find((e) => e.type === "final").detail.text;
    """))
    assert found == "one two"


def test_lost_audio_is_said_and_times_stay_right(run, mock):
    """Ten seconds without a connection, of which four are kept."""
    mock.plan = lambda index: [[Utterance(0.2, 1, "before")], [Utterance(1, 2, "after")]][min(index, 1)]
    mock.commands["/cut"] = lambda: mock.sessions[0].cut()
    found = run(client("""
        const client = record(new StenodClient({ bufferSeconds: 4 }));
        await client.connect();
        for (let i = 0; i < 20; i++) client.sendAudio(seconds(0.1));
        await until(() => times("final").length === 1);
        await fetch("/cut");
        await until(() => client.state === "reconnecting");
        for (let i = 0; i < 100; i++) client.sendAudio(seconds(0.1));
        await until(() => client.state === "open");
        await client.end();
        return { lost: times("lost"), finals: times("final"), time: client.time };
    """))
    assert found["time"] == 12
    [[start, end]] = found["lost"]
    assert 0 <= start <= 2 and end == 8
    assert found["finals"] == [[0.2, 1], [9, 10]]
    assert len(mock.sessions[1].audio) == 2 * 16000 * 4


def test_a_server_that_does_not_read_loses_the_oldest(run, mock):
    mock.plan = lambda index: []
    mock.commands["/stall"] = lambda: setattr(mock, "is_stalled", True)
    mock.commands["/go-on"] = lambda: setattr(mock, "is_stalled", False)
    found = run(client("""
        const client = record(new StenodClient({ bufferSeconds: 5 }));
        await client.connect();
        await fetch("/stall");
        for (let i = 0; i < 1200; i++) { client.sendAudio(seconds(1)); if (i % 20 === 0) await sleep(1); }
        const waiting = client.waiting;
        await fetch("/go-on");
        await client.end();
        return { waiting, lost: times("lost"), end: events.find((e) => e.type === "end").detail.audio.received, time: client.time };
    """))
    lost = sum(end - start for start, end in found["lost"])
    assert found["waiting"] <= 5 and found["time"] == 1200
    assert lost > 0 and found["end"] / 16000 + lost == pytest.approx(1200, abs=0.001)


def test_a_server_that_falls_silent_is_left(browser, mock):
    context = browser.new_context()
    page = context.new_page()
    page.clock.install()
    page.goto(mock.url + "favicon.svg")
    page.evaluate(client("""
        window.client = record(new StenodClient());
        window.events = events;
        await client.connect();
        client.sendAudio(seconds(1));
    """))
    mock.is_mute = True
    page.clock.run_for(5000)
    for _ in range(100):
        if any(m["type"] == "ping" for m in mock.sessions[0].messages):
            break
        page.wait_for_timeout(20)
    assert page.evaluate("client.state") == "open"
    page.clock.run_for(13000)
    assert page.evaluate("events.at(-1).type") == "reconnecting"
    assert page.evaluate("events.at(-1).detail.code") == "connection_lost"
    context.close()


def test_backoff_grows_and_scatters(run, mock):
    def cut_and_refuse():
        mock.refuses_upgrades = True
        mock.sessions[0].cut()
    mock.commands["/cut-and-refuse"] = cut_and_refuse
    delays = run(client("""
        const client = record(new StenodClient());
        await client.connect();
        await fetch("/cut-and-refuse");
        const delays = () => events.filter((e) => e.type === "reconnecting").map((e) => e.detail.delay);
        for (let n = 1; n <= 7; n++) {
            await until(() => delays().length >= n);
            client.retryNow();
        }
        client.close();
        return [delays(), client.state, events.at(-1).type, events.at(-1).detail.error];
    """))
    delays, state, last, error = delays
    for attempt, delay in enumerate(delays[:7], 1):
        most = min(15, 0.5 * 2 ** (attempt - 1))
        assert most / 2 <= delay <= most
    assert len({round(d, 6) for d in delays}) == len(delays)
    assert (state, last, error) == ("idle", "close", None)


@pytest.mark.parametrize("options, code", [
    ({"url": "http://["}, "invalid_url"),
    ({"url": "ftp://127.0.0.1/"}, "invalid_url"),
    ({"key": "two words"}, "unauthorized"),
])
def test_options_that_cannot_work(run, options, code):
    found = run(client("""
        const client = record(new StenodClient(argument));
        return client.connect().catch((error) => [error instanceof StenodError, error.code, client.state, events.length]);
    """), options)
    assert found == [True, code, "idle", 0]


def test_closed_while_connecting(run, mock):
    found = run(client("""
        const client = record(new StenodClient());
        const connected = client.connect().catch((error) => error.code);
        client.close();
        return [await connected, client.state, await client.end(), events.length];
    """))
    assert found == ["closed", "idle", None, 0]


def test_connecting_twice(run):
    found = run(client("""
        const client = record(new StenodClient());
        await client.connect();
        const again = await client.connect().catch((error) => error.code);
        await client.end();
        return [again, client.state];
    """))
    assert found == ["already_connected", "idle"]


# Formats

def module(path, body):
    return f'async (argument) => {{ const m = await import("/{path}"); {body} }}'


def test_times(run):
    cases = [[0, 0, "0:00"], [59.999, 2, "1:00.00"], [3599.5, 0, "1:00:00"], [3661.25, 3, "1:01:01.250"], [-1, 1, "0:00.0"]]
    for seconds, decimals, expected in cases:
        assert run(module("formats.js", "return m.formatTime(argument[0], { decimals: argument[1] });"), [seconds, decimals]) == expected


def words_of(text, start, step):
    return [{"word": " " + w, "start": round(start + i * step, 3), "end": round(start + (i + 1) * step, 3)}
            for i, w in enumerate(text.split())]


def test_long_segments_become_several_cues(run):
    text = ("The family of Dashwood had been long settled in Sussex. Their estate was large, and their residence was at Norland "
            "Park, in the centre of their property, where, for many generations, they had lived.")
    segment = {"start": 10, "end": 30, "text": " " + text, "words": words_of(text, 10, 20 / len(text.split()))}
    srt = run(module("formats.js", "return m.writeSrt({ segments: argument });"), [segment])
    blocks = [block.split("\n") for block in srt.strip().split("\n\n")]
    assert [b[0] for b in blocks] == [str(i + 1) for i in range(len(blocks))] and len(blocks) > 2
    assert " ".join(b[2] for b in blocks) == text
    assert all(len(b[2]) <= 84 for b in blocks)
    assert blocks[0][2] == "The family of Dashwood had been long settled in Sussex."
    assert blocks[0][1].startswith("00:00:10,000 --> ") and blocks[-1][1].endswith("00:00:30,000")


def test_subtitles_stay_well_formed(run):
    segments = [{"start": 0, "end": 1, "text": " a --> b & <i>\nc "}, {"start": 1, "end": 2, "text": "  "}]
    assert run(module("formats.js", "return m.writeVtt({ segments: argument });"), segments) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\na -> b &amp; &lt;i> c\n")
    assert run(module("formats.js", "return m.writeSrt({ segments: argument });"), segments) == (
        "1\n00:00:00,000 --> 00:00:01,000\na -> b & <i> c\n")


def test_paragraphs_and_gaps(run):
    segments = [{"start": 0, "end": 1, "text": "One."}, {"start": 1.5, "end": 2, "text": "Two."},
                {"start": 6, "end": 7, "text": "After a pause."}, {"start": 7, "end": 68, "lost": True},
                {"start": 68, "end": 70, "text": "Back."}]
    assert run(module("formats.js", "return m.writeText({ segments: argument });"), segments) == (
        "One. Two.\n\nAfter a pause.\n\n[0:07 – 1:08: no connection, not transcribed]\n\nBack.\n")
    saved = json.loads(run(module("formats.js", "return m.writeJson({ segments: argument, duration: 70 });"), segments))
    assert saved["text"] == "One. Two. After a pause. Back." and saved["lost"] == [{"start": 7, "end": 68}]


def test_scripts_without_spaces(run):
    segments = [{"start": 0, "end": 1, "text": "こんにちは。"}, {"start": 1, "end": 2, "text": "元気ですか"}]
    assert run(module("transcript.js", "return m.joinTexts(argument);"), segments) == "こんにちは。元気ですか"


def test_words_are_found_in_their_text(run):
    segment = {"start": 0, "end": 3, "text": " the cat, the dog", "words": [
        {"word": " the", "start": 0, "end": 1}, {"word": " cat,", "start": 1, "end": 2}, {"word": " the", "start": 2, "end": 2.5},
        {"word": " dog", "start": 2.5, "end": 3}]}
    located = run(module("transcript.js", "return m.locateWords(argument);"), segment)
    assert [(w["from"], w["to"], w["start"]) for w in located] == [(0, 3, 0), (4, 8, 1), (9, 12, 2), (13, 16, 2.5)]
    bare = run(module("transcript.js", "return m.locateWords(argument);"), {"start": 1, "end": 2, "text": "no times"})
    assert [(w["from"], w["to"], w["start"], w["end"]) for w in bare] == [(0, 2, 1, 2), (3, 8, 1, 2)]


def test_event_streams_in_pieces(run):
    stream = ": hello\r\nevent: progress\r\ndata: {\"a\":1}\r\n\r\ndata: x\ndata: y\n\nevent: none\n\nevent: result\rdata:{}\r\rtail"
    for size in (1, 2, 3, 7, 1000):
        events = run(module("file-transcription.js", """
            const parser = new m.EventStreamParser();
            const events = [];
            const [text, size] = argument;
            for (let i = 0; i < text.length; i += size) events.push(...parser.push(text.slice(i, i + size)));
            return events.map(({ event, data }) => [event, data]);
        """), [stream, size])
        assert events == [["progress", '{"a":1}'], ["message", "x\ny"], ["result", "{}"]], size


def test_every_failure_has_words(run):
    codes = ["microphone_denied", "microphone_missing", "microphone_busy", "microphone_lost", "microphone_insecure",
             "microphone_unsupported", "microphone_failed", "unreachable", "connection_lost", "refused", "shutting_down", "overloaded",
             "internal", "invalid_argument", "not_supported", "quota_exceeded", "closed", "something_new"]
    found = run(module("failures.js", """
        const { StenodError } = await import("/stenod.js");
        return argument.map((code) => m.describe(new StenodError(code, "It says why"), { hasKey: true }));
    """), codes)
    for code, words in zip(codes, found):
        assert words["title"] and words["text"].endswith("."), code
    assert len({words["title"] for words in found[:-2]}) >= len(codes) - 4


# Long sessions

def test_a_message_costs_the_same_after_hours(browser, mock):
    """Counted in changes to the document, which do not depend on the machine."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(mock.url)
    counts = page.evaluate("""async () => {
        const { TranscriptView } = await import("/transcript-view.js");
        const root = document.querySelector("#live");
        const view = new TranscriptView(root);
        let changes = 0;
        const count = (records) => { for (const r of records) changes += 1 + r.addedNodes.length + r.removedNodes.length; };
        const observer = new MutationObserver(count);
        observer.observe(root.querySelector(".log"), { subtree: true, childList: true, characterData: true });
        const costs = [];
        for (let i = 0; i < 5000; i++) {
            const start = 3 * i, end = start + 2.9;
            const text = `Sentence ${i} of a long evening, with a dozen words in it, more or less.`;
            for (const n of [10, 30, 60]) view.setPartial({ text: text.slice(0, n), stable: text.slice(0, n / 2), start, end });
            view.append({ start, end, text });
            count(observer.takeRecords());
            costs.push(changes);
            changes = 0;
        }
        return { costs, nodes: root.querySelectorAll("*").length };
    }""")
    assert max(counts["costs"][4000:]) == max(counts["costs"][:100])
    assert counts["nodes"] < 2 * 5000
    context.close()
