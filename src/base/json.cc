#include "base/json.h"

#include <fmt/format.h>

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/src.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace stenod {
namespace {

/// Follows the events of a parser and remembers the keys of the objects that are open.
class KeyRecorder {
 public:
  static constexpr std::size_t max_object_size = SIZE_MAX;
  static constexpr std::size_t max_array_size = SIZE_MAX;
  static constexpr std::size_t max_key_size = SIZE_MAX;
  static constexpr std::size_t max_string_size = SIZE_MAX;

  const std::optional<std::string>& duplicate() const { return duplicate_; }

  bool on_object_begin(json::error_code&) { return keys_.emplace_back(), true; }
  bool on_object_end(std::size_t, json::error_code&) { return keys_.pop_back(), true; }
  bool on_key_part(json::string_view part, std::size_t, json::error_code&) {
    key_.append(part.data(), part.size());
    return true;
  }
  bool on_key(json::string_view part, std::size_t, json::error_code& error) {
    key_.append(part.data(), part.size());
    if (keys_.back().contains(key_)) {
      duplicate_ = std::move(key_);
      error = json::error::syntax;
      return false;
    }
    keys_.back().insert(std::exchange(key_, {}));
    return true;
  }

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_array_begin(json::error_code&) { return true; }
  bool on_array_end(std::size_t, json::error_code&) { return true; }
  bool on_string_part(json::string_view, std::size_t, json::error_code&) { return true; }
  bool on_string(json::string_view, std::size_t, json::error_code&) { return true; }
  bool on_number_part(json::string_view, json::error_code&) { return true; }
  bool on_int64(std::int64_t, json::string_view, json::error_code&) { return true; }
  bool on_uint64(std::uint64_t, json::string_view, json::error_code&) { return true; }
  bool on_double(double, json::string_view, json::error_code&) { return true; }
  bool on_bool(bool, json::error_code&) { return true; }
  bool on_null(json::error_code&) { return true; }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }

 private:
  std::vector<std::set<std::string>> keys_;
  std::string key_;
  std::optional<std::string> duplicate_;
};

}  // namespace

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

Status check_unique_keys(std::string_view text) {
  json::basic_parser<KeyRecorder> parser({});
  json::error_code error;
  const std::size_t parsed = parser.write_some(false, text.data(), text.size(), error);
  if (!parser.handler().duplicate()) return {};
  return Error{ErrorCode::kJsonDuplicateKey,
               fmt::format("at byte {}: the key {} is there twice", parsed,
                           json::serialize(json::value(parser.handler().duplicate()->substr(0, 100))))};
}

}  // namespace stenod
