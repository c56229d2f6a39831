"""The same model as faster-whisper, Hugging Face and whisper.cpp store it gives the same text."""
import json
import pathlib
import struct

import numpy as np
import pytest

import speech
from testing import convert_model

# Full precision, so that what the forms have in common is exact.
EXACT = ("--compute-type", "f32", "--language", "en", "--word-timestamps", "--format", "jsonl")
# base is float16, which these hold without a loss.
LOSSLESS = [("safetensors", "f32"), ("safetensors", "f16"), ("ggml", "f32"), ("ggml", "f16")]
# By how much the word error rate on `reading` and `prompts` together (163 words) may be more than the original's.
QUANTISED = {"q8_0": 0.01, "q5_0": 0.01, "q5_1": 0.01, "q6_K": 0.01, "q5_K": 0.01, "q4_0": 0.03, "q4_1": 0.03, "q4_K": 0.03}


@pytest.fixture(scope="module")
def folder(stenod, weights):
    """A function from a model's name to its folder."""
    return lambda name: pathlib.Path(stenod("model", "path", name).out.strip())


@pytest.fixture(scope="module")
def convert(folder, tmp_path_factory):
    """A function that writes a model in another form and returns the path."""
    def write(name, form, kind, shards=1):
        target = tmp_path_factory.mktemp(form) / (f"ggml-{name}-{kind}.bin" if form == "ggml" else f"{name}-{kind}")
        if form == "ggml":
            convert_model.to_ggml(folder(name), target, kind)
        else:
            convert_model.to_safetensors(folder(name), target, kind, shards)
        return target
    return write


def transcribe(stenod, model, *arguments):
    """What is written, without the time that it took."""
    result = stenod("transcribe", "--model", model, *arguments)
    assert result.code == 0, result.err
    return [{key: value for key, value in line.items() if key != "wall_s"} for line in result.objects()]


@pytest.fixture(scope="module")
def exact(stenod, weights, reading_wav):
    """What the original writes, by model."""
    return {name: transcribe(stenod, name, *EXACT, reading_wav) for name in ("base", "tiny.en")}


@pytest.mark.model
@pytest.mark.parametrize("name", ["base", "tiny.en"])
@pytest.mark.parametrize("form, kind", LOSSLESS)
def test_lossless_forms_write_the_very_same(stenod, convert, exact, reading_wav, name, form, kind):
    # Probabilities and the times of words too: equal logits, the same alignment heads and suppressed tokens.
    assert transcribe(stenod, convert(name, form, kind), *EXACT, reading_wav) == exact[name]


@pytest.mark.model
def test_a_model_in_several_files(stenod, convert, exact, reading_wav):
    model = convert("tiny.en", "safetensors", "f16", shards=3)
    assert len(list(model.glob("model-*-of-00003.safetensors"))) == 3
    assert transcribe(stenod, model, *EXACT, reading_wav) == exact["tiny.en"]


@pytest.mark.model
@pytest.mark.parametrize("form", ["safetensors", "ggml"])
def test_bfloat16(stenod, convert, reading, reading_wav, form):
    line, = transcribe(stenod, convert("base", form, "bf16"), "--language", "en", "--format", "jsonl", reading_wav)
    assert speech.word_error_rate(reading.text, line["text"]) < 0.06


@pytest.mark.model
@pytest.mark.slow
def test_quantised_models_write_nearly_the_same(stenod, weights, convert, reading, prompts, reading_wav, prompts_wav):
    def errors(model):
        lines = transcribe(stenod, model, "--language", "en", "--format", "jsonl", reading_wav, prompts_wav)
        return speech.word_error_rate(reading.text + " " + prompts.text, " ".join(line["text"] for line in lines))

    original = errors("base")
    found = {kind: errors(convert("base", "ggml", kind)) for kind in QUANTISED}
    too_many = {kind: rate for kind, rate in found.items() if rate > original + QUANTISED[kind]}
    assert not too_many, (original, found)


@pytest.mark.model
def test_languages_are_told_apart(stenod, convert, prompts_wav):
    line, = transcribe(stenod, convert("base", "ggml", "q5_1"), "--format", "jsonl", prompts_wav)
    assert line["language"] == "en"


@pytest.mark.model
def test_info_says_what_it_is(stenod, convert):
    ggml, hugging_face = convert("tiny.en", "ggml", "q5_0"), convert("tiny.en", "safetensors", "bf16")
    info = stenod("model", "info", ggml)
    assert info.code == 0, info.err
    assert "format: ggml" in info.out and "q5_0" in info.out and f"file: {ggml}" in info.out
    assert "width 384, 4 encoder and 4 decoder layers" in info.out
    info = stenod("model", "info", hugging_face)
    assert info.code == 0, info.err
    assert "format: safetensors" in info.out and "bfloat16" in info.out and "model.safetensors" in info.out


@pytest.mark.model
def test_a_file_in_the_current_folder_is_a_path(stenod, convert, reading_wav, monkeypatch):
    model = convert("tiny.en", "ggml", "q8_0")
    monkeypatch.chdir(model.parent)
    assert stenod("model", "path", model.name).out.strip() == model.name
    assert stenod("transcribe", "--model", model.name, reading_wav).code == 0


def test_what_is_no_model_is_named(stenod, tmp_path):
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "pytorch_model.bin").write_bytes(b"x")
    (tmp_path / "file.gguf").write_bytes(struct.pack("<I", 0x46554747) + bytes(100))
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "model.safetensors").write_bytes(struct.pack("<Q", 1 << 60) + b"{")
    (tmp_path / "hf" / "config.json").write_text(json.dumps({"model_type": "whisper"}))
    for name, part in {"torch": "model.safetensors", "file.gguf": "GGUF", "hf": "header", "missing": "no such file"}.items():
        result = stenod("model", "info", tmp_path / name)
        assert result.code == 1 and str(tmp_path / name) in result.err and part in result.err, result.err


def test_the_converter_quantises_as_ggml_does():
    """What the other tests rest on: gguf, by ggml's authors, reads and writes the same blocks."""
    gguf = pytest.importorskip("gguf")
    values = (np.random.default_rng(1).standard_normal((64, 1024)) * 0.05).astype(np.float32)
    values[3, :256] = 0
    most_error = {"q8_0": 0.006, "q6_K": 0.02, "q5": 0.045, "q4": 0.09, "q3": 0.16, "q2": 0.34}  # of the values' deviation
    for name, (number, *_) in convert_model.QUANTISED.items():
        blocks = np.frombuffer(convert_model.quantised(values, name), np.uint8).reshape(64, -1)
        kind = gguf.GGMLQuantizationType(number)
        error = np.sqrt(np.mean((gguf.quants.dequantize(blocks, kind) - values) ** 2)) / values.std()
        assert error < next(most for start, most in most_error.items() if name.startswith(start)), name
        if not name.endswith("_K"):  # which gguf only reads
            assert np.array_equal(blocks, gguf.quants.quantize(values, kind)), name
