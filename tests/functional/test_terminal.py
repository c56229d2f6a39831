"""Progress, streams and signals."""
import json
import os
import pty
import re
import signal
import subprocess
import time

import pytest

pytestmark = pytest.mark.model

INTERRUPTED = 128 + signal.SIGINT  # what a shell reports for a program that SIGINT ended


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
    process = stenod.start("transcribe", "--format", "jsonl", reading_wav, long_file(60), stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True)
    first = json.loads(process.stdout.readline())  # written as soon as it is finished
    assert first["file"] == str(reading_wav) and first["text"]
    time.sleep(1)
    process.send_signal(sent)
    interrupted = time.monotonic()
    out, err = process.communicate(timeout=60)
    assert time.monotonic() - interrupted < 5
    assert process.returncode == 128 + sent
    for line in out.splitlines():
        json.loads(line)
    assert "Traceback" not in err and "terminate" not in err


def test_interrupt_while_the_model_loads(stenod, weights, reading_wav):
    process = stenod.start("transcribe", "--format", "jsonl", reading_wav, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    # Before the program has set up its handler, the signal itself ends it.
    assert process.returncode in (INTERRUPTED, -signal.SIGINT, 0)


def test_closed_output_ends_the_program(stenod, weights, reading_wav):
    reader, writer = os.pipe()
    process = stenod.start("transcribe", "--model", "tiny.en", reading_wav, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    os.close(reader)
    _, err = process.communicate(timeout=60)
    assert process.returncode in (1, 128 + signal.SIGPIPE, -signal.SIGPIPE), err
