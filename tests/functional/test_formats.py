"""What each --format writes, to standard output and to --output-dir."""
import html
import json
import re
import shutil

import pytest
import srt
import webvtt

import speech

pytestmark = pytest.mark.model

# What is tried here has to do with files, so it is the smaller one.
MODEL = ("--model", "tiny.en")
SUFFIXES = {"text": "txt", "json": "json", "jsonl": "jsonl", "srt": "srt", "vtt": "vtt", "tsv": "tsv"}
KEYS = ["file", "text", "language", "language_probability", "duration", "segments", "wall_s"]
SEGMENT_KEYS = ["start", "end", "text", "avg_logprob", "no_speech_prob", "compression_ratio", "temperature"]


@pytest.fixture(scope="module")
def outputs(stenod, weights, reading_wav):
    """What each format writes about the same recording."""
    written = {}
    for form in SUFFIXES:
        result = stenod("transcribe", *MODEL, "--language", "en", "--format", form, reading_wav)
        assert result.code == 0, result.err
        written[form] = result.out
    return written


@pytest.fixture(scope="module")
def transcript(outputs):
    line, = outputs["jsonl"].splitlines()
    return json.loads(line)


def milliseconds(seconds):
    return round(seconds * 1000)


def cue_times(text, separator):
    """[(start, end)] in milliseconds of SRT's or WebVTT's time lines."""
    time = rf"(?:(\d\d):)?(\d\d):(\d\d)\{separator}(\d\d\d)"  # WebVTT leaves hours out where there are none
    cues = []
    for match in re.findall(rf"^{time} --> {time}$", text, re.MULTILINE):
        h, m, s, ms, *to = (int(digits or 0) for digits in match)
        cues.append((((h * 60 + m) * 60 + s) * 1000 + ms, ((to[0] * 60 + to[1]) * 60 + to[2]) * 1000 + to[3]))
    return cues


def expected_cues(transcript):
    return [(milliseconds(s["start"]), milliseconds(s["end"])) for s in transcript["segments"]]


def test_jsonl_layout(transcript, reading_wav):
    assert list(transcript) == KEYS
    assert transcript["file"] == str(reading_wav)
    assert transcript["wall_s"] > 0
    assert transcript["segments"]
    for segment in transcript["segments"]:
        assert list(segment) == SEGMENT_KEYS
        assert segment["avg_logprob"] < 0 and 0 <= segment["no_speech_prob"] <= 1
        assert segment["compression_ratio"] > 0 and segment["temperature"] == 0


def test_numbers_have_three_decimals_at_most(outputs):
    for key in ("start", "end", "duration"):
        for number in re.findall(rf'"{key}":\s*([\d.eE+-]+)', outputs["jsonl"]):
            assert re.fullmatch(r"\d+(\.\d{1,3})?", number), f"{key} {number}"


def test_jsonl_layout_with_words(stenod, weights, reading_wav):
    transcript, = stenod("transcribe", *MODEL, "--word-timestamps", "--format", "jsonl", reading_wav).objects()
    for segment in transcript["segments"]:
        assert list(segment) == SEGMENT_KEYS + ["words"]


def test_json_says_what_jsonl_says(outputs, transcript):
    one = json.loads(outputs["json"])
    assert one.pop("wall_s") > 0
    assert one.pop("dropped") == []
    assert one == {key: value for key, value in transcript.items() if key != "wall_s"}


def test_text_says_what_jsonl_says(outputs, transcript):
    assert outputs["text"].endswith("\n")
    assert speech.words(outputs["text"]) == speech.words(transcript["text"])


def test_srt(outputs, transcript):
    assert cue_times(outputs["srt"], ",") == expected_cues(transcript)
    blocks = outputs["srt"].strip().split("\n\n")
    for number, (block, segment) in enumerate(zip(blocks, transcript["segments"], strict=True), 1):
        first, _, *lines = block.splitlines()
        assert first == str(number)
        assert speech.words(" ".join(lines)) == speech.words(segment["text"])


def test_vtt(outputs, transcript):
    header, *blocks = outputs["vtt"].strip().split("\n\n")
    assert header == "WEBVTT"
    assert cue_times(outputs["vtt"], ".") == expected_cues(transcript)
    for block, segment in zip(blocks, transcript["segments"], strict=True):
        _, *lines = block.splitlines()
        assert speech.words(" ".join(lines)) == speech.words(segment["text"])


def test_tsv(outputs, transcript):
    header, *rows = outputs["tsv"].splitlines()
    assert header == "start\tend\ttext"
    cells = [row.split("\t") for row in rows]
    assert [(int(start), int(end)) for start, end, _ in cells] == expected_cues(transcript)
    assert [text for *_, text in cells] == [segment["text"].strip() for segment in transcript["segments"]]


def parse_cues(form, text):
    """[(start in ms, end in ms, lines)], as others' parsers read them."""
    if form == "srt":
        cues = list(srt.parse(text, ignore_errors=False))
        assert [cue.index for cue in cues] == list(range(1, len(cues) + 1))
        return [(milliseconds(cue.start.total_seconds()), milliseconds(cue.end.total_seconds()), cue.content.split("\n"))
                for cue in cues]
    times = cue_times(text, ".")
    captions = webvtt.from_string(text).captions
    assert len(times) == len(captions)
    return [(*time, html.unescape(caption.raw_text).split("\n")) for time, caption in zip(times, captions)]


@pytest.fixture(scope="module")
def subtitles(stenod, weights, reading_wav):
    """A function of options: the cues that they give."""
    def make(form, *options):
        result = stenod("transcribe", *MODEL, "--format", form, *options, reading_wav)
        assert result.code == 0, result.err
        return parse_cues(form, result.out)
    return make


@pytest.fixture(scope="module")
def spoken(stenod, weights, reading_wav):
    """The segments' words, each as (word, start, end)."""
    transcript, = stenod("transcribe", *MODEL, "--word-timestamps", "--format", "jsonl", reading_wav).objects()
    return [[(word["word"], milliseconds(word["start"]), milliseconds(word["end"])) for word in segment["words"]]
            for segment in transcript["segments"]]


def check_cues(cues, spoken):
    """That the cues hold every word, in order, from the start of their first one to the end of their last."""
    words = [word for segment in spoken for word in segment]
    at = 0
    for start, end, lines in cues:
        text, first = "", at
        while len(text.split()) < len(" ".join(lines).split()) or (at < len(words) and not words[at][0].startswith(" ")):
            text += words[at][0]
            at += 1
        assert text.split() == " ".join(lines).split()
        assert (start, end) == (words[first][1], words[at - 1][2])
    assert at == len(words)


@pytest.mark.parametrize("form", ["srt", "vtt"])
def test_lines_of_segments(subtitles, spoken, form):
    cues = subtitles(form, "--max-line-width", 30)
    check_cues(cues, spoken)
    assert len(cues) == len(spoken)
    assert any(len(lines) > 2 for *_, lines in cues)
    for *_, lines in cues:
        assert all(len(line) <= 30 for line in lines)
        assert len(lines) == 1 or min(map(len, lines)) > 7, "no line is a short word"


@pytest.mark.parametrize("form", ["srt", "vtt"])
def test_cues_of_the_screens_size(subtitles, spoken, form):
    cues = subtitles(form, "--max-line-width", 42, "--max-line-count", 2)
    check_cues(cues, spoken)
    for *_, lines in cues:
        assert len(lines) <= 2 and all(len(line) <= 42 for line in lines)
    # Filled: where the next cue follows at once, its first word had no room.
    for (_, _, lines), (*_, following) in zip(cues, cues[1:-1]):
        assert len(" ".join(lines + following[0].split()[:1])) > 42
    assert all(end <= start for (_, end, _), (start, _, _) in zip(cues, cues[1:]))


def test_words_of_a_cue(subtitles, spoken):
    cues = subtitles("srt", "--max-words-per-line", 3)
    check_cues(cues, spoken)
    assert all(len(line.split()) <= 3 for *_, (line,) in cues)
    assert sum(len(line.split()) == 3 for *_, (line,) in cues) > len(cues) / 2


@pytest.mark.parametrize("form", ["srt", "vtt"])
def test_highlighted_words(subtitles, spoken, form):
    cues = subtitles(form, "--highlight-words", "--max-line-width", 42, "--max-line-count", 2)
    times = {(start, end): word.strip() for segment in spoken for word, start, end in segment if end > start}
    marked = [(start, end, re.findall("<u>(.*?)</u>", "\n".join(lines))) for start, end, lines in cues]
    assert all(len(words) <= 1 for *_, words in marked)
    assert {(start, end): words[0] for start, end, words in marked if words} == times
    assert all(end <= start for (_, end, _), (start, _, _) in zip(cues, cues[1:])), "one after the other"
    plain = [[re.sub("</?u>", "", line) for line in lines] for *_, lines in cues]
    assert all(len(line) <= 42 for lines in plain for line in lines)
    unmarked = subtitles(form, "--max-line-width", 42, "--max-line-count", 2)
    assert [lines for lines, before in zip(plain, [None] + plain) if lines != before] == [lines for *_, lines in unmarked]


def test_subtitles_leave_json_as_it_is(stenod, weights, transcript, reading_wav, tmp_path):
    result = stenod("transcribe", *MODEL, "--format", "srt,json", "--output-dir", tmp_path, "--max-line-width", 30,
                    reading_wav)
    assert result.code == 0, result.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["reading.json", "reading.srt"]
    written = json.loads((tmp_path / "reading.json").read_text())
    assert [list(segment) for segment in written["segments"]] == [SEGMENT_KEYS] * len(transcript["segments"])
    assert written["text"] == transcript["text"]
    assert all(len(line) <= 30 for *_, lines in parse_cues("srt", (tmp_path / "reading.srt").read_text()) for line in lines)


def test_punctuation_of_words(stenod, weights, transcript, spoken, reading_wav):
    apart, = stenod("transcribe", *MODEL, "--word-timestamps", "--append-punctuations", "", "--format", "jsonl",
                    reading_wav).objects()
    assert [segment["text"] for segment in apart["segments"]] == [segment["text"] for segment in transcript["segments"]]
    words = [word["word"].strip() for segment in apart["segments"] for word in segment["words"]]
    assert "." in words
    usual = [word.strip() for segment in spoken for word, *_ in segment]
    assert "." not in usual and "," not in usual
    assert "".join(words) == "".join(usual)


def test_all_formats(stenod, weights, outputs, tmp_path, reading_wav):
    result = stenod("transcribe", *MODEL, "--language", "en", "--format", "all", "--output-dir", tmp_path, reading_wav)
    assert result.code == 0, result.err
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"reading.{suffix}" for suffix in SUFFIXES.values())
    for form in ("text", "srt", "vtt", "tsv"):
        assert (tmp_path / f"reading.{SUFFIXES[form]}").read_text() == outputs[form]
    assert json.loads((tmp_path / "reading.jsonl").read_text())["text"] == json.loads(outputs["jsonl"])["text"]


@pytest.mark.parametrize("form", SUFFIXES)
def test_output_dir(stenod, weights, outputs, tmp_path, reading_wav, prompts_wav, form):
    folder = tmp_path / "made" / "when missing"
    result = stenod("transcribe", *MODEL, "--language", "en", "--format", form, "--output-dir", folder, reading_wav, prompts_wav)
    assert result.code == 0, result.err
    assert result.out == ""
    assert sorted(p.name for p in folder.iterdir()) == [f"prompts.{SUFFIXES[form]}", f"reading.{SUFFIXES[form]}"]
    without_time = lambda text: re.sub(r'"wall_s":\s*[\d.]+', "", text)
    assert without_time((folder / f"reading.{SUFFIXES[form]}").read_text()) == without_time(outputs[form])


def test_output_dir_never_overwrites_one_result_with_another(stenod, weights, tmp_path, reading_wav):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "talk.wav").symlink_to(reading_wav)
    result = stenod("transcribe", "--output-dir", tmp_path / "out", tmp_path / "a/talk.wav", tmp_path / "b/talk.wav")
    assert result.code == 2
    assert str(tmp_path / "a/talk.wav") in result.err and str(tmp_path / "b/talk.wav") in result.err
    assert not (tmp_path / "out").exists()


def test_output_dir_never_overwrites_an_input(stenod, weights, tmp_path, reading_wav):
    recording = tmp_path / "clip.txt"
    shutil.copy(reading_wav, recording)
    result = stenod("transcribe", "--output-dir", tmp_path, reading_wav, recording)
    assert result.code == 2
    assert str(recording) in result.err
    assert recording.read_bytes() == reading_wav.read_bytes()


@pytest.mark.parametrize("form", ["text", "json"])
def test_output_dir_keeps_results_of_what_fails_now(stenod, weights, tmp_path, reading_wav, form):
    old = tmp_path / f"bad.{SUFFIXES[form]}"
    old.write_text("an earlier result")
    (tmp_path / "bad.wav").write_bytes(b"This is not audio.\n" * 100)
    result = stenod("transcribe", "--model", "tiny.en", "--format", form, "--output-dir", tmp_path, tmp_path / "bad.wav",
                    tmp_path / "missing.wav", reading_wav)
    assert result.code == 1
    assert old.read_text() == "an earlier result"
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([old.name, "bad.wav", f"reading.{SUFFIXES[form]}"])


def test_output_dir_is_tried_before_the_model_is_loaded(stenod, reading_wav):
    result = stenod("transcribe", "--model", "enormous-v9", "--output-dir", "/proc/self", reading_wav)
    assert result.code == 1
    assert "/proc/self" in result.err and "enormous-v9" not in result.err


def test_output_dir_that_is_a_file(stenod, weights, tmp_path, reading_wav):
    (tmp_path / "out").write_text("in the way")
    result = stenod("transcribe", "--output-dir", tmp_path / "out", reading_wav)
    assert result.code == 1
    assert str(tmp_path / "out") in result.err
    assert (tmp_path / "out").read_text() == "in the way"
