"""Long recordings: memory stays where it is, and nothing is lost on the way."""
import pytest

import speech

pytestmark = [pytest.mark.model, pytest.mark.slow]


@pytest.fixture(scope="module")
def runs(stenod, weights, long_file):
    return {minutes: stenod("transcribe", "--model", "tiny.en", "--format", "jsonl", long_file(minutes), timeout=900)
            for minutes in (10, 60)}


def test_memory_does_not_grow_with_the_recording(runs):
    assert runs[60].peak_rss_mb <= runs[10].peak_rss_mb + 30
    assert runs[60].peak_rss_mb <= 700


def test_every_part_is_transcribed(runs, reading, prompts):
    transcript, = runs[60].objects()
    assert transcript["duration"] == pytest.approx(3600, abs=0.2)
    # The same minute 60 times (the last one cut): each must bring its words.
    minute = speech.join([reading, prompts])
    expected = len(speech.words(minute.text)) * 3600 / minute.seconds
    assert len(speech.words(transcript["text"])) == pytest.approx(expected, rel=0.05)
    gaps = [b["start"] - a["end"] for a, b in zip(transcript["segments"], transcript["segments"][1:])]
    assert min(gaps) >= 0 and max(gaps) < 10
