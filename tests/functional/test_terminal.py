"""Progress, streams and signals."""
import json
import os
import pty
import re
import resource
import signal
import subprocess
import time

import pytest

pytestmark = pytest.mark.model

def test_no_progress_without_a_terminal(stenod, weights, reading_wav):
    result = stenod("transcribe", "--model", "tiny.en", reading_wav)
    assert result.code == 0
    assert "\r" not in result.err and "\x1b" not in result.err and "%" not in result.err
    assert "\r" not in result.out and "\x1b" not in result.out


def test_messages_go_to_standard_error_alone(stenod, weights, reading_wav):
    result = stenod("transcribe", "--model", "tiny.en", "--format", "jsonl", reading_wav)
    assert len(result.out.splitlines()) == 1 and json.loads(result.out)


def read_all(terminal):
    """What was written to a pseudo-terminal until its last writer closed it."""
    data = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # Linux' way to say that the other side is closed
            return data.decode()
        if not piece:
            return data.decode()
        data += piece


def test_progress_on_a_terminal(stenod, weights, long_file):
    ours, theirs = pty.openpty()
    with open(os.devnull, "w") as nowhere:
        process = stenod.start("transcribe", "--model", "tiny.en", long_file(5), stdout=nowhere, stderr=theirs,
                               env={"TERM": "xterm"})
    os.close(theirs)
    shown = read_all(ours)
    os.close(ours)
    assert process.wait(timeout=60) == 0
    assert "\r" in shown
    percentages = [int(p) for p in re.findall(r"(\d+) ?%", shown)]
    assert percentages == sorted(percentages) and percentages[-1] <= 100 and len(set(percentages)) > 1
    assert re.search(r"\d(\.\d+)?x", shown), "the speed in multiples of real time"


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_keeps_what_is_finished(stenod, weights, reading_wav, long_file, sent):
    ours, theirs = pty.openpty()
    process = stenod.start("transcribe", "--model", "tiny.en", "--format", "jsonl", reading_wav, long_file(60),
                           stdout=subprocess.PIPE, stderr=theirs, text=True, env={"TERM": "xterm"})
    os.close(theirs)
    first = json.loads(process.stdout.readline())  # written as soon as it is finished
    assert first["file"] == str(reading_wav) and first["text"] and "interrupted" not in first
    shown = ""
    # Of both files together; the bar counts 0.7 of up to 32 windows of 30 s that are no text yet.
    while not any(int(minutes) >= 15 for minutes in re.findall(r"(\d+):\d\d / ", shown)):
        shown += os.read(ours, 65536).decode()
    process.send_signal(sent)
    interrupted = time.monotonic()
    said = read_all(ours)
    os.close(ours)
    out, _ = process.communicate(timeout=60)
    assert time.monotonic() - interrupted < 5
    assert process.returncode == 128 + sent
    second, = map(json.loads, out.splitlines())
    assert second["file"] == str(long_file(60)) and second["interrupted"] is True
    assert 60 < second["segments"][-1]["end"] < 3600
    assert re.search(r"interrupted; the text ends at \d+:\d\d\r\n$", said), said


def test_interrupt_while_the_model_loads(stenod, weights, reading_wav):
    process = stenod.start("transcribe", "--format", "jsonl", reading_wav, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    blocked = 0
    while not blocked & 1 << signal.SIGINT - 1:  # until then the signal itself ends the program
        with open(f"/proc/{process.pid}/status") as status:
            blocked = int(re.search(r"^SigBlk:\s*(\w+)$", status.read(), re.MULTILINE)[1], 16)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 128 + signal.SIGINT


def test_closed_output_ends_the_program(stenod, weights, reading_wav):
    reader, writer = os.pipe()
    process = stenod.start("transcribe", "--model", "tiny.en", reading_wav, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    os.close(reader)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGPIPE, err
    assert err == b""


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("model", "list")], ids=" ".join)
def test_full_disk_is_an_error(stenod, arguments):
    with open("/dev/full", "w") as full:
        process = stenod.start(*arguments, stdout=full, stderr=subprocess.PIPE)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.count(b"(disk_full)") == 1


def test_full_disk_is_said_once_also_after_another_error(stenod, weights, tmp_path, reading_wav):
    with open("/dev/full", "w") as full:
        process = stenod.start("transcribe", "--model", "tiny.en", tmp_path / "missing.wav", reading_wav, reading_wav,
                               stdout=full, stderr=subprocess.PIPE)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.count(b"(not_found)") == 1 and err.count(b"(disk_full)") == 1


def test_size_limit_is_an_error_that_leaves_nothing(stenod, weights, tmp_path, reading_wav):
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
    process = stenod.start("transcribe", "--model", "tiny.en", "--output-dir", tmp_path, reading_wav, preexec_fn=limit,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"File too large" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_closed_standard_streams_are_no_other_files(stenod, weights, reading_wav, closed):
    shell = f'exec "$@" {closed}{"<" if closed == 0 else ">"}&-'
    result = subprocess.run(["sh", "-c", shell, "sh", stenod.binary, "transcribe", "--model", "tiny.en", reading_wav],
                            env=stenod.environment, capture_output=True, timeout=60)
    assert result.returncode == (1 if closed == 1 else 0)
    assert (b"standard output" in result.stderr) == (closed == 1)
    assert bool(result.stdout) == (closed != 1)


def test_names_of_files_cannot_steer_the_terminal(stenod, weights, tmp_path):
    result = stenod("transcribe", tmp_path / "evil\x1b]0;title\a\n.wav")
    assert result.code == 1
    assert r"evil\x1b]0;title\x07\x0a.wav" in result.err
    assert "\x1b" not in result.err and "\a" not in result.err
