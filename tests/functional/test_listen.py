"""The live client in the terminal, against a server of the tests."""
import json
import os
import pty
import re
import signal
import socket
import ssl
import struct
import subprocess
import time

import numpy as np
import pytest

import speech
from live_server import LiveServer
from testing.server import Server

FIRST = "He had no sooner heard of it than"


def s16(seconds, rate=16000):
    return (np.sin(np.arange(int(seconds * rate)) * 0.2) * 8000).astype("<i2").tobytes()


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Six seconds, as a file."""
    path = tmp_path_factory.mktemp("listen") / "clip.wav"
    subprocess.run(["ffmpeg", "-v", "error", "-f", "s16le", "-ar", "16000", "-ac", "1", "-i", "-", path], input=s16(6), check=True)
    return path


def listen(stenod, server, *arguments, **options):
    return stenod("listen", "--url", server.url, *arguments, timeout=60, **options)


def start(stenod, *arguments, **options):
    """With a standard input that can be written to, unlike stenod.start()."""
    return subprocess.Popen([stenod.binary, "listen", *map(str, arguments)], env=stenod.environment,
                            stderr=subprocess.PIPE, **options)


def test_a_file_is_sent_whole_and_finals_come_out(stenod, clip):
    with LiveServer() as server:
        result = listen(stenod, server, "--speed", 0, clip)
    assert result.code == 0, result.err
    assert result.out == FIRST + "\nHe had no sooner\n" and result.err == ""
    session, = server.sessions
    assert session["start"] == {"type": "start", "encoding": "s16le", "sample_rate": 16000, "channels": 1}
    assert session["audio"] == s16(6) and session["ended"]


def test_a_file_is_sent_at_the_wanted_pace(stenod, clip):
    with LiveServer() as server:
        begin = time.monotonic()
        assert listen(stenod, server, "--speed", 4, clip).code == 0
    assert 1.4 < time.monotonic() - begin


def test_settings_and_key_reach_the_server(stenod, clip):
    with LiveServer() as server:
        server.url += "?silence_ms=800"
        assert listen(stenod, server, "--speed", 0, "--language", "de", "--words", "--key", "k-1", clip).code == 0
    request, = server.requests
    assert request.path == "/ws/transcribe?silence_ms=800&language=de&words=true"
    assert request.headers["Authorization"] == "Bearer k-1"


def test_words(stenod, clip):
    with LiveServer() as server:
        result = listen(stenod, server, "--speed", 0, "--words", clip)
    lines = result.out.splitlines()
    assert lines[0] == FIRST and len(lines) == 2 + 12
    assert re.fullmatch(r" +0\.50 +0\.90 +0\.90  had", lines[2])


def test_json(stenod, clip):
    with LiveServer() as server:
        result = listen(stenod, server, "--speed", 0, "--json", clip)
    messages = [json.loads(line) for line in result.out.splitlines()]
    assert [m["type"] for m in messages] == ["ready"] + 7 * ["partial"] + ["final"] + 4 * ["partial"] + ["final", "end"]


@pytest.mark.parametrize("encoding, options, bytes_per_s", [
    ("s16le", [], 32000),
    ("s16le", ["--encoding", "s16le", "--sample-rate", 48000, "--channels", 2], 192000),
    ("f32le", ["--encoding", "f32le"], 64000),
    ("mulaw", ["--encoding", "mulaw", "--sample-rate", 8000], 8000)])
def test_standard_input(stenod, encoding, options, bytes_per_s):
    sound = os.urandom(2 * bytes_per_s + 1)
    with LiveServer() as server:
        process = start(stenod, "--url", server.url, *options, "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        out, err = process.communicate(sound, timeout=60)
    assert process.returncode == 0, err
    session, = server.sessions
    assert session["audio"] == sound and session["ended"]
    assert session["start"]["encoding"] == encoding
    assert out.decode().startswith("1: He" if "--channels" in options else "He")


def test_a_container_on_standard_input_is_passed_on(stenod, clip):
    with LiveServer() as server:
        process = start(stenod, "--url", server.url, "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process.communicate(clip.read_bytes(), timeout=60)
    session, = server.sessions
    assert session["start"]["encoding"] == "auto" and session["audio"] == clip.read_bytes()


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_asks_for_the_rest(stenod, sent):
    with LiveServer() as server:
        process = start(stenod, "--url", server.url, "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process.stdin.write(s16(1.5))
        process.stdin.flush()
        while not (server.sessions and len(server.sessions[0]["audio"]) == 48000):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(sent)  # standard input stays open
        assert process.wait(timeout=30) == 0
        assert process.stdout.read() == b"He had no\n" and server.sessions[0]["ended"]
        process.stdin.close()


def test_interrupt_does_not_wait_for_ever(stenod):
    def silent(connection, session):
        connection.send('{"type":"ready"}')
        for message in connection:
            session["ended"] |= message == '{"type":"end"}'

    with LiveServer(script=silent) as server:
        process = start(stenod, "--url", server.url, "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process.stdin.write(s16(1))
        process.stdin.flush()
        while not server.sessions:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        begin = time.monotonic()
        assert process.wait(timeout=30) == 130 and time.monotonic() - begin > 3
        assert b"too late" in process.stderr.read() and server.sessions[0]["ended"]
        process.stdin.close()


def test_a_second_interrupt_ends_at_once(stenod):
    def silent(connection, session):
        for message in connection:
            session["ended"] |= message == '{"type":"end"}'

    with LiveServer(script=silent) as server:
        process = start(stenod, "--url", server.url, "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process.stdin.write(s16(1))
        process.stdin.flush()
        while not server.sessions:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        while not server.sessions[0]["ended"]:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=3) == -signal.SIGINT
        process.stdin.close()


@pytest.mark.parametrize("status, body, words", [
    (401, b'{"error":{"code":"unauthorized","message":"no key"}}', ["401", "no key", "--key"]),
    (503, b'{"error":{"code":"overloaded","message":"no place is free"}}', ["503", "no place is free", "try again in 7 s"]),
    (429, b"", ["429", "try again in 7 s"]),
    (404, b"<html>", ["404", "/ws/transcribe"])])
def test_a_refusal_is_explained(stenod, clip, status, body, words):
    with LiveServer(refuse=(status, body)) as server:
        result = listen(stenod, server, clip)
    assert result.code == 1 and result.out == ""
    assert result.err.startswith("error: the server refused") and result.err.count("\n") == 1
    for word in words:
        assert word in result.err


def test_a_server_that_goes_is_noticed(stenod, clip):
    def vanish(connection, session):
        connection.send('{"type":"ready"}')
        connection.send('{"type":"final","text":"so far"}')
        connection.recv(), connection.recv()
        connection.socket.close()

    with LiveServer(script=vanish) as server:
        result = listen(stenod, server, clip)
    assert result.code == 1 and result.out == "so far\n"
    assert "broke" in result.err and "net_incomplete" in result.err


def test_why_a_server_closed_is_told(stenod, clip):
    def close(connection, session):
        connection.send('{"type":"ready"}')
        connection.send('{"type":"error","code":"invalid_argument","message":"no such language"}')
        connection.close(1008, "policy")

    with LiveServer(script=close) as server:
        result = listen(stenod, server, clip)
    assert result.code == 1
    assert "1008" in result.err and "no such language" in result.err


def test_the_servers_own_end_is_no_success(stenod, clip):
    def end(connection, session):
        connection.send('{"type":"ready"}')
        connection.send('{"type":"end","reason":"session_limit"}')

    with LiveServer(script=end) as server:
        result = listen(stenod, server, clip)
    assert result.code == 1 and "session_limit" in result.err


def test_another_protocol_is_refused(stenod, clip):
    with LiveServer(script=lambda connection, session: connection.send("hello")) as server:
        result = listen(stenod, server, clip)
    assert result.code == 1 and "json_malformed" in result.err


def test_a_server_that_floods_is_survived(stenod, clip):
    def flood(connection, session):
        for i in range(20_000):
            connection.send(json.dumps({"type": "final", "text": f"text number {i}"}))
        connection.send('{"type":"end","reason":"end"}')

    with LiveServer(script=flood) as server:
        result = listen(stenod, server, clip)
    assert result.code == 0 and len(result.out.splitlines()) == 20_000 and result.peak_rss_mb < 200


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
                   check=True, capture_output=True)
    return folder


def test_certificates_are_verified(stenod, clip, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    with LiveServer(ssl=context) as server:
        refused = listen(stenod, server, "--speed", 0, clip)
        assert refused.code == 1 and "certificate" in refused.err and "net_tls" in refused.err
        assert not server.sessions
        trusted = listen(stenod, server, "--speed", 0, clip, env={"SSL_CERT_FILE": str(certificate / "cert.pem")})
        assert trusted.code == 0 and trusted.out.startswith(FIRST), trusted.err
        insecure = listen(stenod, server, "--speed", 0, "--insecure", clip)
        assert insecure.code == 0 and insecure.out.startswith(FIRST)


def test_a_certificate_for_another_host_is_refused(stenod, clip, certificate, tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=other.example",
                    "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with LiveServer(ssl=context) as server:
        refused = listen(stenod, server, clip, env={"SSL_CERT_FILE": str(tmp_path / "cert.pem")})
    assert refused.code == 1 and "certificate" in refused.err and "net_tls" in refused.err
    assert not server.sessions


@pytest.mark.parametrize("arguments, status, words", [
    (["--url", "ws://127.0.0.1:9/", "{clip}"], 1, "net_unreachable"),
    (["--url", "http://127.0.0.1:9/", "{clip}"], 1, "ws://"),
    (["--url", "nonsense", "{clip}"], 1, "net_bad_url"),
    (["/nonexistent.wav"], 1, "not_found"),
    (["--mic", "alsa:nothing_of_that_name"], 1, "arecord"),
    (["--mic", "x", "{clip}"], 2, "--mic"),
    (["--speed", "-1", "{clip}"], 2, "--speed"),
    (["--encoding", "mp3", "-"], 2, "--encoding"),
    (["--sample-rate", "96000", "-"], 2, "--sample-rate")])
def test_wrong_usage_is_explained(stenod, clip, arguments, status, words):
    result = stenod("listen", *[a.format(clip=clip) for a in arguments])
    assert result.code == status and words in result.err and result.out == ""


def test_on_a_terminal_partials_are_rewritten_in_place(stenod, clip):
    ours, theirs = pty.openpty()
    with LiveServer() as server:
        process = stenod.start("listen", "--url", server.url, "--speed", 8, clip, stdout=theirs, stderr=theirs,
                               env={"TERM": "xterm", "COLUMNS": "40"})
        os.close(theirs)
        shown = b""
        while True:
            try:
                shown += os.read(ours, 65536)
            except OSError:
                break
        assert process.wait(timeout=30) == 0
    os.close(ours)
    shown = shown.decode()
    assert "Listening" in shown
    assert re.search(r"\r\x1b\[2m\[0:0\d\]\x1b\[0m He had\x1b\[2m no sooner\x1b\[0m\x1b\[K", shown), shown
    assert shown.replace("\r\x1b[K", "").count(FIRST + "\r\n") == 1
    assert not shown.rstrip().endswith("]"), "the last line is erased"


def test_the_microphone(stenod, tmp_path):
    """A recording that ALSA takes for a sound card."""
    (tmp_path / "sound.raw").write_bytes(s16(3))
    (tmp_path / "asound.conf").write_text(
        f"</usr/share/alsa/alsa.conf>\npcm.fake {{ type file slave.pcm null file /dev/null infile {tmp_path}/sound.raw format raw }}\n")
    with LiveServer() as server:
        process = stenod.start("listen", "--url", server.url, "--mic", "alsa:fake", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env={"ALSA_CONFIG_PATH": str(tmp_path / "asound.conf")})
        deadline = time.monotonic() + 30
        while not (server.sessions and len(server.sessions[0]["audio"]) > 32000):
            if process.poll() is not None:
                err = process.stderr.read().decode()
                if "libavdevice" in err:
                    pytest.skip("libavdevice59 is not installed")
                pytest.fail(err)
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert out.decode().startswith("He had")


def test_what_was_sent_is_transcribed_when_the_source_fails(stenod):
    """As when a microphone is unplugged: here it is a connection that breaks."""
    with LiveServer() as server, socket.create_server(("127.0.0.1", 0)) as listener:
        source = socket.create_connection(listener.getsockname())
        standard_input, _ = listener.accept()
        process = start(stenod, "--url", server.url, "-", stdin=standard_input, stdout=subprocess.PIPE)
        standard_input.close()
        source.sendall(s16(1.5))
        while not (server.sessions and len(server.sessions[0]["audio"]) == 48000):
            assert process.poll() is None
            time.sleep(0.01)
        source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        source.close()  # by a reset
        assert process.wait(timeout=30) == 1
        assert process.stdout.read() == b"He had no\n" and server.sessions[0]["ended"]
        assert b"cannot read" in process.stderr.read()


@pytest.fixture(scope="module")
def served(stenod, weights, tmp_path_factory):
    """The real one; `url` is that of a LiveServer."""
    with Server(stenod, tmp_path_factory.mktemp("served"), "--model", "tiny.en") as server:
        yield f"ws://127.0.0.1:{server.port}/ws/transcribe"


@pytest.mark.model
def test_a_file_to_the_real_server(stenod, served, reading, reading_wav):
    result = stenod("listen", "--url", served, "--speed", 0, "--language", "en", reading_wav)
    assert result.code == 0 and result.err == "", result.err
    lines = result.out.splitlines()
    assert len(lines) > 3 and speech.word_error_rate(reading.text, " ".join(lines)) < 0.2, lines
    messages = stenod("listen", "--url", served, "--speed", 0, "--json", "--words", reading_wav).objects()
    assert (messages[0]["type"], messages[-1]["type"]) == ("ready", "end")
    finals = [m for m in messages if m["type"] == "final"]
    assert all(m["words"] for m in finals)
    assert speech.word_error_rate(reading.text, " ".join(m["text"] for m in finals)) < 0.2
    assert messages[-1]["audio"]["received"] == len(reading.samples) // 2 and messages[-1]["audio"]["dropped"] == {}


@pytest.mark.model
def test_samples_on_standard_input_to_the_real_server(stenod, served, reading):
    process = start(stenod, "--url", served, "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    out, err = process.communicate(reading.samples, timeout=120)
    assert process.returncode == 0 and err == b"", err
    assert speech.word_error_rate(reading.text, out.decode()) < 0.2, out


@pytest.mark.model
def test_what_the_real_server_refuses(stenod, served, reading_wav):
    result = stenod("listen", "--url", served, "--speed", 0, "--language", "de", reading_wav)  # which tiny.en does not know
    assert result.code == 1 and result.out == "" and "only English" in result.err
