#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "models/named_tensors.h"

namespace stenod::models {

/// Takes apart a safetensors file and adds its tensors to `tensors`; `file` must outlive them, `name` is for messages.
///
/// u64 length of the header, little-endian; the header, a JSON object: for each tensor {"dtype", "shape",
/// "data_offsets": [begin, end]}, counted from behind the header, and "__metadata__" with strings; then the data, each
/// byte of which belongs to one tensor (https://github.com/huggingface/safetensors, README.md). float32, float16 and
/// bfloat16 are read. The header has 16 MiB at most, so memory stays in proportion to it.
///
/// Errors: kModelTruncated, kModelBadMagic, kModelBadHeader, kJsonMalformed, kJsonDuplicateKey, kModelBadName,
/// kModelBadType, kModelBadShape (rank, no values, or more than 2^32), kModelBadOffsets, kModelBadSize,
/// kModelTrailingBytes, kModelDuplicateVariable (`tensors` has one of that name).
Status parse_safetensors(std::span<const std::byte> file, std::string_view name, NamedTensors& tensors);

/// In which file of a folder each tensor of a model in several files is.
using SafetensorsIndex = std::map<std::string, std::string, std::less<>>;

/// Reads model.safetensors.index.json: {"weight_map": {tensor: file}}, other members are ignored. Files are named
/// without folders and end with ".safetensors"; there are 256 at most. Errors: kJsonMalformed, kJsonDuplicateKey,
/// kModelBadIndex.
Result<SafetensorsIndex> parse_safetensors_index(std::string_view text, std::string_view name);

/// Checks that each tensor lies in the file where the index says, and that there are no others. `name` is the index's.
/// Error: kModelBadIndex.
Status check_against_index(const NamedTensors& tensors, const SafetensorsIndex& index, std::string_view name);

}  // namespace stenod::models
