"""scripts/stenod, once everything is set up."""
import pathlib
import subprocess
import time

import pytest

import conftest

SCRIPT = conftest.ROOT / "scripts" / "stenod"


@pytest.fixture(autouse=True)
def set_up():
    built, binary = conftest.ROOT / "build/release/.current", conftest.ROOT / "build/release/stenod"
    if not (built.exists() and binary.exists()):
        pytest.skip("scripts/stenod has not set up this checkout")


def call(script, *arguments, cwd):
    return subprocess.run([script, *arguments], cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)


def test_starts_within_a_tenth_of_a_second(tmp_path):
    call(SCRIPT, "--version", cwd=tmp_path)
    took = []
    for _ in range(5):
        started = time.monotonic()
        call(SCRIPT, "--version", cwd=tmp_path)
        took.append(time.monotonic() - started)
    assert min(took) < 0.1


def test_is_quiet_and_passes_everything_on(stenod, tmp_path):
    result = call(SCRIPT, "--version", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    wrong = call(SCRIPT, "transcribe", "--format", "a b", "c.wav", cwd=tmp_path)
    assert wrong.returncode == 2


def test_works_through_a_link_from_another_folder(tmp_path):
    link = pathlib.Path(tmp_path / "with space")
    link.symlink_to(SCRIPT)
    assert call(link, "--version", cwd=tmp_path).stdout == call(SCRIPT, "--version", cwd="/").stdout != ""


@pytest.mark.model
def test_two_at_once(weights, tmp_path):
    calls = [subprocess.Popen([SCRIPT, "model", "list"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
             for _ in range(2)]
    for process in calls:
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, b"")
