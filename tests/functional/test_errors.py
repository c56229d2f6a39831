"""Wrong usage, broken files and options that are not built yet: exit status, error code, and a message that helps."""
import pathlib
import re
import shutil

import pytest

import conftest
import speech

REGISTRY = set(re.findall(r'STENOD_ERROR\(\w+, "(\w+)"', (conftest.ROOT / "src/base/error_codes.def").read_text()))


@pytest.mark.parametrize("arguments", [
    (), ("nosuchcommand",), ("transcribe",), ("transcribe", "--nosuchoption", "a.wav"), ("transcribe", "--format", "doc", "a.wav"),
    ("transcribe", "--language", "klingon", "a.wav"), ("transcribe", "--task", "summarise", "a.wav"),
    ("transcribe", "--compute-type", "int3", "a.wav"), ("transcribe", "--max-isa", "mmx", "a.wav"),
    ("transcribe", "--beam-size", "0", "a.wav"), ("transcribe", "--beam-size", "many", "a.wav"),
    ("transcribe", "--threads", "abc", "a.wav"), ("transcribe", "--format", "srt", "a.wav", "b.wav"), ("model",),
    ("model", "pull"), ("model", "nosuchverb"),
], ids=" ".join)
def test_wrong_usage(stenod, arguments):
    result = stenod(*arguments)
    assert result.code == 2
    assert result.out == ""
    assert result.err.strip()


@pytest.mark.parametrize("arguments", [("--help",), ("transcribe", "--help"), ("model", "--help"), ("bench", "--help"),
                                       ("doctor", "--help")], ids=" ".join)
def test_help(stenod, arguments):
    result = stenod(*arguments)
    assert result.code == 0
    assert "--help" in result.out and result.err == ""


def test_version(stenod):
    result = stenod("--version")
    assert result.code == 0
    assert re.search(r"\b\d+\.\d+\.\d+\b", result.out)


@pytest.mark.parametrize("arguments", [("worker",)], ids=" ".join)
def test_what_is_not_built_yet_says_so(stenod, arguments):
    result = stenod(*arguments)
    assert result.code in (1, 2)
    assert "not_supported" in result.err


def test_default_of_what_is_not_built_yet_is_accepted(stenod, weights, reading_wav):
    assert stenod("transcribe", "--model", "tiny.en", "--beam-size", "1", reading_wav).code == 0


@pytest.mark.model
def test_unknown_model(stenod, reading_wav):
    result = stenod("transcribe", "--model", "enormous-v9", reading_wav)
    assert result.code in (1, 2)
    assert "enormous-v9" in result.err
    assert "stenod model list" in result.err, "the message should say how to find out which models there are"
    assert result.out == ""


@pytest.mark.model
@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "no vocabulary"])
def test_damaged_model(stenod, weights, reading_wav, tmp_path, damage):
    folder = tmp_path / "broken"
    shutil.copytree(stenod("model", "path", "tiny.en").out.strip(), folder)
    weights_file = pathlib.Path(folder / "model.bin")
    if damage == "no vocabulary":
        for path in (*folder.glob("vocabulary*"), *folder.glob("tokenizer*")):
            path.unlink()
    else:
        data = weights_file.read_bytes()
        weights_file.unlink()
        weights_file.write_bytes({"truncated": data[:len(data) // 2], "empty": b"", "text": b"not weights\n" * 999}[damage])
    result = stenod("transcribe", "--model", folder, reading_wav)
    assert result.code in (1, 2)
    assert str(folder) in result.err
    assert result.out == ""


@pytest.mark.model
@pytest.mark.parametrize("variable", ["STENOD_MODEL", "MODEL_SIZE"])
def test_unknown_model_of_the_environment(stenod, reading_wav, variable):
    result = stenod("transcribe", reading_wav, env={variable: "enormous-v9"})
    assert result.code == 1
    assert result.err.startswith(f"error: {variable}: no model is called 'enormous-v9'")


@pytest.mark.model
def test_silero_is_no_speech_model(stenod, weights, reading_wav):
    result = stenod("transcribe", "--model", "silero-vad", reading_wav)
    assert result.code == 1
    assert "silero-vad is no speech model" in result.err


@pytest.mark.model
@pytest.mark.parametrize("file, hint", [("-", "save it as a file"), ("", "an empty name"), ("/proc", "give the files in it"),
                                        ("https://example.org/talk.mp3", "download it")])
def test_input_that_is_no_file(stenod, weights, file, hint):
    result = stenod("transcribe", "--model", "tiny.en", file)
    assert result.code == 1
    assert hint in result.err


@pytest.fixture(scope="module")
def broken(audio, reading):
    """Files that can't be transcribed, by what is wrong with them."""
    files = {}

    def put(kind, name, data):
        files[kind] = audio / name
        files[kind].write_bytes(data)

    speech.write(audio / "whole.m4a", reading.samples)
    speech.ffmpeg("-f", "lavfi", "-i", "testsrc=size=64x64:rate=5:duration=2", "-c:v", "mpeg4", audio / "picture only.mp4")
    files["video without sound"] = audio / "picture only.mp4"
    put("text", "text.mp3", b"This is not audio.\n" * 100)
    put("empty", "empty.wav", b"")
    put("m4a without its index", "half.m4a", (audio / "whole.m4a").read_bytes()[:20000])
    put("wav header alone", "header.wav", b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80\x3e\0\0\0\x7d\0\0\2\0\x10\0"[:30])
    put("random bytes", "random.opus", bytes((i * 197 + 31) % 251 for i in range(50000)))
    files["folder"] = audio / "folder.wav"
    files["folder"].mkdir()
    files["missing"] = audio / "missing.wav"
    return files


BROKEN = ["video without sound", "text", "empty", "m4a without its index", "wav header alone", "random bytes", "folder",
          "missing"]


@pytest.fixture(scope="module")
def mixed(stenod, weights, broken, reading_wav):
    """All broken files in one call, each between good ones."""
    files = [reading_wav]
    for kind in BROKEN:
        files += [broken[kind], reading_wav]
    return files, stenod("transcribe", "--model", "tiny.en", "--format", "jsonl", *files)


@pytest.mark.model
def test_broken_files_harm_no_other(mixed):
    files, result = mixed
    assert result.code == 1
    objects = result.objects()
    assert [o["file"] for o in objects] == [str(f) for f in files]
    good = [o["text"] for o in objects[::2]]
    assert good[0] and set(good) == {good[0]}


@pytest.mark.model
@pytest.mark.parametrize("kind", BROKEN)
def test_broken_file_gets_an_error(mixed, kind):
    _, result = mixed
    error = result.objects()[1 + 2 * BROKEN.index(kind)]
    assert list(error) == ["file", "error"]
    assert list(error["error"]) == ["code", "message"]
    assert error["error"]["code"] in REGISTRY - {"internal"}
    assert error["file"].rsplit("/", 1)[1] in error["error"]["message"]


@pytest.mark.model
def test_missing_file_is_not_found(mixed):
    _, result = mixed
    assert result.objects()[1 + 2 * BROKEN.index("missing")]["error"]["code"] == "not_found"


@pytest.mark.model
def test_errors_of_the_other_formats_go_to_standard_error(stenod, weights, broken):
    for form in ("text", "srt"):
        result = stenod("transcribe", "--model", "tiny.en", "--format", form, broken["text"])
        assert result.code == 1
        assert "text.mp3" in result.err
        assert "text.mp3" not in result.out


@pytest.mark.model
def test_end_of_a_cut_recording_is_transcribed_up_to_there(stenod, weights, audio, reading):
    whole = speech.write(audio / "to cut.mp3", reading.samples).read_bytes()
    cut = audio / "cut.mp3"
    cut.write_bytes(whole[:len(whole) // 2])
    result = stenod("transcribe", "--format", "jsonl", cut)
    transcript, = result.objects()
    assert transcript["duration"] == pytest.approx(reading.seconds / 2, abs=0.5)
    assert speech.words(transcript["text"])[:10] == speech.words(reading.text)[:10]
