"""Long recordings: memory stays where it is, and nothing is lost on the way. STENOD_TEST_LONG=1 makes the longest an hour."""
import os

import pytest

import speech

pytestmark = [pytest.mark.model, pytest.mark.slow]

# The samples of the 25 minutes between them would be 48 MB, and ten minutes already fill all slots of the engine.
SHORT, LONG = (10, 60) if os.environ.get("STENOD_TEST_LONG") == "1" else (10, 35)


@pytest.fixture(scope="module")
def runs(stenod, weights, long_file):
    return {minutes: stenod("transcribe", "--model", "tiny.en", "--format", "jsonl", long_file(minutes), timeout=900)
            for minutes in (SHORT, LONG)}


def test_memory_does_not_grow_with_the_recording(runs):
    assert runs[LONG].peak_rss_mb <= runs[SHORT].peak_rss_mb + 30
    assert runs[LONG].peak_rss_mb <= 700


def test_every_part_is_transcribed(runs, reading, prompts):
    transcript, = runs[LONG].objects()
    assert transcript["duration"] == pytest.approx(60 * LONG, abs=0.2)
    # The same minute again and again (the last one cut): each must bring its words.
    minute = speech.join([reading, prompts])
    expected = len(speech.words(minute.text)) * 60 * LONG / minute.seconds
    assert len(speech.words(transcript["text"])) == pytest.approx(expected, rel=0.05)
    gaps = [b["start"] - a["end"] for a, b in zip(transcript["segments"], transcript["segments"][1:])]
    assert min(gaps) >= 0 and max(gaps) < 10
