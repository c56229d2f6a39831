"""`stenod eval`: its figures are those of jiwer and whisper-normalizer, and what is wrong is said."""
import json
import pathlib

import jiwer
import pytest
from whisper_normalizer.basic import BasicTextNormalizer
from whisper_normalizer.english import EnglishTextNormalizer

import speech

ENGLISH, BASIC = EnglishTextNormalizer(), BasicTextNormalizer()
MODEL = ("--model", "tiny.en")
SHARED = pathlib.Path(__file__).resolve().parents[3] / "shared"  # larger sets, where there are some


def compared(text, language):
    text = (ENGLISH if language == "en" else BASIC)(text)
    return " ".join(text.replace(" ", "") if language in ("zh", "ja", "ko") else text.split())


def characters(text, language):
    return text.replace(" ", "") if language in ("zh", "ja", "ko") else text


def expected_groups(manifest, texts):
    """Of each group: recordings, words, substitutions, deletions, insertions, characters, errors in characters."""
    groups = {}
    for row in manifest:
        reference = compared(row["text"] or "", row["language"])
        if not reference:
            continue
        hypothesis = compared(texts[row["id"]], row["language"])
        words = jiwer.process_words(reference, hypothesis)
        letters = jiwer.process_characters(*(characters(t, row["language"]) for t in (reference, hypothesis)))
        figures = [1, words.hits + words.substitutions + words.deletions, words.substitutions, words.deletions,
                   words.insertions, letters.hits + letters.substitutions + letters.deletions,
                   letters.substitutions + letters.deletions + letters.insertions]
        for name in ("all en" if row["language"] == "en" else "all other", f"{row['kind']} {row['language']}",
                     "set " + row["id"].split("-")[0]):
            groups[name] = [a + b for a, b in zip(groups.get(name, [0] * 7), figures)]
    return groups


def groups_of(report):
    keys = ("recordings", "words", "substitutions", "deletions", "insertions", "characters", "character_errors")
    for group in report["groups"]:
        errors = group["substitutions"] + group["deletions"] + group["insertions"]
        assert group["word_error_rate"] == pytest.approx(errors / group["words"], abs=1e-5)
        if interval := group["word_error_rate_interval"]:
            assert interval["low"] <= group["word_error_rate"] + 1e-5 and interval["high"] >= group["word_error_rate"] - 1e-5
    return {group["group"]: [group[key] for key in keys] for group in report["groups"]}


def write_manifest(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """A set of short and long recordings, and one without speech: its folder, and what its manifest says."""
    for package in (speech.LIBRIVOX, speech.PROMPTS):
        if not package.exists():
            pytest.skip("the packages pocketsphinx-testdata and asterisk-core-sounds-en-wav are not installed")
    folder = tmp_path_factory.mktemp("set")
    (folder / "audio").mkdir()
    rows = []

    def add(name, kind, clip, language="en"):
        audio = speech.write(folder / "audio" / f"{name}.flac", clip.samples)
        rows.append({"id": name, "audio": f"audio/{audio.name}", "text": clip.text or None, "language": language,
                     "kind": kind, "duration_s": clip.seconds, "more": {"ignored": True}})

    reading = speech.librivox_clips()
    for number, clip in enumerate(reading):
        add(f"reading-{number}", "read", clip)
    for number, clip in enumerate(speech.prompt_clips()):
        add(f"prompt-{number}", "telephone", clip)
    add("silence-1", "silence", speech.Clip("", speech.silence(3)), "zxx")
    pause_s = 0.8
    add("long-1", "long", speech.join(reading, pause_s))
    parts, start_s = [], pause_s
    for clip in reading:
        parts.append({"start_s": start_s, "duration_s": clip.seconds, "text": clip.text})
        start_s += clip.seconds + pause_s
    (folder / "audio" / "long-1.parts.json").write_text(json.dumps(parts))
    write_manifest(folder / "manifest.jsonl", rows)
    return folder, rows


@pytest.fixture(scope="module")
def evaluated(stenod, weights, rows):
    folder, manifest = rows
    result = stenod("eval", folder / "manifest.jsonl", *MODEL, "--json", folder / "report.json", "--output",
                    folder / "texts.jsonl")
    assert result.code == 0, result.err
    return result, json.loads((folder / "report.json").read_text())


@pytest.mark.model
def test_figures_are_those_of_jiwer_and_whisper_normalizer(evaluated, rows):
    _, report = evaluated
    texts = {recording["id"]: recording["text"] for recording in report["recordings"]}
    assert groups_of(report) == expected_groups(rows[1], texts)
    assert report["groups"][0]["group"] == "all en" and 0 < report["groups"][0]["word_error_rate"] < 0.15
    assert report["non_speech"] == {"recordings": 1, "with_text": 0}
    assert report["failed"] == 0


@pytest.mark.model
def test_report_says_what_it_was_made_with(evaluated, rows):
    result, report = evaluated
    assert report["model"] == "tiny.en" and report["compute_type"] == "int8" and report["version"].startswith("stenod ")
    assert report["device"].startswith("cpu (") and report["options"]["language"] == "given"
    assert report["speed"]["audio_s"] == pytest.approx(sum(row["duration_s"] for row in rows[1]), abs=1)
    assert report["speed"]["wall_s"] > 0
    for words in ("all en", "telephone en", "Text on 0 of 1 recordings without speech", "Word times: median", "Speed: ",
                  "Most errors:"):
        assert words in result.out


@pytest.mark.model
def test_word_times_are_measured_in_long_recordings(evaluated):
    _, report = evaluated
    timing = report["timing"]
    assert timing["recordings"] == 1 and timing["parts"] == 5 and 3 <= timing["measured"] <= 5
    # The clips begin with some silence of their own.
    assert 0 < timing["median_s"] < 0.5 and timing["median_s"] <= timing["p90_s"] < 1


@pytest.mark.model
def test_transcripts_are_those_of_transcribe(stenod, evaluated, rows):
    folder, manifest = rows
    lines = [json.loads(line) for line in (folder / "texts.jsonl").read_text().splitlines()]
    files = [folder / row["audio"] for row in manifest]
    assert [line["file"] for line in lines] == [str(file) for file in files]
    result = stenod("transcribe", *MODEL, "--language", "en", "--format", "jsonl", *files)
    assert [o["text"] for o in result.objects()] == [line["text"] for line in lines]


@pytest.mark.model
def test_transcripts_made_elsewhere_give_the_same_figures(stenod, evaluated, rows, tmp_path):
    folder, _ = rows
    result = stenod("eval", folder / "manifest.jsonl", "--hypotheses", folder / "texts.jsonl", "--json", tmp_path / "r.json")
    assert result.code == 0, result.err
    report = json.loads((tmp_path / "r.json").read_text())
    for member in ("groups", "non_speech", "timing", "recordings"):
        assert report[member] == evaluated[1][member]
    assert "speed" not in report and report["hypotheses"] == str(folder / "texts.jsonl")


@pytest.mark.model
def test_comparison_with_itself_finds_no_difference(stenod, evaluated, rows, tmp_path):
    folder, _ = rows
    result = stenod("eval", folder / "manifest.jsonl", "--hypotheses", folder / "texts.jsonl", "--against",
                    folder / "report.json", "--json", tmp_path / "r.json")
    assert result.code == 0, result.err
    comparison = json.loads((tmp_path / "r.json").read_text())["comparison"]
    assert comparison["num_better"] == comparison["num_worse"] == 0
    for group in comparison["groups"]:
        assert group["word_error_rate_difference"] == 0 and group["word_error_rate_difference_p"] == 1
    assert "Against " in result.out


@pytest.mark.model
def test_a_recording_that_fails_counts_as_empty_and_is_named(stenod, weights, rows, tmp_path):
    folder, manifest = rows
    (tmp_path / "damaged.wav").write_bytes(b"no audio at all " * 100)
    good = dict(manifest[0], audio=str(folder / manifest[0]["audio"]))
    bad = dict(manifest[1], audio="damaged.wav")
    path = write_manifest(tmp_path / "m.jsonl", [good, bad])
    result = stenod("eval", path, *MODEL, "--json", tmp_path / "r.json")
    assert result.code == 1
    assert "reading-1" in result.err and "audio_unknown_format" in result.err
    assert "1 of 2 recordings failed" in result.out
    report = json.loads((tmp_path / "r.json").read_text())
    failed = report["recordings"][1]
    assert failed["text"] == "" and failed["deletions"] == failed["words"] > 0 and failed["failure"]


@pytest.fixture
def texts_made_elsewhere(tmp_path):
    """A manifest without audio, and transcripts."""
    rows = [{"id": "a-1", "audio": "a.wav", "text": "The cat sat.", "language": "en", "kind": "read"},
            {"id": "a-2", "audio": "b.wav", "text": "Zwanzig Katzen", "language": "de", "kind": "telephone"},
            {"id": "n-1", "audio": "c.wav", "text": None, "language": "zxx", "kind": "noise"}]
    write_manifest(tmp_path / "m.jsonl", rows)
    (tmp_path / "h.jsonl").write_text('{"id": "a-1", "text": "the cat"}\n{"file": "%s", "text": "20 Katzen"}\n'
                                      '{"id": "n-1", "text": "Thanks for watching."}\n' % (tmp_path / "b.wav"))
    return tmp_path, rows


def test_some_recordings_can_be_chosen(stenod, texts_made_elsewhere):
    folder, _ = texts_made_elsewhere
    for options, expected in ((("--only", "en"), ["a-1"]), (("--only", "telephone"), ["a-2"]),
                              (("--only", "telephone/de", "--only", "noise"), ["a-2", "n-1"]), (("--limit", "1"), ["a-1"]),
                              ((), ["a-1", "a-2", "n-1"])):
        result = stenod("eval", folder / "m.jsonl", "--hypotheses", folder / "h.jsonl", "--json", folder / "r.json", *options)
        assert result.code == 0, result.err
        report = json.loads((folder / "r.json").read_text())
        assert [recording["id"] for recording in report["recordings"]] == expected
    assert report["non_speech"] == {"recordings": 1, "with_text": 1}
    assert "Thanks for watching." in result.out


def test_only_equal_sets_are_compared(stenod, texts_made_elsewhere):
    folder, rows = texts_made_elsewhere
    score = ("--hypotheses", folder / "h.jsonl")
    assert stenod("eval", folder / "m.jsonl", *score, "--json", folder / "r.json").code == 0
    result = stenod("eval", folder / "m.jsonl", *score, "--against", folder / "r.json", "--limit", 2)
    assert result.code == 1 and "reports_differ" in result.err and "only in the other: n-1" in result.err
    rows[0]["text"] = "The dog sat."
    write_manifest(folder / "m.jsonl", rows)
    result = stenod("eval", folder / "m.jsonl", *score, "--against", folder / "r.json")
    assert result.code == 1 and "other text, language or kind: a-1" in result.err
    (folder / "r.json").write_text("{}")
    result = stenod("eval", folder / "m.jsonl", *score, "--against", folder / "r.json")
    assert result.code == 1 and "report_malformed" in result.err


def test_a_recording_without_a_line_has_failed(stenod, texts_made_elsewhere):
    folder, _ = texts_made_elsewhere
    (folder / "h.jsonl").write_text('{"id": "a-1", "text": "the cat sat"}\n{"id": "x", "text": ""}\n')
    result = stenod("eval", folder / "m.jsonl", "--hypotheses", folder / "h.jsonl")
    assert result.code == 1
    assert "2 of 3 recordings failed" in result.out and "no line in the file" in result.out
    assert "1 lines are about recordings that" in result.err


@pytest.mark.parametrize("change, code, words", [
    ({"kind": "song"}, "manifest_malformed", "m.jsonl, line 1: kind: unknown kind 'song', expected read,"),
    ({"language": "xx"}, "manifest_malformed", "line 1: language: unknown language 'xx'"),
    ({"id": None}, "manifest_malformed", "line 1: id: is missing"),
    ({"duration_s": -1}, "manifest_malformed", "line 1: duration_s: -1 is out of range"),
    ({}, "not_found", "recording 'a-1': audio: there is no file"),
])
def test_what_is_wrong_with_a_manifest_is_said(stenod, texts_made_elsewhere, change, code, words):
    folder, rows = texts_made_elsewhere
    write_manifest(folder / "m.jsonl", [rows[0] | change])
    result = stenod("eval", folder / "m.jsonl")
    assert result.code == 1 and code in result.err and words in result.err and result.out == ""


def test_files_that_cannot_be_read_or_written_are_said(stenod, texts_made_elsewhere):
    folder, _ = texts_made_elsewhere
    (folder / "m2.jsonl").write_text((folder / "m.jsonl").read_text() + "{")
    for arguments, words in (
            ((folder / "none.jsonl",), "not_found"),
            ((folder,), "not a regular file"),
            ((folder / "m2.jsonl",), "m2.jsonl, line 4: at byte"),
            ((folder / "m.jsonl", "--hypotheses", folder / "none"), "not_found"),
            ((folder / "m.jsonl", "--hypotheses", folder / "m2.jsonl"), "m2.jsonl, line 3: text: is missing"),
            ((folder / "m.jsonl", "--json", folder / "none" / "r.json"), "there is no folder")):
        result = stenod("eval", *arguments)
        assert result.code == 1 and words in result.err and result.out == "", arguments


@pytest.mark.parametrize("arguments", [(), ("--limit", "x"), ("--only", "song"), ("--language", "xx"),
                                       ("--hypotheses", "a", "--output", "b")])
def test_wrong_usage(stenod, texts_made_elsewhere, arguments):
    folder, _ = texts_made_elsewhere
    result = stenod("eval", *((folder / "m.jsonl",) if arguments else ()), *arguments)
    assert result.code == 2 and result.err.startswith("error: ") and result.out == ""


def test_figures_of_a_large_set_are_those_of_jiwer_and_whisper_normalizer(stenod, tmp_path):
    manifest, texts = SHARED / "speech" / "manifest.jsonl", SHARED / "measure" / "batch-base.jsonl"
    if not (manifest.exists() and texts.exists()):
        pytest.skip(f"there is no set of recordings in {SHARED}")
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    hypotheses = {row["id"]: "" for row in rows}
    hypotheses |= {o["id"]: o["text"] or "" for o in map(json.loads, texts.read_text().splitlines())}
    result = stenod("eval", manifest, "--hypotheses", texts, "--json", tmp_path / "r.json")
    assert result.code == 1 and "recordings failed" in result.out  # the long ones have no line
    assert groups_of(json.loads((tmp_path / "r.json").read_text())) == expected_groups(rows, hypotheses)
