"""Starts the real program as its users do. STENOD_BINARY names it; otherwise it is the release build, else the dev build."""
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import tempfile
import time

import pytest

import speech

ROOT = pathlib.Path(__file__).resolve().parents[2]


def pytest_configure(config):
    config.addinivalue_line("markers", "model: needs the weights of base, tiny.en or silero-vad")
    config.addinivalue_line("markers", "slow: may take longer than half a minute")


@dataclasses.dataclass
class Result:
    code: int  # exit status; negative for a signal
    out: str
    err: str
    peak_rss_mb: float

    def objects(self):
        """The lines of a run with --format jsonl."""
        return [json.loads(line) for line in self.out.splitlines()]


def high_water_mb(pid):
    """The most memory that a process has had resident. Not what wait4() tells: that counts its parent's before exec."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"^VmHWM:\s*(\d+) kB", status, re.M)
    return int(found.group(1)) / 1024 if found else 0


class Stenod:
    """Runs the program. Arguments may be paths; `env` adds to the environment."""

    def __init__(self, binary):
        self.binary = binary
        self.environment = dict(os.environ)
        if folder := os.environ.get("STENOD_TEST_MODEL_DIR"):
            self.environment["STENOD_MODEL_DIR"] = folder

    def start(self, *arguments, env=None, **options):
        return subprocess.Popen([self.binary, *map(str, arguments)], env=self.environment | (env or {}),
                                stdin=subprocess.DEVNULL, **options)

    def __call__(self, *arguments, timeout=300, **options):
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = self.start(*arguments, stdout=out, stderr=err, **options)
            peak_rss_mb, deadline = 0, time.monotonic() + timeout
            while process.poll() is None and time.monotonic() < deadline:
                peak_rss_mb = max(peak_rss_mb, high_water_mb(process.pid))
                time.sleep(0.02)
            if killed := process.poll() is None:
                process.kill()
                process.wait()
            out.seek(0), err.seek(0)
            result = Result(process.returncode, out.read().decode(), err.read().decode(), peak_rss_mb)
        assert not killed, f"still running after {timeout} s: {arguments}\n{result.err}"
        assert result.code >= 0, f"ended by signal {-result.code}: {arguments}\n{result.err}"
        return result


@pytest.fixture(scope="session")
def stenod():
    if named := os.environ.get("STENOD_BINARY"):
        return Stenod(named)
    for preset in ("release", "dev"):
        if (path := ROOT / "build" / preset / "stenod").exists():
            return Stenod(path)
    pytest.exit("the program is not built: run scripts/test, or set STENOD_BINARY", returncode=3)


@pytest.fixture(scope="session")
def weights(stenod):
    """Skips where the weights are not there; scripts/test downloads them."""
    for name in ("base", "tiny.en", "silero-vad"):
        found = stenod("model", "path", name)
        if found.code != 0 or not os.path.exists(found.out.strip()):
            pytest.skip(f"the weights of {name} are not downloaded: stenod model pull {name}")


@pytest.fixture(scope="session")
def audio(tmp_path_factory):
    """The folder of the generated recordings."""
    return tmp_path_factory.mktemp("audio")


@pytest.fixture(scope="session")
def reading():
    """A man reads for half a minute."""
    if not speech.LIBRIVOX.exists():
        pytest.skip("the package pocketsphinx-testdata is not installed")
    return speech.join(speech.librivox_clips())


@pytest.fixture(scope="session")
def prompts():
    """A woman speaks telephone prompts, half a minute."""
    if not speech.PROMPTS.exists():
        pytest.skip("the package asterisk-core-sounds-en-wav is not installed")
    return speech.join(speech.prompt_clips())


@pytest.fixture(scope="session")
def reading_wav(audio, reading):
    return speech.write(audio / "reading.wav", reading.samples)


@pytest.fixture(scope="session")
def prompts_wav(audio, prompts):
    return speech.write(audio / "prompts.wav", prompts.samples)


@pytest.fixture(scope="session")
def long_file(audio, reading, prompts):
    """A function of the minutes: a recording of that length, the same minute again and again."""
    def make(minutes):
        path = audio / f"long-{minutes}.flac"
        if not path.exists():
            minute = speech.write(audio / "minute.wav", speech.join([reading, prompts]).samples)
            speech.ffmpeg("-stream_loop", -1, "-i", minute, "-t", 60 * minutes, path)
        return path
    return make
