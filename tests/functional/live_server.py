"""A small server that speaks the live protocol, for tests of clients: every half second of sound is a word."""
import json
import threading

from websockets.http11 import Response
from websockets.datastructures import Headers
from websockets.sync.server import serve

WORDS = "He had no sooner heard of it than he fell to work again, and 語音識別 was the talk of the town.".split()


class LiveServer:
    """On a free port of the loopback interface. What clients do is kept in `requests` and `sessions`.

    refuse: the status and body of an HTTP answer instead of the upgrade
    script: a function of the connection, instead of transcribing
    """

    def __init__(self, refuse=None, script=None, ssl=None):
        self.refuse, self.script = refuse, script
        self.requests, self.sessions = [], []
        self.server = serve(self.handle, "127.0.0.1", 0, process_request=self.process_request, ssl=ssl)
        self.port = self.server.socket.getsockname()[1]
        self.url = f"{'wss' if ssl else 'ws'}://127.0.0.1:{self.port}/ws/transcribe"
        self.thread = threading.Thread(target=self.server.serve_forever)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()

    def process_request(self, connection, request):
        self.requests.append(request)
        if self.refuse:
            status, body = self.refuse
            headers = Headers({"Content-Length": str(len(body)), "Retry-After": "7", "Connection": "close"})
            return Response(status, "Refused", headers, body)

    def handle(self, connection):
        session = {"start": None, "audio": b"", "ended": False}
        self.sessions.append(session)
        if self.script:
            return self.script(connection, session)
        send = lambda **message: connection.send(json.dumps(message))
        send(type="ready", session_id="1")
        said, utterance = [], 0

        def final():
            words = [{"word": w, "start": i / 2, "end": i / 2 + 0.4, "probability": 0.9} for i, w in enumerate(said)]
            send(type="final", text=" ".join(said), utterance=utterance, start=0, end=len(said) / 2, words=words)

        for message in connection:
            if isinstance(message, str):
                message = json.loads(message)
                if message["type"] == "start":
                    session["start"] = message
                if message["type"] == "end":
                    session["ended"] = True
                    if said:
                        final()
                    send(type="end", reason="end", full_transcript="")
                    return
                continue
            session["audio"] += message
            while len(session["audio"]) // 16000 > utterance * 8 + len(said):
                said.append(WORDS[len(said) % len(WORDS)])
                if len(said) == 8:
                    final()
                    said, utterance = [], utterance + 1
                else:
                    stable = " ".join(said[:len(said) // 2])
                    send(type="partial", text=" ".join(said), stable=stable, utterance=utterance)
