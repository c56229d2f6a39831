"""stenod behind nginx: deploy/nginx/stenod.conf with two nodes, used from Python and from Chromium."""
import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess

import pytest

import speech
from testing import browser as chromium
from testing.certificate import make_certificate, trusting
from testing.server import Server, Response, form, wait_until

pytest.importorskip("websockets", reason="websockets is not installed: see requirements.txt")
from testing.blocking import connect  # noqa: E402
from websockets.exceptions import InvalidStatus  # noqa: E402

NGINX = pathlib.Path("/usr/sbin/nginx")
CONFIG = pathlib.Path(__file__).parents[2] / "deploy" / "nginx" / "stenod.conf"
NAME = "stt.example.com"  # as the configuration has it

pytestmark = [pytest.mark.model, pytest.mark.skipif(not NGINX.exists(), reason="the package nginx is not installed")]

# What Debian's nginx.conf says around it, for one who is not root, and in a folder of the test.
FRAME = """
{user}
daemon off;
worker_processes 2;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    default_type application/octet-stream;
    gzip on;
    include {folder}/stenod.conf;
}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def filled_in(values):
    """The configuration with other values; each has to stand in it so many times."""
    text = CONFIG.read_text()
    for (old, times), new in values.items():
        assert text.count(old) == times, old
        text = text.replace(old, new)
    return text


class Proxy:
    """nginx in front of two nodes."""

    def __init__(self, folder, nodes):
        self.folder, self.nodes = folder, nodes
        self.port, self.plain_port = free_port(), free_port()
        certificate, key = make_certificate(folder, NAME)
        self.tls = trusting(certificate)
        (folder / "stenod.conf").write_text(filled_in({
            ("127.0.0.1:8765", 2): f"127.0.0.1:{nodes[0].port}", ("127.0.0.1:8766", 2): f"127.0.0.1:{nodes[1].port}",
            ("listen 443 ssl http2;", 1): f"listen 127.0.0.1:{self.port} ssl http2;", ("listen [::]:443 ssl http2;", 1): "",
            ("listen 80;", 1): f"listen 127.0.0.1:{self.plain_port};", ("listen [::]:80;", 1): "",
            ("/etc/nginx/stenod/certificate.pem", 1): str(certificate), ("/etc/nginx/stenod/key.pem", 1): str(key)}))
        (folder / "nginx.conf").write_text(FRAME.format(folder=folder, user="user root;" if os.geteuid() == 0 else ""))
        self.process = subprocess.Popen([NGINX, "-e", folder / "error.log", "-p", folder, "-c", folder / "nginx.conf"],
                                        stdin=subprocess.DEVNULL)
        wait_until(self._listens, "nginx listens")

    def _listens(self):
        assert self.process.poll() is None, self.errors()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def errors(self):
        return (self.folder / "error.log").read_text()

    def stop(self):
        self.process.terminate()
        assert self.process.wait(30) == 0, self.errors()

    def socket(self, address):
        """A connection of a client with that address."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=120, source_address=(address, 0))

    @contextlib.contextmanager
    def live(self, address="127.0.0.2", headers=None):
        """A WebSocket that has said that it is ready."""
        with connect(f"wss://{NAME}:{self.port}/ws/transcribe?language=en", sock=self.socket(address), ssl=self.tls,
                     additional_headers=headers) as session:
            assert json.loads(session.recv(60))["type"] == "ready"
            yield session

    def refused(self, address="127.0.0.2", headers=None):
        """The answer to a WebSocket that is not let in."""
        with pytest.raises(InvalidStatus) as refusal, self.live(address, headers):
            pass
        answer = refusal.value.response
        return Response(answer.status_code, answer.headers, answer.body)

    def connect(self, address="127.0.0.2"):
        connection = http.client.HTTPConnection(NAME, self.port)
        connection.sock = self.tls.wrap_socket(self.socket(address), server_hostname=NAME)
        return connection

    def request(self, method, path, body=None, headers={}):
        connection = self.connect()
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return Response(answer.status, answer.headers, answer.read())

    def sessions(self):
        """Of each node, whose they are."""
        return [[session["client"] for session in node.get("/sessions").json()["sessions"]] for node in self.nodes]


def start_node(stenod, folder, *arguments, port=0):
    return Server(stenod, folder, "--model", "tiny.en", "--server-trusted-proxies", "127.0.0.1", "--server-allowed-hosts", NAME,
                  *arguments, port=port).__enter__()


@contextlib.contextmanager
def running(stenod, folder, *arguments_of_nodes):
    with contextlib.ExitStack() as stack:
        nodes = []
        for i, arguments in enumerate(arguments_of_nodes):
            nodes.append(start_node(stenod, folder / str(i), *arguments))
            stack.callback(nodes[-1].stop)
        proxy = Proxy(folder, nodes)
        stack.callback(proxy.stop)
        try:
            yield proxy
        except BaseException:
            print(proxy.errors(), (folder / "access.log").read_text())  # pytest shows it
            raise


@pytest.fixture(scope="module")
def proxy(stenod, weights, tmp_path_factory):
    with running(stenod, tmp_path_factory.mktemp("nginx"), *[("--access-max-streams-per-ip", 2)] * 2) as started:
        yield started
        assert [node.stop() for node in started.nodes] == [0, 0]


@pytest.fixture
def nobody_there(proxy):
    """Sessions of earlier tests have ended."""
    wait_until(lambda: proxy.sessions() == [[], []], "there are no sessions")


def test_a_live_session(proxy, reading):
    finals = []
    with proxy.live() as session:
        samples = speech.to_float(reading.samples)
        for start in range(0, len(samples), 4 * 4096):
            session.send(samples[start:start + 4 * 4096])
        session.send('{"type":"end"}')
        for message in map(json.loads, session):
            if message["type"] == "final":
                finals.append(message["text"])
        assert message["type"] == "end" and message["audio"]["received"] == len(samples) / 4
        assert session.close_code == 1000
    assert speech.word_error_rate(reading.text, " ".join(finals)) < 0.2, finals


def test_streams_are_spread_and_counted_by_client(proxy, nobody_there):
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(proxy.live("127.0.0.2"))
        assert proxy.sessions() == [["127.0.0.2"] * 2] * 2
        for headers in (None, {"X-Forwarded-For": "203.0.113.9"}):  # whatever the client says of itself
            refused = proxy.refused("127.0.0.2", headers)
            assert (refused.status, refused.code) == (429, "too_many_streams")
            assert int(refused.headers["Retry-After"]) > 0
        stack.enter_context(proxy.live("127.0.0.3"))
        assert sum(clients.count("127.0.0.3") for clients in proxy.sessions()) == 1


def test_uploads_arrive_as_they_are_sent(proxy, reading, reading_wav):
    body, content_type = form(reading_wav.read_bytes(), {"language": "en"})
    half = len(body) // 2
    connection = proxy.connect()
    connection.putrequest("POST", "/transcribe")
    connection.putheader("Content-Type", content_type)
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders()
    connection.send(body[:half])
    wait_until(lambda: sum(node.spooled_bytes() for node in proxy.nodes) > half - 64 * 1024, "half of it lies in the spool")
    assert sum(node.spooled_bytes() for node in proxy.nodes) <= half
    connection.send(body[half:])
    answer = connection.getresponse()
    assert answer.status == 200
    assert speech.word_error_rate(reading.text, json.loads(answer.read())["text"]) < 0.2
    connection.close()
    assert list((proxy.folder / "body").iterdir()) == [], "nginx writes nothing down"


def test_events_arrive_as_they_happen(proxy, long_file):
    body, content_type = form(long_file(10).read_bytes(), {"language": "en", "stream": "true"}, name="long.flac")
    connection = proxy.connect()
    connection.request("POST", "/transcribe", body, {"Content-Type": content_type})
    answer = connection.getresponse()
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/event-stream")
    lines = iter(answer.readline, b"")
    assert any(line.startswith(b"event: segment") for line in lines)
    assert sum(node.metric("stenod_files_active") for node in proxy.nodes) == 1, "it is still being transcribed"
    # And who leaves is noticed.
    connection.sock.close()
    answer.close()
    wait_until(lambda: sum(node.metric("stenod_files_active") for node in proxy.nodes) == 0, "the work has ended")


def test_what_nginx_itself_answers(proxy):
    connection = proxy.connect()
    connection.putrequest("POST", "/transcribe")
    connection.putheader("Content-Type", "audio/wav")
    connection.putheader("Content-Length", str(102 << 20))
    connection.endheaders()
    answer = connection.getresponse()
    by_nginx = json.loads(answer.read())["error"]
    assert answer.status == 413 and by_nginx["code"] == "payload_too_large"
    connection.close()
    # A body as large as nginx takes reaches stenod, which knows how much of it is the recording.
    refused = proxy.request("POST", "/transcribe", iter([bytes(1 << 20)] * 101),
                            {"Content-Type": "audio/wav", "Content-Length": str(101 << 20)})
    assert (refused.status, refused.code) == (413, "payload_too_large")
    assert refused.json()["error"]["message"] != by_nginx["message"]

    assert [proxy.request("GET", path).status for path in ("/metrics", "/sessions", "/readyz")] == [404, 404, 200]
    plain = http.client.HTTPConnection("127.0.0.1", proxy.plain_port, timeout=30)
    with contextlib.closing(plain):
        plain.request("GET", "/v1/models?x=1", headers={"Host": NAME})
        answer = plain.getresponse()
        assert (answer.status, answer.headers["Location"]) == (301, f"https://{NAME}/v1/models?x=1")


def test_a_node_that_is_full_or_dead_is_passed_over(stenod, weights, tmp_path, reading_wav):
    full, roomy = ("--live-max-sessions", 1), ("--live-max-sessions", 3)

    def nobody_there(*nodes):
        wait_until(lambda: all(node.get("/sessions").json()["sessions"] == [] for node in nodes), "there are no sessions")

    with running(stenod, tmp_path, full, roomy) as proxy:
        first, second = proxy.nodes
        with contextlib.ExitStack() as stack:
            for _ in range(4):  # the fourth at the latest is the first one's turn, which refuses it
                stack.enter_context(proxy.live())
            assert [len(clients) for clients in proxy.sessions()] == [1, 3]
            for _ in range(8):  # however often: both are asked, and the answer is theirs
                refused = proxy.refused()
                assert (refused.status, refused.code) == (503, "overloaded") and int(refused.headers["Retry-After"]) > 0
                assert "sessions are open" in refused.text
        # Nodes that have refused are not taken for dead: their places are to be had as soon as they are free.
        nobody_there(first, second)
        with proxy.live(), proxy.live():
            assert [len(clients) for clients in proxy.sessions()] == [1, 1]
        nobody_there(first, second)

        assert first.stop(signal.SIGKILL) == -signal.SIGKILL
        for _ in range(4):
            with proxy.live():
                assert len(second.get("/sessions").json()["sessions"]) == 1
            nobody_there(second)
        body, content_type = form(reading_wav.read_bytes(), {"language": "en"})
        for _ in range(2):
            assert proxy.request("POST", "/transcribe", body, {"Content-Type": content_type}).status == 200

        # It comes back, and has its share at once.
        proxy.nodes[0] = start_node(stenod, tmp_path / "0", *roomy, port=first.port)
        try:
            with proxy.live(), proxy.live(), proxy.live(), proxy.live():
                assert [len(clients) for clients in proxy.sessions()] == [2, 2]
        finally:
            assert proxy.nodes[0].stop() == 0

        assert second.stop() == 0
        for answer in (proxy.refused(), proxy.request("GET", "/readyz"), proxy.request("POST", "/transcribe", b"RIFF")):
            assert answer.status == 503 and answer.headers["Retry-After"] == "5"
            assert answer.code == "overloaded"


@pytest.mark.skipif(not chromium.CHROMIUM.exists(), reason="the package chromium is not installed")
def test_speaking_into_the_page(proxy, nobody_there, reading, tmp_path):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: see requirements.txt")
    spoken = speech.write(tmp_path / "reading.wav", reading.samples + speech.silence(1), "-ar", 44100)
    with playwright.sync_playwright() as instance:
        browser = chromium.launch(instance, *chromium.microphone(spoken), f"--host-resolver-rules=MAP {NAME} 127.0.0.1")
        page = chromium.LivePage(browser, f"https://{NAME}:{proxy.port}/", ignore_https_errors=True)
        addresses = []
        page.page.on("websocket", lambda socket: addresses.append(socket.url))
        page.open().switch_processing_off()
        page.start()
        page.page.locator("[data-segment]").nth(1).wait_for()
        page.stop()
        heard = speech.words(" ".join(page.finals))
        said = speech.words(reading.text)[:len(heard)]
        assert len(heard) > 5 and speech.word_error_rate(" ".join(said), " ".join(heard)) < 0.3, heard
        assert addresses and all(a.startswith(f"wss://{NAME}:{proxy.port}/ws/transcribe") for a in addresses)
        assert page.errors == [] and page.foreign == []
        browser.close()
