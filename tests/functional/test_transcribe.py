"""The text is right, whatever the file, the back end and the options."""
import pytest

import speech

pytestmark = pytest.mark.model

# Whisper base makes one error in the 73 words of `reading` (the reference has "a more a amiable woman") and one or two
# in the 90 of `prompts`; lossy codecs may add one.
MAX_WER = 0.06

TEST_PICTURE = ("-f", "lavfi", "-i", "testsrc=size=320x240:rate=10:duration=35")

FORMATS = {
    "16k.wav": (),
    "44k stereo.wav": ("-ar", 44100, "-ac", 2),
    "float.wav": ("-c:a", "pcm_f32le"),
    "mulaw.wav": ("-ar", 8000, "-c:a", "pcm_mulaw"),
    "talk.mp3": ("-ar", 44100, "-b:a", "96k"),
    "talk.m4a": ("-c:a", "aac", "-b:a", "64k"),
    "vorbis.ogg": ("-c:a", "libvorbis"),
    "opus.ogg": ("-c:a", "libopus", "-b:a", "24k"),
    "talk.opus": ("-c:a", "libopus", "-b:a", "32k"),
    "talk.flac": ("-ar", 48000),
    "sound only.webm": ("-c:a", "libopus"),
    "grüße, 会议.webm": ("-map", "0:v", "-map", "1:a", "-c:v", "libvpx", "-c:a", "libopus", "-shortest"),
    "video.mp4": ("-map", "0:v", "-map", "1:a", "-c:v", "mpeg4", "-c:a", "aac", "-shortest"),
}


@pytest.fixture(scope="module")
def transcripts(stenod, weights, audio, reading):
    """Every format, transcribed in one call; by file name."""
    paths = []
    for name, encoding in FORMATS.items():
        before = TEST_PICTURE if "-map" in encoding else ()
        paths.append(speech.write(audio / name, reading.samples, *encoding, before=before))
    result = stenod("transcribe", "--format", "jsonl", "--language", "en", *paths)
    assert result.code == 0, result.err
    objects = result.objects()
    assert [o["file"] for o in objects] == [str(p) for p in paths]
    return dict(zip(FORMATS, objects))


@pytest.mark.parametrize("name", FORMATS)
def test_text_is_right_in_every_format(transcripts, reading, name):
    assert speech.word_error_rate(reading.text, transcripts[name]["text"]) <= MAX_WER


@pytest.mark.parametrize("name", FORMATS)
def test_duration_is_that_of_the_recording(transcripts, reading, name):
    assert transcripts[name]["duration"] == pytest.approx(reading.seconds, abs=0.15)


@pytest.mark.parametrize("compute_type", ["int8", "bf16", "f32"])
def test_text_is_right_with_every_compute_type(stenod, weights, prompts_wav, prompts, compute_type):
    result = stenod("transcribe", "--compute-type", compute_type, prompts_wav)
    assert result.code == 0, result.err
    assert speech.word_error_rate(prompts.text, result.out) <= MAX_WER


def test_text_is_right_on_avx2(stenod, weights, reading_wav, reading):
    result = stenod("transcribe", "--max-isa", "avx2", reading_wav, env={"ONEDNN_MAX_CPU_ISA": "AVX2"})
    assert result.code == 0, result.err
    assert speech.word_error_rate(reading.text, result.out) <= MAX_WER


@pytest.mark.parametrize("option", ["--no-vad", "--full-window"])
def test_text_is_right_with_the_option(stenod, weights, reading_wav, reading, option):
    result = stenod("transcribe", option, reading_wav)
    assert result.code == 0, result.err
    assert speech.word_error_rate(reading.text, result.out) <= MAX_WER


def test_language_is_detected(stenod, weights, reading_wav):
    transcript, = stenod("transcribe", "--format", "jsonl", "--language", "auto", reading_wav).objects()
    assert transcript["language"] == "en"
    assert 0.9 < transcript["language_probability"] <= 1


def test_english_only_model(stenod, weights, reading_wav, reading):
    transcript, = stenod("transcribe", "--model", "tiny.en", "--format", "jsonl", reading_wav).objects()
    assert transcript["language"] == "en"
    assert speech.word_error_rate(reading.text, transcript["text"]) <= MAX_WER


def test_model_may_be_a_path(stenod, weights, reading_wav):
    folder = stenod("model", "path", "tiny.en").out.strip()
    by_path = stenod("transcribe", "--model", folder, reading_wav)
    assert by_path.code == 0, by_path.err
    assert by_path.out == stenod("transcribe", "--model", "tiny.en", reading_wav).out


def test_the_same_call_gives_the_same_text(stenod, weights, prompts_wav, reading_wav):
    alone = stenod("transcribe", "--format", "jsonl", prompts_wav).objects()[0]
    among = stenod("transcribe", "--format", "jsonl", reading_wav, prompts_wav, reading_wav).objects()[1]
    assert alone["segments"] == among["segments"]


def test_segments_are_in_order_and_inside(transcripts):
    for name, transcript in transcripts.items():
        end = 0.0
        for segment in transcript["segments"]:
            assert end <= segment["start"] < segment["end"], name
            end = segment["end"]
        assert end <= transcript["duration"] + 0.01, name
        joined = " ".join(segment["text"].strip() for segment in transcript["segments"])
        assert speech.words(joined) == speech.words(transcript["text"]), name


def test_speech_after_a_long_silence_keeps_its_time(stenod, weights, audio, reading):
    clip = speech.librivox_clips()[0]
    path = speech.write(audio / "late.wav", speech.silence(95) + clip.samples + speech.silence(20))
    transcript, = stenod("transcribe", "--format", "jsonl", path).objects()
    assert speech.word_error_rate(clip.text, transcript["text"]) <= 0.1
    assert transcript["segments"][0]["start"] == pytest.approx(95, abs=0.7)
    assert transcript["segments"][-1]["end"] == pytest.approx(95 + clip.seconds, abs=0.7)


def test_word_times(stenod, weights, reading_wav):
    transcript, = stenod("transcribe", "--word-timestamps", "--format", "jsonl", reading_wav).objects()
    at = 0.0
    for segment in transcript["segments"]:
        assert segment["words"], segment
        for word in segment["words"]:
            assert list(word) == ["word", "start", "end", "probability"]
            assert at <= word["start"] <= word["end"]
            assert segment["start"] - 0.02 <= word["start"] and word["end"] <= segment["end"] + 0.02
            assert 0 <= word["probability"] <= 1
            at = word["end"]
        joined = "".join(word["word"] for word in segment["words"])
        assert speech.words(joined) == speech.words(segment["text"])


def test_channels_split(stenod, weights, audio, reading, prompts):
    samples = speech.interleave(reading.samples, prompts.samples)
    path = speech.write(audio / "call.wav", samples, channels=2)
    transcript, = stenod("transcribe", "--channels", "split", "--format", "jsonl", path).objects()
    assert {segment["channel"] for segment in transcript["segments"]} == {0, 1}
    for channel, expected in enumerate((reading, prompts)):
        text = " ".join(s["text"] for s in transcript["segments"] if s["channel"] == channel)
        assert speech.word_error_rate(expected.text, text) <= MAX_WER
    starts = [segment["start"] for segment in transcript["segments"]]
    assert starts == sorted(starts)


CHORD = "0.1*(sin(2*PI*220*t)+sin(2*PI*277.2*t)+sin(2*PI*329.6*t))*(0.5+0.5*sin(2*PI*2*t))"
WITHOUT_SPEECH = {
    "silence": "anullsrc=r=16000:cl=mono",
    "white noise": "anoisesrc=r=16000:a=0.1:c=white:seed=1",
    "brown noise": "anoisesrc=r=16000:a=0.3:c=brown:seed=2",
    "hum": "sine=f=50:r=16000",
    "chord": f"aevalsrc={CHORD}:s=16000",
}


@pytest.mark.parametrize("name", WITHOUT_SPEECH)
def test_no_text_without_speech(stenod, weights, audio, name):
    path = audio / f"{name}.wav"
    speech.ffmpeg("-f", "lavfi", "-i", WITHOUT_SPEECH[name], "-t", 40, path)
    result = stenod("transcribe", "--format", "jsonl", path)
    assert result.code == 0, result.err
    transcript, = result.objects()
    assert transcript["text"] == "" and transcript["segments"] == []
    assert f"{path}: no speech was found" in result.err
    assert stenod("transcribe", "--model", "tiny.en", "--quiet", path).err == ""
