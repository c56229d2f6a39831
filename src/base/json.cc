#include "base/json.h"

#include <fmt/format.h>

#include <boost/json/src.hpp>

namespace stenod {

Result<json::value> parse_json(std::string_view text, std::size_t max_depth) {
  json::parse_options options;
  options.max_depth = max_depth;
  json::stream_parser parser({}, options);
  json::error_code error;
  const std::size_t parsed = parser.write(text.data(), text.size(), error);
  if (!error) parser.finish(error);
  if (error) return Error{ErrorCode::kJsonMalformed, fmt::format("at byte {}: {}", parsed, error.message())};
  return parser.release();
}

}  // namespace stenod
