"""How a server starts: it listens, says that it is not ready, loads its model, and then serves."""
import json
import pathlib
import shutil
import signal
import socket

import pytest
import websockets.exceptions
from websockets.sync.client import connect

from testing.server import Server, wait_until

pytestmark = pytest.mark.model


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture
def starting(stenod, weights, tmp_path):
    """A function that starts a server, and returns when it listens; its model is being loaded then."""
    servers = []

    def start(*arguments):
        servers.append(server := Server(stenod, tmp_path / "data", *arguments, port=free_port()))
        wait_until(lambda: has_event(server, "loading_model") or server.process.poll() is not None, "it listens")
        server.port = next(json.loads(line)["port"] for line in server.log if '"event":"loading_model"' in line)
        return server

    yield start
    for server in servers:
        server.process.kill()
        server.process.wait()


def has_event(server, name):
    return any(f'"event":"{name}"' in line for line in server.log)


def model_path(stenod, name):
    return pathlib.Path(stenod("model", "path", name).out.strip())


def test_it_listens_while_the_model_is_loaded(starting):
    server = starting()
    answers = [server.get(path) for path in ("/readyz", "/v1/models", "/sessions", "/ws/transcribe")]
    answers.append(server.post_form("/transcribe", b"RIFF"))
    assert server.get("/healthz").status == 200
    assert server.get("/").status == 200
    with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
        connect(server.url.replace("http", "ws"))
    assert not has_event(server, "listening"), "the model was loaded sooner than this test could look"
    assert refused.value.response.status_code == 503
    for answer in answers:
        assert (answer.status, answer.code) == (503, "not_ready") and int(answer.headers["Retry-After"]) > 0

    wait_until(lambda: server.get("/readyz").status == 200, "it is ready", 60)
    wait_until(lambda: has_event(server, "listening"), "it says so")
    assert server.get("/v1/models").status == 200
    assert server.stop() == 0


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_the_model_is_loaded_ends_it(starting, sent):
    server = starting()
    assert server.stop(sent) == 0, server.log
    assert has_event(server, "stopped") and not has_event(server, "listening")


def test_a_model_that_cannot_be_loaded_ends_it(stenod, starting, tmp_path):
    folder = tmp_path / "damaged"
    shutil.copytree(model_path(stenod, "tiny.en"), folder)
    (folder / "model.bin").write_bytes((folder / "model.bin").read_bytes()[:1000])
    server = starting("--model", folder)
    assert server.process.wait(60) == 1
    server._reader.join()
    assert "model.bin" in server.log[-1] and not has_event(server, "listening")


def test_a_model_that_is_not_there_is_told_before_it_listens(stenod, weights, tmp_path):
    result = stenod("serve", "--listen", "127.0.0.1:0", "--model", tmp_path / "none",
                    env={"STENOD_DATA_DIR": str(tmp_path / "data")})
    assert result.code == 1 and "there is no such file or folder" in result.err and "loading_model" not in result.err


def test_a_folder_is_known_by_its_own_name(stenod, weights, tmp_path):
    with Server(stenod, tmp_path / "data", "--model", model_path(stenod, "tiny.en")) as server:
        assert [model["id"] for model in server.get("/v1/models").json()["data"]] == ["whisper-1", "tiny.en"]
        assert server.get("/v1/models/tiny.en").status == 200
        unknown = server.get("/v1/models/none").text
        with connect(server.url.replace("http", "ws")) as live:
            ready = live.recv()
        assert "tiny.en" in unknown and "tiny.en" in ready
        assert "/" not in json.loads(unknown)["error"]["message"] and str(tmp_path) not in ready


def test_how_sessions_end_is_counted(stenod, weights, tmp_path):
    with Server(stenod, tmp_path / "data", "--model", "tiny.en", "--live-max-sessions", 1) as server:
        address = server.url.replace("http", "ws")
        with connect(address) as live:
            live.recv()
            with pytest.raises(websockets.exceptions.InvalidStatus):
                connect(address)
            live.send('{"type": "end"}')
            assert [json.loads(message)["type"] for message in live] == ["end"]
        assert server.metric('stenod_live_sessions_refused_total{code="overloaded"}') == 1
        assert server.metric('stenod_live_sessions_ended_total{reason="end"}') == 1
