"""Starts `stenod serve` as its users do, on a free port of the loopback interface."""
import dataclasses
import http.client
import json
import os
import pathlib
import signal
import subprocess
import threading
import time
import uuid

START_S = 60
STOP_S = 30


@dataclasses.dataclass
class Response:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self):
        return self.body.decode()

    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """Of an error."""
        return self.json()["error"]["code"]


class Server:
    """A running server; `folder` is its data folder. Ends with the `with` block. Port 0: a free one."""

    def __init__(self, stenod, folder, *arguments, port=0):
        self.folder = pathlib.Path(folder)
        self.log = []
        self.port = None
        self._listens = threading.Event()
        environment = stenod.environment | {"STENOD_DATA_DIR": str(self.folder)}
        command = [stenod.binary, "serve", "--listen", f"127.0.0.1:{port}", "--log-format", "json", *map(str, arguments)]
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE)
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()

    def _read_log(self):
        for line in self.process.stderr:
            self.log.append(line.decode().rstrip("\n"))
            if '"event":"listening"' in self.log[-1]:
                self.port = json.loads(self.log[-1])["port"]
                self._listens.set()
        self._listens.set()

    def __enter__(self):
        if not self._listens.wait(START_S) or self.port is None:
            self.process.kill()
            raise AssertionError("the server does not start:\n" + "\n".join(self.log))
        return self

    def __exit__(self, *_):
        code = self.stop()
        assert code == 0, f"exit status {code}:\n" + "\n".join(self.log[-50:])

    def stop(self, number=signal.SIGTERM):
        """Ends it and returns its exit status, negative for a signal."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            code = self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"still running {STOP_S} s after signal {number}:\n" + "\n".join(self.log[-50:]))
        self._reader.join(STOP_S)
        return code

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def connect(self, timeout=120):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def request(self, method, path, body=None, headers={}, timeout=120):
        connection = self.connect(timeout)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return Response(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.request("GET", path, headers=headers)

    def post_form(self, path, file, fields=(), part="audio", name="talk.wav", headers={}, timeout=120):
        """`file`: its bytes; `fields`: a dictionary or pairs."""
        body, content_type = form(file, fields, part, name)
        return self.request("POST", path, body, {"Content-Type": content_type} | headers, timeout)

    def metric(self, name):
        for line in self.get("/metrics").text.splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        raise AssertionError(f"no metric {name}")

    def rss_mb(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024

    def num_open_files(self):
        return len(list(pathlib.Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def spooled_files(self):
        """Uploads that the server holds open."""
        return [target for target, _ in self._spooled()]

    def spooled_bytes(self):
        """What has arrived of them."""
        return sum(size for _, size in self._spooled())

    def _spooled(self):
        spooled = []
        for entry in pathlib.Path(f"/proc/{self.process.pid}/fd").iterdir():
            try:
                target, size = os.readlink(entry), entry.stat().st_size
            except OSError:  # closed meanwhile
                continue
            if "/spool/upload-" in target:
                spooled.append((target, size))
        return spooled


def form(file, fields=(), part="audio", name="talk.wav"):
    """A multipart/form-data body and its Content-Type."""
    boundary = uuid.uuid4().hex
    body = b""
    for key, value in dict(fields).items() if isinstance(fields, dict) else fields:
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
    body += f'--{boundary}\r\nContent-Disposition: form-data; name="{part}"; filename="{name}"\r\n\r\n'.encode()
    return body + file + f"\r\n--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def wait_until(condition, what, seconds=30):
    """For states that come soon and by themselves."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"after {seconds} s not yet: {what}"
        time.sleep(0.02)


def events(body):
    """Server-sent events as [(name, data)]."""
    found = []
    for block in body.split("\n\n"):
        name, data = "message", []
        for line in block.splitlines():
            field, _, value = line.partition(":")
            if field == "event":
                name = value.strip()
            elif field == "data":
                data.append(value.removeprefix(" "))
        if data:
            found.append((name, "\n".join(data)))
    return found
