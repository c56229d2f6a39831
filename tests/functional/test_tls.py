"""The server's own TLS, and its certificate renewed while it runs."""
import json
import shutil
import signal
import socket
import ssl

import pytest

import speech
from testing.certificate import make_certificate, trusting
from testing.server import Server, wait_until

pytest.importorskip("websockets", reason="websockets is not installed: see requirements.txt")
from testing.blocking import connect  # noqa: E402

NAME = "stt.example.com"


class Renewal:
    """The files that the server reads, and the certificates that are put there."""

    def __init__(self, folder):
        self.folder = folder
        self.certificate, self.key = folder / "certificate.pem", folder / "key.pem"

    def make(self, file):
        return make_certificate(self.folder, NAME, file)

    def install(self, certificate, key):
        shutil.copy(certificate, self.certificate)
        shutil.copy(key, self.key)


def shown(server):
    """The certificate that a new client sees."""
    return ssl.get_server_certificate(("127.0.0.1", server.port), timeout=30)


def hang_up(server, event):
    """Sends SIGHUP and returns what the log then says."""
    before = len(server.log)
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: any(f'"event":"{event}"' in line for line in server.log[before:]), event)
    return next(json.loads(line) for line in server.log[before:] if f'"event":"{event}"' in line)


@pytest.mark.model
def test_a_certificate_is_renewed_while_people_speak(stenod, weights, tmp_path, reading):
    files = Renewal(tmp_path)
    first, second = files.make("first"), files.make("second")
    files.install(*first)
    with Server(stenod, tmp_path / "data", "--model", "tiny.en", "--server-allowed-hosts", NAME, "--server-tls-certificate",
                files.certificate, "--server-tls-key", files.key) as server:
        assert shown(server) == first[0].read_text()
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=60)
        with connect(f"wss://{NAME}:{server.port}/ws/transcribe", sock=connection, ssl=trusting(first[0])) as session:
            assert json.loads(session.recv(60))["type"] == "ready"
            samples = speech.to_float(reading.samples)
            third = len(samples) // 12 * 4
            session.send(samples[:third])

            files.install(*second)
            assert shown(server) == first[0].read_text(), "nothing changes by itself"
            assert hang_up(server, "certificate_reloaded")["file"] == str(files.certificate)
            assert shown(server) == second[0].read_text()
            session.send(samples[third:2 * third])

            # No certificate at all, and one that is not the key's.
            for content, file in (("garbage", files.certificate), (first[0].read_text(), files.key)):
                files.certificate.write_text(content)
                failed = hang_up(server, "certificate_not_reloaded")
                assert failed["level"] == "error" and failed["code"] == "tls_bad_certificate"
                assert failed["file"] == str(file) and failed["in_use"]
                assert shown(server) == second[0].read_text()
            files.certificate.unlink()
            failed = hang_up(server, "certificate_not_reloaded")
            assert failed["code"] == "not_found" and failed["file"] == str(files.certificate)
            assert shown(server) == second[0].read_text()

            session.send(samples[2 * third:])
            session.send('{"type":"end"}')
            finals = [m["text"] for m in map(json.loads, session) if m["type"] == "final"]
        assert speech.word_error_rate(reading.text, " ".join(finals)) < 0.2, finals


@pytest.mark.model
def test_without_tls_a_hangup_ends_the_server(stenod, weights, tmp_path):
    with Server(stenod, tmp_path, "--model", "tiny.en") as server:
        assert server.stop(signal.SIGHUP) == -signal.SIGHUP
        server.stop = lambda: 0
