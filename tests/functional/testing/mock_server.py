"""A server that serves the page and speaks the live protocol without a model: what it says is given by the test, after so
many seconds of audio, and it can fail in every way that a real one, or a network, fails."""
import base64
import contextlib
import dataclasses
import email.parser
import email.policy
import hashlib
import http.server
import json
import mimetypes
import pathlib
import queue
import socket
import struct
import threading
import urllib.parse

WEB = pathlib.Path(__file__).resolve().parents[3] / "web"
RATE = 16000
# As src/server/static_routes.cc has it.
POLICY = ("default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
          "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")


@dataclasses.dataclass
class Utterance:
    """Said between two times of the session's clock. Partials grow word by word; the final comes half a second after it."""
    start: float
    end: float
    text: str

    def words(self):
        said = self.text.split()
        step = (self.end - self.start) / len(said)
        return [{"word": " " + word, "start": round(self.start + i * step, 3), "end": round(self.start + (i + 1) * step, 3),
                 "probability": 0.9} for i, word in enumerate(said)]


class Session:
    """One WebSocket. `audio` is what arrived, `messages` the texts, `answer` what they are answered with."""

    def __init__(self, server, connection, headers):
        self.server, self.connection, self.headers = server, connection, headers
        self.index = len(server.sessions)
        self.utterances = server.plan(self.index)
        self.encoding = "f32le"
        self.settings = {}
        self.audio = bytearray()
        self.sizes = []
        self.messages = []
        self.closed = threading.Event()
        self.lock = threading.Lock()
        self.next = 0  # of the utterances, the first without a final
        self.revision = 0
        self.told = 0.0

    @property
    def seconds(self):
        return len(self.audio) / (2 if self.encoding == "s16le" else 4) / RATE

    def send(self, message):
        self._frame(1, json.dumps(message).encode())

    def close(self, code, reason=""):
        with contextlib.suppress(OSError):
            self._frame(8, struct.pack(">H", code) + reason.encode())

    def cut(self):
        """As when a cable is pulled and the other end finds out."""
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def serve(self):
        self.send(self._ready())
        for kind, data in self._frames():
            if kind == 2:
                self.audio += data
                self.sizes.append(len(data))
                self._say()
            elif kind == 8:
                break
            else:
                message = json.loads(data)
                is_mute = self.server.is_mute  # before the message shows: a test may wait for it to change this
                self.messages.append(message)
                if not is_mute:
                    self._answer(message)

    def _answer(self, message):
        kind = message["type"]
        if kind == "start":
            self.settings = {k: v for k, v in message.items() if k != "type"}
            self.encoding = message.get("encoding", "f32le")
            if self.server.start_error:
                self.send({"type": "error"} | self.server.start_error)
                self.close(1008)
            else:
                self.send(self._ready())
        elif kind == "ping":
            self.send({"type": "pong"})
        elif kind == "finalize":
            self._settle()
        elif kind == "end":
            self.conclude("end")
            self.close(1000)

    def conclude(self, reason):
        """The last messages of a session. Returns the seconds that it received until then."""
        self._settle()
        received = round(self.seconds * RATE)
        self.send({"type": "end", "full_transcript": self._full(),
                   "audio": {"received": received, "transcribed": received, "silence": 0, "dropped": {}}, "reason": reason})
        return received / RATE

    def _ready(self):
        return {"type": "ready", "session_id": f"mock-{self.index}", "encoding": self.encoding, "language": "auto"}

    def _say(self):
        if self.server.is_mute:
            return
        while self.next < len(self.utterances):
            utterance = self.utterances[self.next]
            if self.seconds >= utterance.end + 0.5:
                self._final(utterance)
                continue
            if self.seconds >= utterance.start + 0.4 and self.seconds >= self.told + 0.4:
                self._partial(utterance)
            break

    def _partial(self, utterance):
        self.told = self.seconds
        said = [w["word"] for w in utterance.words() if w["start"] < self.seconds]
        self.revision += 1
        self.send({"type": "partial", "text": "".join(said).strip(), "stable": "".join(said[:len(said) // 2]).strip(),
                   "utterance": self.next, "revision": self.revision, "start": utterance.start,
                   "end": round(min(self.seconds, utterance.end), 3)})

    def _final(self, utterance):
        self.next += 1
        message = {"type": "final", "text": utterance.text, "full_transcript": self._full(), "utterance": self.next - 1,
                   "start": utterance.start, "end": utterance.end, "language": "en", "avg_logprob": -0.2,
                   "no_speech_prob": 0.01, "reason": "silence"}
        if self.settings.get("words"):
            message["words"] = utterance.words()
        self.send(message)

    def _settle(self):
        """A final for what has begun."""
        if self.next < len(self.utterances) and self.utterances[self.next].start < self.seconds:
            whole = self.utterances[self.next]
            words = [w for w in whole.words() if w["start"] < self.seconds]
            self._final(Utterance(whole.start, min(whole.end, round(self.seconds, 3)), "".join(w["word"] for w in words).strip()))

    def _full(self):
        return " ".join(u.text for u in self.utterances[:self.next])

    # RFC 6455, 5.2; browsers never send fragments of small messages, nor does this server.

    def _frames(self):
        while True:
            try:
                first, length = self._read(2)
                length &= 127
                if length == 126:
                    length, = struct.unpack(">H", self._read(2))
                elif length == 127:
                    length, = struct.unpack(">Q", self._read(8))
                mask = self._read(4) * (length // 4 + 1)
                data = self._read(length)
            except (OSError, EOFError):
                return
            assert first & 0x80, "a fragment"
            size = len(data)
            yield first & 15, (int.from_bytes(data, "big") ^ int.from_bytes(mask[:size], "big")).to_bytes(size, "big")

    def _read(self, length):
        data = bytearray()
        while len(data) < length:
            while self.server.is_stalled and not self.closed.wait(0.05):
                pass
            piece = self.connection.recv(length - len(data))
            if not piece:
                raise EOFError
            data += piece
        return bytes(data)

    def _frame(self, kind, data):
        length = len(data)
        head = bytes([length]) if length < 126 else b"\x7e" + struct.pack(">H", length)
        with self.lock, contextlib.suppress(OSError):
            self.connection.sendall(bytes([0x80 | kind]) + head + data)


@dataclasses.dataclass
class Upload:
    headers: dict
    fields: dict
    filename: str
    audio: bytes
    gone: threading.Event = dataclasses.field(default_factory=threading.Event)


class MockServer:
    """Serves on a port of its own until stop(). Tests set the attributes."""

    def __init__(self, port=0):
        self.plan = lambda index: []  # utterances of the session of that number
        self.refusal = None  # (status, {"code","message"}, headers) for WebSockets and files
        self.refuses_upgrades = False  # and says nothing about it
        self.ready_status = 200
        self.policy = POLICY  # for content
        self.is_mute = False  # reads but says nothing
        self.is_stalled = False  # does not even read
        self.start_error = None  # {"code","message","param"}
        self.file_events = queue.Queue()  # (event, data) for the file that is being transcribed; None ends the answer
        self.extra = {}  # further paths: (content type, body, headers)
        self.commands = {}  # paths that a page under test asks for, and what they do
        self.key = None
        self.sessions = []
        self.uploads = []
        self._connections = []
        self._start(port)

    def _start(self, port):
        mock = self

        class Handler(_Handler):
            server_of_test = mock

        class Server(http.server.ThreadingHTTPServer):
            allow_reuse_address = True
            daemon_threads = True

            def process_request(self, request, client_address):
                mock._connections.append(request)
                super().process_request(request, client_address)

            def handle_error(self, request, client_address):
                pass  # a browser that goes away is no news

        self._http = Server(("127.0.0.1", port), Handler)
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/"

    def stop(self):
        """As when the process is killed."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def start(self):
        """Again, at the same address."""
        self._start(self.port)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_of_test = None

    def log_message(self, *arguments):
        pass

    def _answer(self, status, content_type, body, headers=()):
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if self.server_of_test.policy:
            self.send_header("Content-Security-Policy", self.server_of_test.policy)
        self.send_header("Cache-Control", "no-cache")
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, status, error, headers=()):
        self._answer(status, "application/json", json.dumps({"error": error}).encode(), headers)

    def _refused(self):
        mock = self.server_of_test
        protocols = [p.strip() for p in self.headers.get("Sec-WebSocket-Protocol", "").split(",")]
        given = self.headers.get("Authorization", "").removeprefix("Bearer ") or next(
            (p[4:] for p in protocols if p.startswith("key.")), "")
        if mock.key and given != mock.key:
            self._refuse(401, {"code": "unauthorized", "message": "No key, or one that is not valid."})
        elif mock.refusal:
            self._refuse(*mock.refusal)
        else:
            return False
        return True

    def do_GET(self):
        mock = self.server_of_test
        path = urllib.parse.urlsplit(self.path).path
        if path == "/ws/transcribe":
            if self._refused():
                return
            if self.headers.get("Upgrade", "").lower() != "websocket":
                self._refuse(426, {"code": "upgrade_required", "message": "This path speaks WebSocket."})
                return
            if mock.refuses_upgrades:
                self._refuse(503, {"code": "overloaded", "message": "Too much to do."})
                return
            self._upgrade()
        elif path == "/readyz":
            self._answer(mock.ready_status, "application/json", b"{}")
        elif path in mock.commands:
            mock.commands[path]()
            self._answer(200, "text/plain", b"")
        elif path in mock.extra:
            content_type, body, headers = mock.extra[path]
            self._answer(200, content_type, body, headers)
        else:
            file = WEB / ("index.html" if path == "/" else path.lstrip("/"))
            if file.parent == WEB and file.is_file():
                kind = "text/javascript" if file.suffix == ".js" else mimetypes.guess_type(file.name)[0]
                self._answer(200, kind, file.read_bytes())
            else:
                self._refuse(404, {"code": "not_found", "message": path})

    def _upgrade(self):
        mock = self.server_of_test
        digest = hashlib.sha1((self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(digest).decode())
        self.send_header("Sec-WebSocket-Protocol", "stenod")
        self.end_headers()
        self.close_connection = True
        session = Session(mock, self.connection, dict(self.headers))
        mock.sessions.append(session)
        try:
            session.serve()
        finally:
            session.closed.set()

    def do_POST(self):
        mock = self.server_of_test
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self._refused():
            return
        if self.path != "/transcribe":
            self._refuse(404, {"code": "not_found", "message": self.path})
            return
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
        parts = {part.get_param("name", header="content-disposition"): part for part in message.iter_parts()}
        audio = parts.pop("audio")
        fields = {name: part.get_content().strip() for name, part in parts.items()}
        upload = Upload(dict(self.headers), fields, audio.get_filename(), audio.get_payload(decode=True))
        mock.uploads.append(upload)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            while (event := self._next_event()) is not None:
                name, data = event
                self.wfile.write(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode())
        except OSError:
            upload.gone.set()

    def _next_event(self):
        """The next one, while looking whether the client is still there."""
        self.connection.settimeout(0.05)
        while True:
            with contextlib.suppress(queue.Empty):
                return self.server_of_test.file_events.get_nowait()
            try:
                if self.connection.recv(1, socket.MSG_PEEK) == b"":
                    raise ConnectionError
            except TimeoutError:
                pass
