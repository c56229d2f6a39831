"""Recordings over HTTP, as curl and scripts send them."""
import concurrent.futures
import json
import os
import random
import signal
import socket

import pytest

import speech
from testing.server import Server, events, form, wait_until

pytestmark = pytest.mark.model

# What is tried here has to do with HTTP, so it is the smaller one.
MODEL = ("--model", "tiny.en")


@pytest.fixture(scope="module")
def server(stenod, weights, tmp_path_factory):
    with Server(stenod, tmp_path_factory.mktemp("data"), *MODEL, "--files-max-queued", 64) as running:
        yield running


@pytest.fixture(scope="module")
def wav(reading_wav):
    return reading_wav.read_bytes()


def without_wall(transcript):
    return {key: value for key, value in transcript.items() if key != "wall_s"}


# --- What comes out

@pytest.mark.parametrize("format, content_type", [
    ("text", "text/plain; charset=utf-8"), ("srt", "application/x-subrip; charset=utf-8"),
    ("vtt", "text/vtt; charset=utf-8"), ("tsv", "text/tab-separated-values; charset=utf-8"),
    ("json", "application/json"), ("jsonl", "application/jsonl")])
def test_every_format_is_what_the_command_line_prints(server, stenod, reading_wav, wav, format, content_type):
    answer = server.post_form("/transcribe", wav, {"format": format}, name=reading_wav.name)
    assert answer.status == 200, answer.text
    assert answer.headers["Content-Type"] == content_type
    printed = stenod("transcribe", *MODEL, "--format", format, reading_wav.name, cwd=reading_wav.parent)
    if format.startswith("json"):
        assert without_wall(answer.json()) == without_wall(json.loads(printed.out))
    else:
        assert answer.text == printed.out


def test_subtitles_are_laid_out_as_by_the_command_line(server, stenod, reading_wav, wav):
    fields = {"max_line_width": "30", "max_line_count": "2", "highlight_words": "true"}
    options = ["--max-line-width", 30, "--max-line-count", 2, "--highlight-words"]
    printed = stenod("transcribe", *MODEL, "--format", "vtt", *options, reading_wav)
    assert "<u>" in printed.out
    assert server.post_form("/transcribe", wav, {"format": "vtt"} | fields).text == printed.out
    openai = {"model": "whisper-1", "response_format": "vtt"}
    assert server.post_form("/v1/audio/transcriptions", wav, openai | fields, part="file").text == printed.out
    answer = server.post_form("/transcribe", wav, {"format": "srt", "stream": "true"} | fields)
    segments = [json.loads(data) for name, data in events(answer.text) if name == "segment"]
    assert segments and not any("words" in segment for segment in segments)
    refused = server.post_form("/transcribe", wav, fields)
    assert refused.status == 400 and refused.json()["error"]["param"] == "format"


def test_the_text_is_right(server, reading, wav):
    transcript = server.post_form("/transcribe", wav, {"word_timestamps": "true"}).json()
    assert speech.word_error_rate(reading.text, transcript["text"]) < 0.15
    assert transcript["language"] == "en"
    assert transcript["duration"] == pytest.approx(reading.seconds, abs=0.01)
    words = [word for segment in transcript["segments"] for word in segment["words"]]
    assert "".join(word["word"] for word in words).strip() == transcript["text"]


def test_a_body_may_be_the_recording_alone(server, wav):
    path = "/transcribe?language=en&format=text"
    expected = server.post_form("/transcribe", wav, {"format": "text", "language": "en"}).text
    assert server.request("POST", path, wav, {"Content-Type": "audio/wav"}).text == expected
    assert server.request("POST", path, wav).text == expected
    # In pieces whose number nobody knows.
    pieces = (wav[at:at + 10000] for at in range(0, len(wav), 10000))
    connection = server.connect()
    connection.request("POST", path, pieces, {"Content-Type": "audio/wav"}, encode_chunked=True)
    assert connection.getresponse().read().decode() == expected


def test_other_containers(server, audio, reading):
    for name in ("talk.mp3", "talk.m4a", "talk.ogg", "talk.webm"):
        file = speech.write(audio / name, reading.samples)
        answer = server.post_form("/transcribe", file.read_bytes(), {"format": "text"}, name=name)
        assert answer.status == 200, answer.text
        assert speech.word_error_rate(reading.text, answer.text) < 0.2, name


def test_channels_apart(server, audio, reading, prompts):
    file = speech.write(audio / "call.wav", speech.interleave(reading.samples, prompts.samples), channels=2)
    transcript = server.post_form("/transcribe", file.read_bytes(), {"channels": "split"}).json()
    for channel, clip in enumerate((reading, prompts)):
        text = "".join(segment["text"] for segment in transcript["segments"] if segment["channel"] == channel)
        assert speech.word_error_rate(clip.text, text) < 0.25


def test_events(server, long_file):
    recording = long_file(4).read_bytes()
    connection = server.connect()
    body, content_type = form(recording, {"stream": "true"}, name="long.flac")
    connection.request("POST", "/transcribe", body, {"Content-Type": content_type})
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/event-stream"
    first = answer.read1().decode()
    assert "event: result" not in first, "the first events come before the end"
    found = events(first + answer.read().decode())
    names = [name for name, _ in found]
    assert names[0] == "progress" and names[-1] == "result" and names.count("result") == 1
    percents = [json.loads(data)["percent"] for name, data in found if name == "progress"]
    assert percents == sorted(percents) and 0 <= percents[0] and percents[-1] <= 100
    result = json.loads(found[-1][1])
    segments = [json.loads(data) for name, data in found if name == "segment"]
    assert segments == result["segments"]
    assert names.index("segment") < len(names) - 2, "segments come while there is progress"
    assert without_wall(result) == without_wall(server.post_form("/transcribe", recording, name="long.flac").json())


def test_events_of_other_formats(server, wav):
    found = events(server.post_form("/transcribe", wav, {"format": "srt"}, headers={"Accept": "text/event-stream"}).text)
    assert found[-1][0] == "result"
    assert found[-1][1] + "\n" == server.post_form("/transcribe", wav, {"format": "srt"}).text


def test_what_is_wrong_with_a_file_is_said_beside_its_text(server, reading, audio):
    whole = speech.write(audio / "whole.flac", reading.samples * 2).read_bytes()
    answer = server.post_form("/transcribe", whole[:len(whole) // 2], {"format": "text"}, name="half.flac")
    assert answer.status == 200 and len(answer.text) > 50
    assert any("announces" in warning for warning in answer.headers.get_all("Stenod-Warning"))


# --- What is refused

@pytest.mark.parametrize("fields, status, code, param", [
    ({"langauge": "en"}, 422, "unknown_parameter", "langauge"),
    ({"language": "klingon"}, 400, "invalid_argument", "language"),
    ({"model": "huge"}, 404, "model_unknown", "model"),
    ({"beam_size": "5"}, 400, "not_supported", "beam_size"),
    ({"prompt": "Ada"}, 400, "not_supported", "prompt"),
    ({"format": "docx"}, 400, "invalid_argument", "format")])
def test_wrong_options_are_named(server, wav, fields, status, code, param):
    for answer in (server.post_form("/transcribe", wav, fields),
                   server.request("POST", "/transcribe?" + "&".join(f"{k}={v}" for k, v in fields.items()), wav)):
        assert (answer.status, answer.code, answer.json()["error"]["param"]) == (status, code, param)


def test_bad_audio(server):
    for content, code in ((b"", "audio_empty"), (b"this is no sound", "audio_unknown_format"),
                          (b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n", None), (b"RIFF" + b"\xff" * 1000, None),
                          (os.urandom(100000), None)):
        answer = server.post_form("/transcribe", content, name="talk.mp3")
        assert answer.status == 400, answer.text
        assert answer.code.startswith("audio_") and code in (None, answer.code)
        assert "/proc" not in answer.text and str(server.folder) not in answer.text
        streamed = server.post_form("/transcribe", content, {"stream": "true"}, name="talk.mp3")
        assert streamed.status == 400, "not an event, since nothing was sent before"


@pytest.mark.parametrize("body, status, code", [
    (b"--b\r\n", 400, "multipart_truncated"), (b"--bx\r\n\r\n", 400, "multipart_malformed"),
    (b"--b\r\nX: y\r\n\r\nv\r\n--b--", 400, "multipart_bad_header"), (b"--b--", 422, "missing_parameter"),
    (b"--b\r\nX: " + b"y" * 9000, 413, "multipart_header_too_large"),
    (b"--b\r\nContent-Disposition: form-data; name=prompt\r\n\r\n" + b"y" * 20000, 413, "field_too_large")])
def test_damaged_forms(server, body, status, code):
    answer = server.request("POST", "/transcribe", body, {"Content-Type": "multipart/form-data; boundary=b"})
    assert (answer.status, answer.code) == (status, code)
    answer = server.request("POST", "/v1/audio/transcriptions", body, {"Content-Type": "multipart/form-data; boundary=b"})
    assert (answer.status, answer.code) == (400 if status == 422 else status, code)
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_bodies_of_another_kind(server):
    answer = server.request("POST", "/transcribe", b"x=1", {"Content-Type": "application/x-www-form-urlencoded"})
    assert (answer.status, answer.code) == (415, "unsupported_media_type")


def test_too_large_recordings(stenod, weights, tmp_path, wav):
    with Server(stenod, tmp_path, *MODEL, "--files-max-upload-bytes", 100_000) as small:
        for path, part in (("/transcribe", "audio"), ("/v1/audio/transcriptions", "file")):
            answer = small.post_form(path, wav[:100_001], part=part)
            assert (answer.status, answer.code) == (413, "payload_too_large")
            # By its length alone, before it has come.
            connection = small.connect()
            connection.putrequest("POST", path)
            connection.putheader("Content-Type", "audio/wav")
            connection.putheader("Content-Length", str(10**12))
            connection.endheaders()
            assert connection.getresponse().status == 413
            # Nor does a body without a length help.
            connection = small.connect()
            pieces = (wav for _ in range(10))
            try:
                connection.request("POST", path, pieces, {"Content-Type": "audio/wav"}, encode_chunked=True)
            except (BrokenPipeError, ConnectionResetError):
                continue  # that it stopped reading is an answer too
            assert connection.getresponse().status in (413, 400)
        assert small.spooled_files() == []


# --- Many, large and vanishing clients

def test_twenty_at_once(server, wav, reading):
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: server.post_form("/transcribe", wav, {"format": "text"}, timeout=300), range(20)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1, "what one gets does not depend on the others"
    assert speech.word_error_rate(reading.text, answers[0].text) < 0.15


def test_more_than_the_queue_holds_are_refused(stenod, weights, tmp_path, long_file, wav):
    recording = long_file(4).read_bytes()
    with Server(stenod, tmp_path, *MODEL, "--files-max-concurrent", 1, "--files-max-queued", 1) as narrow:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            accepted = [pool.submit(narrow.post_form, "/transcribe", recording, name="long.flac") for _ in range(2)]
            wait_until(lambda: narrow.metric("stenod_files_active") + narrow.metric("stenod_files_queued") == 2, "two at work")
            for path, part in (("/transcribe", "audio"), ("/v1/audio/transcriptions", "file")):
                refused = narrow.post_form(path, wav, part=part)
                assert (refused.status, refused.code) == (503, "overloaded")
                assert int(refused.headers["Retry-After"]) > 0
            assert [answer.result().status for answer in accepted] == [200, 200]


def test_large_uploads_take_no_memory(server):
    size = 90 << 20
    header = b"--boundary\r\nContent-Disposition: form-data; name=audio; filename=a.bin\r\n\r\n"
    tail = b"\r\n--boundary--\r\n"
    noise = random.Random(1)
    before = server.rss_mb()
    peak = 0

    def upload(_):
        nonlocal peak
        connection = server.connect(300)
        connection.putrequest("POST", "/transcribe")
        connection.putheader("Content-Type", "multipart/form-data; boundary=boundary")
        connection.putheader("Content-Length", str(len(header) + size + len(tail)))
        connection.endheaders()
        connection.send(header)
        piece = b"".join(b"\r\n--" + noise.randbytes(60) for _ in range(1 << 14))  # beginnings of the boundary
        for _ in range(size >> 20):
            connection.send(piece)
            peak = max(peak, server.rss_mb())
        connection.send(tail)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())["error"]["code"]

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        assert list(pool.map(upload, range(3))) == [(400, "audio_unknown_format")] * 3
    assert peak - before < 40, f"{before:.0f} MB before, {peak:.0f} MB meanwhile"
    assert server.spooled_files() == []


def test_a_client_that_vanishes_while_it_uploads(server, wav):
    body, content_type = form(wav)
    connection = server.connect()
    connection.putrequest("POST", "/transcribe")
    connection.putheader("Content-Type", content_type)
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders()
    connection.send(body[:len(body) // 2])
    wait_until(lambda: len(server.spooled_files()) == 1, "the upload lies in the spool")
    connection.close()
    wait_until(lambda: server.spooled_files() == [], "the upload is gone")
    assert server.post_form("/transcribe", wav).status == 200


@pytest.mark.parametrize("fields", [{}, {"stream": "true"}])
def test_a_client_that_vanishes_while_it_waits(server, long_file, wav, fields):
    body, content_type = form(long_file(30).read_bytes(), fields, name="long.flac")
    connection = server.connect()
    connection.request("POST", "/transcribe", body, {"Content-Type": content_type})
    wait_until(lambda: server.metric("stenod_files_active") == 1, "it is being transcribed")
    # With a reset, as when the process dies.
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()
    wait_until(lambda: server.metric("stenod_files_active") == 0, "the work has ended", seconds=5)
    assert server.spooled_files() == []
    assert server.post_form("/transcribe", wav).status == 200


def test_keys_are_asked_for(stenod, weights, tmp_path, wav):
    environment = {"STENOD_DATA_DIR": str(tmp_path)}
    key = stenod("key", "create", "test", env=environment).out.strip()
    with Server(stenod, tmp_path, *MODEL) as locked:
        for path, part in (("/transcribe", "audio"), ("/v1/audio/transcriptions", "file")):
            refused = locked.post_form(path, wav, part=part)
            assert (refused.status, refused.code) == (401, "unauthorized")
            assert ("type" in refused.json()["error"]) == path.startswith("/v1")
        assert locked.get("/v1/models").status == 401
        assert locked.post_form("/transcribe", wav, headers={"Authorization": f"Bearer {key}"}).status == 200
        assert locked.post_form("/transcribe", wav, headers={"X-API-Key": key}).status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_while_it_works(stenod, weights, tmp_path, long_file, number):
    body, content_type = form(long_file(30).read_bytes(), name="long.flac")
    with Server(stenod, tmp_path, "--server-shutdown-s", 4) as server:
        connection = server.connect()
        connection.request("POST", "/transcribe", body, {"Content-Type": content_type})
        wait_until(lambda: server.metric("stenod_files_active") == 1, "it is being transcribed")
        assert server.stop(number) == 0
        answer = connection.getresponse()
        assert answer.status == 503
        assert json.loads(answer.read())["error"]["code"] == "shutting_down"
