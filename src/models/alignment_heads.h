#pragma once

#include <utility>
#include <vector>

#include "models/whisper_weights.h"

namespace stenod::models {

/// The alignment heads, (decoder layer, head), of OpenAI's model with these sizes; of others default_alignment_heads().
///
/// large-v1 and large-v2 have the same sizes: both get the heads of large-v2, which replaced the other after three
/// months. Source: _ALIGNMENT_HEADS in https://github.com/openai/whisper, whisper/__init__.py.
std::vector<std::pair<int, int>> known_alignment_heads(const WhisperDims& dims);

}  // namespace stenod::models
