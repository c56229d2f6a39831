"""Converts a CTranslate2 Whisper folder into the other forms that stenod reads, for the tests of their readers.

usage: convert_model.py SOURCE TARGET safetensors|ggml TYPE [SHARDS]
TYPE is f32, f16 or bf16, for ggml also q4_0, q4_1, q5_0, q5_1, q8_0, q2_K, q3_K, q4_K, q5_K or q6_K. TARGET is a folder for
safetensors and a file for ggml. Quantising takes the plain way; whisper.cpp's own, which searches for better scales with
the K types, loses less.
"""
import json
import pathlib
import re
import shutil
import struct
import sys

import numpy as np

CT2_TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}


def read_ctranslate2(folder):
    """The variables of a float model.bin, by name."""
    data = (folder / "model.bin").read_bytes()
    at = 0

    def take(form):
        nonlocal at
        values = struct.unpack_from("<" + form, data, at)
        at += struct.calcsize("<" + form)
        return values if len(values) > 1 else values[0]

    def text():
        nonlocal at
        length = take("H")
        at += length
        return data[at - length:at - 1].decode()

    assert take("I") == 6 and text() == "WhisperSpec"
    take("I")
    variables = {}
    for _ in range(take("I")):
        name, rank = text(), take("B")
        shape = [take("I") for _ in range(rank)]
        kind, size = CT2_TYPES[take("B")], take("I")
        variables[name] = np.frombuffer(data, kind, size // np.dtype(kind).itemsize, at).reshape(shape)
        at += size
    return variables


def split_parts(variables):
    """The same with queries, keys and values apart, and no scalars. Keys have no bias."""
    parts = {}
    for name, value in variables.items():
        if name.startswith("decoder/alignment_") or not value.shape:
            continue
        fused = {"self_attention/linear_0": ("query", "key", "value"), "attention/linear_1": ("key", "value")}
        layer, _, kind = name.rpartition("/")
        names = next((f for end, f in fused.items() if layer.endswith("/" + end)), None)
        if not names:
            parts[name] = value
            continue
        for part, rows in zip(names, np.split(value, len(names))):
            if (part, kind) != ("key", "bias"):
                parts[f"{layer}/{part}/{kind}"] = rows
            else:
                assert not rows.any()
    return parts


def renamed(name, table):
    """`name` with what `table` says of its parts, longest first. Layers come first: layer_0, but not layer_norm."""
    name = re.sub(r"/layer_(\d)", rf"/{table['layers']}/\1", name)
    for old, new in sorted(table.items(), key=lambda entry: -len(entry[0])):
        name = name.replace(old, new)
    return name.replace("/", ".")


COMMON = {"/gamma": "/weight", "/beta": "/bias", "decoder/projection": "proj_out"}
HUGGING_FACE = COMMON | {
    "self_attention/layer_norm": "self_attn_layer_norm", "self_attention/linear_0/query": "self_attn/q_proj",
    "self_attention/linear_0/key": "self_attn/k_proj", "self_attention/linear_0/value": "self_attn/v_proj",
    "self_attention/linear_1": "self_attn/out_proj", "/attention/layer_norm": "/encoder_attn_layer_norm",
    "/attention/linear_0": "/encoder_attn/q_proj", "/attention/linear_1/key": "/encoder_attn/k_proj",
    "/attention/linear_1/value": "/encoder_attn/v_proj", "/attention/linear_2": "/encoder_attn/out_proj",
    "ffn/layer_norm": "final_layer_norm", "ffn/linear_0": "fc1", "ffn/linear_1": "fc2",
    "position_encodings/encodings": "embed_positions/weight", "decoder/embeddings": "decoder/embed_tokens",
    "layers": "layers"}
OPENAI = COMMON | {
    "self_attention/layer_norm": "attn_ln", "self_attention/linear_0/query": "attn/query",
    "self_attention/linear_0/key": "attn/key", "self_attention/linear_0/value": "attn/value",
    "self_attention/linear_1": "attn/out", "/attention/layer_norm": "/cross_attn_ln",
    "/attention/linear_0": "/cross_attn/query", "/attention/linear_1/key": "/cross_attn/key",
    "/attention/linear_1/value": "/cross_attn/value", "/attention/linear_2": "/cross_attn/out",
    "ffn/layer_norm": "mlp_ln", "ffn/linear_0": "mlp/0", "ffn/linear_1": "mlp/2",
    "position_encodings/encodings": "positional_embedding", "decoder/embeddings": "decoder/token_embedding",
    "encoder/layer_norm": "encoder/ln_post", "decoder/layer_norm": "decoder/ln",
    "layers": "blocks"}


def bfloat16(values):
    bits = values.astype(np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def encoded(values, kind):
    """The bytes of floats."""
    return {"f32": lambda: values.astype("<f4"), "f16": lambda: values.astype("<f2"),
            "bf16": lambda: bfloat16(values)}[kind]().tobytes()


def halves(values):
    return values.astype("<f2").view(np.uint8)


def inverse(values):
    with np.errstate(divide="ignore"):
        return np.where(values == 0, np.float32(0), np.float32(1) / values)


def nibbles(numbers, group):
    """Pairs of `group` numbers share bytes: the first in the lower four bits."""
    low, high = np.moveaxis(numbers.reshape(len(numbers), -1, 2, group), 2, 0)
    return (low & 15 | (high & 15) << 4).reshape(len(numbers), -1)


def pairs_of_bits(numbers):
    """Of each 128 numbers, four that lie 32 apart share a byte."""
    parts = np.moveaxis(numbers.reshape(len(numbers), 2, 4, 32), 2, 0) & 3
    return (parts[0] | parts[1] << 2 | parts[2] << 4 | parts[3] << 6).reshape(len(numbers), -1)


def high_bits(bits):
    """Bit i // 32 of byte i % 32."""
    return np.packbits(np.moveaxis(bits.reshape(len(bits), 8, 32), 1, 2), axis=-1, bitorder="little").reshape(len(bits), -1)


def signed_scale(x, most):
    """The scale by which the number furthest from zero becomes -most."""
    return np.take_along_axis(x, abs(x).argmax(-1, keepdims=True), -1) / np.float32(-most)


def quantise_legacy(x, bits, has_minimum):
    """q4_0, q4_1, q5_0, q5_1: blocks of 32."""
    half = 1 << (bits - 1)
    low = x.min(-1, keepdims=True) if has_minimum else np.float32(0)
    scale = (x.max(-1, keepdims=True) - low) / np.float32(2 * half - 1) if has_minimum else signed_scale(x, half)
    offset = 0.5 if has_minimum else half + 0.5
    numbers = np.clip(np.floor((x - low) * inverse(scale) + np.float32(offset)), 0, 2 * half - 1).astype(np.uint8)
    parts = [halves(scale)] + ([halves(low)] if has_minimum else [])
    if bits == 5:
        parts.append(np.packbits(numbers >> 4, axis=-1, bitorder="little"))
    return np.concatenate(parts + [nibbles(numbers, 16)], axis=-1)


def quantise_q8_0(x):
    scale = abs(x).max(-1, keepdims=True) / np.float32(127)
    scaled = x * inverse(scale)
    numbers = np.sign(scaled) * np.floor(abs(scaled) + np.float32(0.5))  # halves away from zero, as C's round
    return np.concatenate([halves(scale), numbers.astype(np.int8).view(np.uint8)], axis=-1)


def rounded(values, low, high):
    return np.clip(np.rint(values), low, high)


def quantise_with_minima(x, groups, most_scale, most_number):
    """Scales, minima and numbers of q2_K, q4_K, q5_K, and the scales of both."""
    x = x.reshape(len(x), groups, -1)
    minimum = np.minimum(x.min(-1), 0)
    scale = (x.max(-1) - minimum) / np.float32(most_number)
    both = []
    for values in (scale, -minimum):
        top = (values.max(-1, keepdims=True) / np.float32(most_scale)).astype(np.float16)
        both += [top, rounded(values * inverse(top.astype(np.float32)), 0, most_scale).astype(np.uint8)]
    d, scales, dmin, minima = both
    real_scale = d.astype(np.float32) * scales
    numbers = rounded((x + (dmin.astype(np.float32) * minima)[..., None]) * inverse(real_scale)[..., None], 0, most_number)
    return d, dmin, scales, minima, numbers.astype(np.uint8).reshape(len(x), -1)


def quantise_q2_k(x):
    d, dmin, scales, minima, numbers = quantise_with_minima(x, 16, 15, 3)
    return np.concatenate([scales | minima << 4, pairs_of_bits(numbers), halves(d), halves(dmin)], axis=-1)


def quantise_q4_or_q5_k(x, bits):
    d, dmin, scales, minima, numbers = quantise_with_minima(x, 8, 63, (1 << bits) - 1)
    packed = np.concatenate([scales[:, :4] | scales[:, 4:] >> 4 << 6, minima[:, :4] | minima[:, 4:] >> 4 << 6,
                             scales[:, 4:] & 15 | (minima[:, 4:] & 15) << 4], axis=-1)
    fifth = [high_bits(numbers >> 4)] if bits == 5 else []
    return np.concatenate([halves(d), halves(dmin), packed, *fifth, nibbles(numbers, 32)], axis=-1)


def quantise_without_minima(x, most_scale, most_number):
    """Scales and numbers of q3_K and q6_K, and the scale of the scales."""
    x = x.reshape(len(x), 16, 16)
    scale = signed_scale(x, most_number)[..., 0]
    d = signed_scale(scale, most_scale).astype(np.float16)
    scales = rounded(scale * inverse(d.astype(np.float32)), -most_scale, most_scale - 1)
    numbers = rounded(x * inverse(d.astype(np.float32) * scales)[..., None], -most_number, most_number - 1)
    return d, scales.astype(np.int8), (numbers + most_number).astype(np.uint8).reshape(len(x), -1)


def quantise_q3_k(x):
    d, scales, numbers = quantise_without_minima(x, 32, 4)
    scales = (scales + 32).astype(np.uint8)
    low = scales[:, :8] & 15 | (scales[:, 8:] & 15) << 4
    quarters = (scales >> 4).reshape(len(x), 4, 4)
    high = quarters[:, 0] | quarters[:, 1] << 2 | quarters[:, 2] << 4 | quarters[:, 3] << 6
    return np.concatenate([high_bits(numbers >> 2), pairs_of_bits(numbers), low, high, halves(d)], axis=-1)


def quantise_q6_k(x):
    d, scales, numbers = quantise_without_minima(x, 128, 32)
    return np.concatenate([nibbles(numbers, 64), pairs_of_bits(numbers >> 4), scales.view(np.uint8), halves(d)], axis=-1)


# By name: ggml's number, the number of the file's type, values in a block, function from [blocks, values] to [blocks, bytes].
QUANTISED = {
    "q4_0": (2, 2, 32, lambda x: quantise_legacy(x, 4, False)),
    "q4_1": (3, 3, 32, lambda x: quantise_legacy(x, 4, True)),
    "q5_0": (6, 8, 32, lambda x: quantise_legacy(x, 5, False)),
    "q5_1": (7, 9, 32, lambda x: quantise_legacy(x, 5, True)),
    "q8_0": (8, 7, 32, quantise_q8_0),
    "q2_K": (10, 10, 256, quantise_q2_k),
    "q3_K": (11, 11, 256, quantise_q3_k),
    "q4_K": (12, 12, 256, lambda x: quantise_q4_or_q5_k(x, 4)),
    "q5_K": (13, 13, 256, lambda x: quantise_q4_or_q5_k(x, 5)),
    "q6_K": (14, 14, 256, quantise_q6_k),
}
FLOATS = {"f32": (0, 0), "f16": (1, 1), "bf16": (30, 24)}


def quantised(values, kind):
    _, _, block, function = QUANTISED[kind]
    return function(values.astype(np.float32).reshape(-1, block)).tobytes()


def write_safetensors(path, tensors, kind):
    header, data = {"__metadata__": {"format": "pt"}}, []
    at = 0
    for name, value in tensors.items():
        data.append(encoded(value, kind))
        header[name] = {"dtype": kind.upper(), "shape": list(value.shape), "data_offsets": [at, at + len(data[-1])]}
        at += len(data[-1])
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data))


def to_safetensors(source, target, kind, shards=1):
    """Writes a folder as Hugging Face has it, the weights in `shards` files."""
    variables = split_parts(read_ctranslate2(source))
    tensors = {}
    for name, value in variables.items():
        new = renamed(name, HUGGING_FACE)
        tensors[new if new.startswith("proj_out") else "model." + new] = value
    target.mkdir(parents=True)
    if shards == 1:
        write_safetensors(target / "model.safetensors", tensors, kind)
    else:
        weight_map = {}
        for i in range(shards):
            file = f"model-{i + 1:05}-of-{shards:05}.safetensors"
            shard = dict(list(tensors.items())[i::shards])
            write_safetensors(target / file, shard, kind)
            weight_map |= dict.fromkeys(shard, file)
        (target / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    vocab_size, d_model = variables["decoder/embeddings/weight"].shape
    config = {"model_type": "whisper", "d_model": d_model, "vocab_size": vocab_size, "activation_function": "gelu",
              "num_mel_bins": variables["encoder/conv1/weight"].shape[1], "max_source_positions": 1500,
              "max_target_positions": 448, "scale_embedding": False}
    for side in ("encoder", "decoder"):
        config |= {f"{side}_layers": count_layers(variables, side), f"{side}_attention_heads": d_model // 64,
                   f"{side}_ffn_dim": 4 * d_model}
    (target / "config.json").write_text(json.dumps(config))
    ours = json.loads((source / "config.json").read_text())
    generation = {"suppress_tokens": ours["suppress_ids"], "begin_suppress_tokens": ours["suppress_ids_begin"],
                  "alignment_heads": ours["alignment_heads"]}
    (target / "generation_config.json").write_text(json.dumps(generation))
    shutil.copy(source / "tokenizer.json", target)


def count_layers(variables, side):
    return len({name.split("/")[1] for name in variables if name.startswith(f"{side}/layer_") and "norm" not in name[:19]})


def mel_filters(num_mels):
    """Triangles between points that lie evenly on Slaney's scale, [num_mels, 201], each with the area 1."""
    step = np.log(6.4) / 27
    points = np.linspace(0, 15 + np.log(8000 / 1000) / step, num_mels + 2)
    hertz = np.where(points < 15, points * 200 / 3, 1000 * np.exp(step * (points - 15)))
    distance = hertz[:, None] - np.linspace(0, 8000, 201)
    width = np.diff(hertz)[:, None]
    rising, falling = -distance[:-2] / width[:-1], distance[2:] / width[1:]
    return (np.maximum(0, np.minimum(rising, falling)) * 2 / (hertz[2:] - hertz[:-2])[:, None]).astype("<f4")


def byte_alphabet():
    """GPT-2's: the byte of each character."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}


def text_tokens(source):
    """The bytes of the text tokens by number."""
    vocabulary = json.loads((source / "tokenizer.json").read_text())["model"]["vocab"]
    alphabet = byte_alphabet()
    by_number = sorted((number, token) for token, number in vocabulary.items() if token != "<|endoftext|>")
    assert [number for number, _ in by_number] == list(range(len(by_number)))
    return [bytes(alphabet[c] for c in token) for _, token in by_number]


def to_ggml(source, target, kind):
    """Writes a file as whisper.cpp has it: biases, norms and positions are float32, convolutions float16 where matrices are
    no float32, and only matrices are quantised."""
    variables = split_parts(read_ctranslate2(source))
    vocab_size, d_model = variables["decoder/embeddings/weight"].shape
    num_mels = variables["encoder/conv1/weight"].shape[1]
    tokens, filters = text_tokens(source), mel_filters(num_mels)
    file_type = FLOATS[kind][1] if kind in FLOATS else 2000 + QUANTISED[kind][1]
    heads = d_model // 64
    out = [struct.pack("<12I", 0x67676D6C, vocab_size, 1500, d_model, heads, count_layers(variables, "encoder"), 448,
                       d_model, heads, count_layers(variables, "decoder"), num_mels, file_type),
           struct.pack("<2I", *filters.shape), filters.tobytes(), struct.pack("<I", len(tokens))]
    out += [struct.pack("<I", len(token)) + token for token in tokens]
    for name, value in variables.items():
        new = renamed(name, OPENAI)
        if new.startswith("proj_out"):
            continue
        if new in ("encoder.conv1.bias", "encoder.conv2.bias"):
            value = value[:, None]
        is_matrix = value.ndim == 2 and "bias" not in new and "positional" not in new
        stored = kind if is_matrix else "f32" if kind == "f32" or value.ndim < 3 else "f16"
        if kind == "bf16" and value.ndim == 3:
            stored = kind
        number = FLOATS[stored][0] if stored in FLOATS else QUANTISED[stored][0]
        text = new.encode()
        out.append(struct.pack("<3I", value.ndim, len(text), number) + struct.pack(f"<{value.ndim}I", *value.shape[::-1]))
        out.append(text + (encoded(value, stored) if stored in FLOATS else quantised(value, stored)))
    target.write_bytes(b"".join(out))


def main():
    source, target, form, kind = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), *sys.argv[3:5]
    if form == "ggml":
        to_ggml(source, target, kind)
    else:
        to_safetensors(source, target, kind, *map(int, sys.argv[5:]))


if __name__ == "__main__":
    main()
