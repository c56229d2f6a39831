#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

#include "base/result.h"
#include "models/whisper_weights.h"

namespace stenod::models {

/// Reads a Whisper model from a file as whisper.cpp uses it ("ggml-base.bin"). The weights stay in the memory-mapped
/// file, which `storage` keeps alive.
///
/// Little-endian. u32 0x67676d6c; i32: tokens, audio positions, width, heads and layers, text positions, width, heads
/// and layers, mel bins, type of the weights + 1000 * version of the quantisation. i32 mel bins, 201; float32 filters.
/// i32 number of tokens, each: u32 length, bytes. Then tensors up to the end: i32 rank, length of the name, type; i32
/// dimensions, the innermost first; name; data, unaligned.
/// (whisper_model_load() in https://github.com/ggml-org/whisper.cpp, src/whisper.cpp; the file has no other
/// description.)
///
/// float32, float16, bfloat16, q4_0, q4_1, q5_0, q5_1, q8_0 and q2_K to q6_K are read.
///
/// The mel filters are those that every Whisper model has, and are passed over. `vocabulary` holds the text tokens,
/// maybe with the end of text behind them; what other formats say beyond that must be derived from it: the other
/// tokens, and which are suppressed. `generation` only has `alignment_heads`: those that OpenAI names for a model of
/// these sizes (alignment_heads.h).
///
/// Errors: kModelTruncated, kModelBadMagic, kModelUnsupportedVersion (quantised by another version), kModelBadShape,
/// kModelBadVocabulary, kModelBadCount, kModelBadName, kModelBadType, kModelDuplicateVariable, those of
/// assemble_whisper(), and those of opening files. `param` is the file.
Result<WhisperWeights> read_ggml(const std::filesystem::path& file);

/// The same from memory, without `storage`: `file` must outlive the result, `name` is for messages.
Result<WhisperWeights> parse_ggml(std::span<const std::byte> file, std::string_view name);

}  // namespace stenod::models
