"""Keys, tokens and limits of a running server."""
import asyncio
import json
import re
import threading
import time
import urllib.error
import urllib.request

import pytest
import websockets

import speech
from testing import live

pytestmark = pytest.mark.model


class Server:
    """`stenod serve` with a data folder of its own, on a free port; the log is JSON lines."""

    def __init__(self, stenod, folder, *arguments):
        self.stenod = stenod
        self.environment = {"STENOD_DATA_DIR": str(folder / "data"), "XDG_CONFIG_HOME": str(folder / "config")}
        self.log = folder / "log"
        with open(self.log, "wb") as log:
            self.process = stenod.start("serve", "--listen", "127.0.0.1:0", "--model", "tiny.en", "--log-format", "json",
                                        *arguments, env=self.environment, stdout=log, stderr=log)
        end = time.monotonic() + 60
        while not (listening := [event for event in self.events() if event.get("event") == "listening"]):
            assert self.process.poll() is None and time.monotonic() < end, self.log.read_text()
            time.sleep(0.05)
        self.url = f"http://127.0.0.1:{listening[0]['port']}"

    def events(self):
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def key(self, *arguments):
        result = self.stenod("key", *arguments, env=self.environment)
        assert result.code == 0, result.err
        return result.out.strip()

    def request(self, path, key=None, body=None, headers=None):
        """(status, headers, object)"""
        request = urllib.request.Request(self.url + path, data=None if body is None else json.dumps(body).encode(),
                                         headers=headers or ({"Authorization": f"Bearer {key}"} if key else {}))
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.headers, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, error.headers, json.loads(error.read())

    def eventually(self, status, *arguments, **named):
        """A running server sees changed keys within seconds."""
        end = time.monotonic() + 10
        while (found := self.request(*arguments, **named))[0] != status:
            assert time.monotonic() < end, found
            time.sleep(0.1)
        return found

    def stop(self):
        self.process.terminate()
        return self.process.wait(30)


@pytest.fixture
def server(stenod, weights, tmp_path):
    server = Server(stenod, tmp_path)
    yield server
    assert server.stop() == 0, server.log.read_text()


def test_keys_of_a_running_server(server):
    assert server.request("/v1/models")[0] == 200, "without keys everybody may"
    assert server.request("/v1/models", key="sk-whatever-a-client-always-sends")[0] == 200
    assert server.request("/sessions")[0] == 200

    key = server.key("create", "user")
    status, headers, answer = server.eventually(401, "/v1/models")
    assert headers["WWW-Authenticate"] == "Bearer" and answer["error"]["code"] == "unauthorized"
    assert server.request("/v1/models", key=key)[0] == 200
    assert server.request("/v1/models", headers={"X-API-Key": key})[0] == 200
    assert server.request("/v1/models", key=key[:-1])[0] == 401
    assert server.request("/healthz")[0] == 200, "health is for everybody"
    status, _, answer = server.request("/sessions", key=key)
    assert status == 403 and answer["error"]["code"] == "forbidden"
    assert server.request("/sessions", key=server_admin(server))[0] == 200

    server.key("revoke", key.split("_")[1])
    server.eventually(401, "/v1/models", key=key)
    denied = [event for event in server.events() if event.get("event") == "access_denied"]
    assert denied and denied[-1]["reason"] == "the key was revoked" and denied[-1]["client"] == "127.0.0.1"
    assert key not in server.log.read_text() and key.split("_")[2] not in server.log.read_text()


def server_admin(server):
    key = server.key("create", "operator", "--admin")
    server.eventually(200, "/v1/models", key=key)
    return key


def test_tokens(server):
    key = server.key("create", "backend")
    server.eventually(200, "/v1/models", key=key)
    server.eventually(401, "/tokens", body={})
    status, headers, answer = server.request("/tokens", key=key, body={"ttl_s": 60, "streams": 1})
    assert status == 200 and headers["Cache-Control"] == "no-store"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", answer["expires_at"])
    token = answer["token"]
    assert server.request("/v1/models", key=token)[0] == 200
    assert server.request("/tokens", key=token, body={})[0] == 403
    assert server.request("/v1/models", key=token[:-1] + ("a" if token[-1] != "a" else "b"))[0] == 401
    for body in ({"ttl_s": 0}, {"ttl_s": 10**9}, {"ttl_s": "60"}, {"streams": -1}, {"language": "en"}, []):
        status, _, answer = server.request("/tokens", key=key, body=body)
        assert status == 400 and answer["error"]["code"] == "invalid_argument", body
    server.key("revoke", key.split("_")[1])
    server.eventually(401, "/v1/models", key=token)


def test_wrong_keys_are_held_up_and_right_ones_are_not(server):
    key = server.key("create", "user")
    server.eventually(200, "/v1/models", key=key)
    server.eventually(401, "/v1/models")
    statuses = [server.request("/v1/models", key=f"sk_aaaaaaaa_{i:032d}")[0] for i in range(20)]
    assert statuses[0] == 401 and statuses[-1] == 429
    status, headers, answer = server.request("/v1/models", key="wrong")
    assert status == 429 and answer["error"]["code"] == "too_many_failures" and int(headers["Retry-After"]) > 0
    assert server.request("/v1/models", key=key)[0] == 200


def post_file(server, key, path):
    request = urllib.request.Request(server.url + "/transcribe", data=path.read_bytes(),
                                     headers={"Authorization": f"Bearer {key}", "Content-Type": "audio/wav"})
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, answer.headers, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, error.headers, json.loads(error.read())


def test_minutes_of_a_day_are_used_up_by_files(server, reading_wav, reading):
    key = server.key("create", "user", "--minutes-per-day", f"{1.5 * reading.seconds / 60:.3f}")
    server.eventually(200, "/v1/models", key=key)
    server.eventually(401, "/v1/models")
    assert post_file(server, key, reading_wav)[0] == 200
    status, headers, answer = post_file(server, key, reading_wav)
    assert status == 429 and answer["error"]["code"] == "quota_exceeded"
    assert 0 < int(headers["Retry-After"]) <= 86400
    end = time.monotonic() + 10
    while (used := json.loads(server.key("list", "--json"))["minutes_used_today"]) < 1.5 * reading.seconds / 60:
        assert time.monotonic() < end, used
        time.sleep(0.1)
    assert used < 2.01 * reading.seconds / 60
    # What was too much has counted, so that the next is not even uploaded: the length is all that is sent of it.
    status, _, answer = server.request("/transcribe", headers={"Authorization": f"Bearer {key}", "Content-Type": "audio/wav",
                                                               "Content-Length": "1000000"}, body={})
    assert status == 429 and answer["error"]["code"] == "quota_exceeded"


def test_minutes_of_a_day_are_used_up_by_a_live_stream(server, reading):
    key = server.key("create", "user", "--minutes-per-day", "0.2")
    server.eventually(200, "/v1/models", key=key)
    server.eventually(401, "/v1/models")
    url = server.url.replace("http", "ws") + "/ws/transcribe?language=en"
    headers = {"Authorization": f"Bearer {key}"}
    # Messages of half a second: 24 of them use up exactly what there is, and the one that is too much counts as well.
    messages = [*live.cut(live.f32(reading.samples), 4 * 8000), {"type": "end"}]
    answers = asyncio.run(live.talk(url, messages, additional_headers=headers))
    live.check_promises(answers, 25 * 8000)
    error, = answers.of("error")
    assert error["code"] == answers.end["reason"] == answers.close_reason == "quota_exceeded"
    assert answers.close_code == 1008
    # What came before has its text.
    said = speech.words(answers.text)
    assert answers.end["audio"]["dropped"] == {} and len(said) > 10
    assert speech.word_error_rate(" ".join(speech.words(reading.text)[:len(said)]), answers.text) < 0.3, answers.text

    with pytest.raises(websockets.InvalidStatus) as refusal:
        asyncio.run(live.talk(url, messages, additional_headers=headers))
    answer = refusal.value.response
    assert answer.status_code == 429 and 0 < int(answer.headers["Retry-After"]) <= 86400
    assert json.loads(answer.body)["error"]["code"] == "quota_exceeded"
    end = time.monotonic() + 10
    while abs((used := json.loads(server.key("list", "--json"))["minutes_used_today"]) - 25 * 0.5 / 60) > 0.001:
        assert time.monotonic() < end, used
        time.sleep(0.1)


def test_streams_at_once(server):
    client = pytest.importorskip("websockets.sync.client")
    exceptions = pytest.importorskip("websockets.exceptions")
    key = server.key("create", "user", "--streams", "1")
    server.eventually(200, "/v1/models", key=key)
    server.eventually(401, "/v1/models")
    url = server.url.replace("http", "ws") + "/ws/transcribe"

    def connect(credential):
        return client.connect(url, subprotocols=["stenod", f"key.{credential}"], open_timeout=30)

    def refused(credential):
        with pytest.raises(exceptions.InvalidStatus) as refusal:
            connect(credential)
        return refusal.value.response

    with connect(key) as socket:
        assert socket.subprotocol == "stenod"
        assert json.loads(socket.recv(30))["type"] == "ready"
        answer = refused(key)
        assert answer.status_code == 429 and int(answer.headers["Retry-After"]) > 0
        assert json.loads(answer.body)["error"]["code"] == "too_many_streams"
        token = server.request("/tokens", key=key, body={})[2]["token"]
        assert refused(token).status_code == 429, "a token has its key's streams"
    assert refused("wrong").status_code == 401
    end = time.monotonic() + 10
    while True:  # the server notices a moment later that the first is gone
        try:
            with connect(token) as socket:
                assert json.loads(socket.recv(30))["type"] == "ready"
            break
        except exceptions.InvalidStatus:
            assert time.monotonic() < end
            time.sleep(0.1)


def test_a_revoked_key_ends_its_running_stream(server):
    client = pytest.importorskip("websockets.sync.client")
    exceptions = pytest.importorskip("websockets.exceptions")
    key = server.key("create", "user")
    server.eventually(200, "/v1/models", key=key)
    server.eventually(401, "/v1/models")
    url = server.url.replace("http", "ws") + "/ws/transcribe"
    with client.connect(url, additional_headers={"Authorization": f"Bearer {key}"}, open_timeout=30) as socket:
        received = []

        def receive():
            try:
                for message in socket:
                    received.append(json.loads(message))
            except exceptions.ConnectionClosed:
                pass
        reader = threading.Thread(target=receive)
        reader.start()
        server.key("revoke", key.split("_")[1])
        end = time.monotonic() + 20
        silence = bytes(4 * 1600)
        while reader.is_alive():
            assert time.monotonic() < end, received
            try:
                socket.send(silence)
            except exceptions.ConnectionClosed:
                break
            time.sleep(0.1)
        reader.join(20)
    assert any(message["type"] == "error" and message["code"] == "unauthorized" for message in received), received
    assert received[-1]["type"] == "end", "it gets its last texts and its account"
