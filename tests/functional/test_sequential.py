"""One window after the other, clips, and several languages in one file."""
import pytest

import speech
from test_transcribe import MAX_WER

pytestmark = pytest.mark.model

SEQUENTIAL = ("transcribe", "--format", "jsonl", "--language", "en", "--sequential")


@pytest.fixture(scope="module")
def both(audio, reading, prompts):
    """Two speakers, with a minute of silence between them; each for half a minute."""
    clip = speech.join([reading, prompts], pause_s=20)
    return clip, speech.write(audio / "both.wav", clip.samples)


def transcript(stenod, *arguments):
    result = stenod(*arguments)
    assert result.code == 0, result.err
    return result.objects()[0]


def check_times(found, seconds):
    end = 0
    for segment in found["segments"]:
        assert end - 0.01 <= segment["start"] < segment["end"] <= seconds + 0.05
        end = segment["end"]


@pytest.mark.parametrize("options", [(), ("--condition-on-previous-text", "false"), ("--word-timestamps",)])
def test_text_is_right_window_after_window(stenod, weights, both, options):
    clip, path = both
    found = transcript(stenod, *SEQUENTIAL, *options, path)
    assert speech.word_error_rate(clip.text, found["text"]) <= MAX_WER
    assert found["duration"] == pytest.approx(clip.seconds, abs=0.05)
    check_times(found, clip.seconds)
    starts = [segment["start"] for segment in found["segments"]]
    assert starts[0] == pytest.approx(20, abs=1), "times are those of the recording"
    assert len(starts) > 6


def test_memory_does_not_depend_on_the_length(stenod, weights, long_file):
    peaks = [stenod(*SEQUENTIAL, "--beam-size", "1", long_file(minutes)).peak_rss_mb for minutes in (1, 8)]
    assert peaks[1] < peaks[0] + 20


@pytest.mark.parametrize("mode", [(), ("--sequential",)])
def test_only_clips_are_transcribed(stenod, weights, both, reading, mode):
    clip, path = both
    end = 20 + reading.seconds
    command = ("transcribe", "--format", "jsonl", "--language", "en", *mode)
    found = transcript(stenod, *command, "--clip-timestamps", f"18,{end + 2:.2f}", path)
    assert speech.word_error_rate(reading.text, found["text"]) <= MAX_WER
    check_times(found, end + 2)
    assert found["segments"][0]["start"] == pytest.approx(20.8, abs=1)
    assert found["duration"] == pytest.approx(clip.seconds, abs=0.05)
    rest = transcript(stenod, *command, "--clip-timestamps", f"{end + 2:.2f}", path)
    assert rest["segments"][0]["start"] > end + 10
    assert transcript(stenod, *command, "--clip-timestamps", "0", path)["text"].startswith(found["text"][:20])


@pytest.mark.parametrize("clips, said", [("5,3", "stands behind"), ("0,10,5,20", "stands behind"), ("4,4", "is empty"),
                                         ("-1,4", "no time"), ("4000", "before the first clip")])
def test_clips_that_cannot_be_are_refused(stenod, weights, prompts_wav, clips, said):
    result = stenod("transcribe", f"--clip-timestamps={clips}", prompts_wav)
    assert result.code != 0 and said in result.err


@pytest.mark.parametrize("mode", [(), ("--sequential",)])
def test_every_window_may_have_its_language(stenod, weights, prompts_wav, mode):
    found = transcript(stenod, "transcribe", "--format", "jsonl", "--multilingual", *mode, prompts_wav)
    assert found["language"] == "en" and found["language_probability"] > 0.5
    assert {segment["language"] for segment in found["segments"]} == {"en"}


def test_windows_vote_on_the_language(stenod, weights, prompts_wav):
    found = transcript(stenod, "transcribe", "--format", "jsonl", "--language-detection-segments", "4",
                       "--language-detection-threshold", "1", prompts_wav)
    assert found["language"] == "en" and 0.5 < found["language_probability"] < 1
    assert "language" not in found["segments"][0]


@pytest.mark.parametrize("options, needs", [
    (("--condition-on-previous-text", "true"), "--sequential"),
    (("--prompt-reset-on-temperature", "0.5"), "--sequential"),
    (("--max-initial-timestamp", "1"), "--sequential"),
    (("--hallucination-silence-threshold", "2"), "--sequential"),
    (("--sequential", "--hallucination-silence-threshold", "2"), "--word-timestamps"),
])
def test_options_say_what_they_need(stenod, prompts_wav, options, needs):
    result = stenod("transcribe", *options, prompts_wav)
    assert result.code == 2 and needs in result.err and result.err.startswith(f"error: {options[-2]}: ")
