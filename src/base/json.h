#pragma once

#include <boost/json.hpp>
#include <cstddef>
#include <string_view>

#include "base/result.h"

namespace stenod {

namespace json = boost::json;

/// Parses one JSON text. Depth is limited to `max_depth`. Error: kJsonMalformed, with the byte offset.
Result<json::value> parse_json(std::string_view text, std::size_t max_depth = 32);

/// For texts whose meaning must not depend on which of two equal keys is read; parse_json() takes the last. `text` is
/// valid JSON. Error: kJsonDuplicateKey, with the byte offset.
Status check_unique_keys(std::string_view text);

}  // namespace stenod
