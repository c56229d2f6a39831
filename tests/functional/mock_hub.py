"""A hub for models that behaves as the real one does: an API that lists files with checksums, small files from the hub
itself, large ones by redirect from a second host, ranges, tokens."""
import hashlib
import http.server
import json
import re
import threading
import time

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = 1000


class Hub:
    """Serves `files` as the repository owner/mini. What it was asked is in `hub_requests` and `cdn_requests`: (path,
    headers with names in lower case)."""

    def __init__(self, files, token=None, bytes_per_second=None):
        self.files = files
        self.token = token
        self.bytes_per_second = bytes_per_second  # of each connection to the second host
        self.ranges = True
        self.refuse = {}  # path's beginning -> [(status, headers), ...], each used once
        self.hub_requests, self.cdn_requests = [], []
        self.running, self.most_running = 0, 0
        self.lock = threading.Lock()
        self.hub, self.cdn = self.start(self.serve_hub), self.start(self.serve_cdn)
        self.url = f"http://127.0.0.1:{self.hub.server_address[1]}"
        # Another name and port: no origin that a token may reach.
        self.cdn_url = f"http://localhost:{self.cdn.server_address[1]}"

    def start(self, serve):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                serve(self)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def close(self):
        for server in (self.hub, self.cdn):
            server.shutdown()
            server.server_close()

    def listing(self):
        siblings = []
        for name, content in self.files.items():
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            sibling = {"rfilename": name, "size": len(content), "blobId": blob}
            if len(content) > LARGE:
                sibling["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
            siblings.append(sibling)
        return json.dumps({"id": "owner/mini", "sha": COMMIT, "gated": False, "siblings": siblings}).encode()

    @staticmethod
    def answer(request, status, body=b"", **headers):
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def serve_hub(self, request):
        headers = {name.lower(): value for name, value in request.headers.items()}
        with self.lock:
            self.hub_requests.append((request.path, headers))
            for start, refusals in self.refuse.items():
                if request.path.startswith(start) and refusals:
                    status, extra = refusals.pop(0)
                    return self.answer(request, status, b"no", **extra)
        if self.token and headers.get("authorization") != f"Bearer {self.token}":
            return self.answer(request, 401, b"no", X_Error_Message="Invalid username or password.")
        if re.fullmatch(rf"/api/models/owner/mini/revision/(main|{COMMIT})\?blobs=true", request.path):
            return self.answer(request, 200, self.listing(), Content_Type="application/json")
        found = re.fullmatch(rf"/owner/mini/resolve/{COMMIT}/(.+)", request.path)
        if not found or found[1] not in self.files:
            return self.answer(request, 404, b"no", X_Error_Code="EntryNotFound")
        content = self.files[found[1]]
        if len(content) > LARGE:
            return self.answer(request, 302, Location=f"{self.cdn_url}/{found[1]}?Signature=abc", X_Repo_Commit=COMMIT)
        return self.answer(request, 200, content, X_Repo_Commit=COMMIT)

    def serve_cdn(self, request):
        with self.lock:
            self.cdn_requests.append((request.path, {name.lower(): value for name, value in request.headers.items()}))
            self.running += 1
            self.most_running = max(self.most_running, self.running)
        try:
            self.send_content(request, self.files[request.path[1:].split("?")[0]])
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client was killed
        finally:
            with self.lock:
                self.running -= 1

    def send_content(self, request, content):
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range") or "")
        first, last = 0, len(content) - 1
        if found and self.ranges:
            first, last = int(found[1]), min(int(found[2] or last), last)
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        else:
            request.send_response(200)
        request.send_header("Content-Length", str(last + 1 - first))
        request.end_headers()
        step = (self.bytes_per_second or len(content) * 20) // 20 + 1
        for offset in range(first, last + 1, step):
            request.wfile.write(content[offset:min(offset + step, last + 1)])
            if self.bytes_per_second:
                time.sleep(0.05)
