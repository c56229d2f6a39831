#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace stenod::quality {

/// One JSON object of a file that people or other programs wrote. Its members are read with errors that say where it
/// stands, which member it is and what was expected. Refers to the object, which must outlive it.
class JsonRecord {
 public:
  /// `where` for messages, for instance "set.jsonl, line 3"; `code` of all errors.
  JsonRecord(const json::object& object, std::string where, ErrorCode code)
      : object_(object), where_(std::move(where)), code_(code) {}
  /// Error: the value is no object.
  static Result<JsonRecord> of(const json::value& value, std::string where, ErrorCode code);

  /// A text of at most `max_bytes`, and not empty.
  Result<std::string> name(std::string_view member, std::size_t max_bytes) const;
  Result<std::string> text(std::string_view member) const;
  /// Nothing where the member is absent or null.
  Result<std::optional<std::string>> optional_text(std::string_view member) const;
  /// From `min` to `max`.
  Result<double> number(std::string_view member, double min, double max) const;
  Result<std::optional<double>> optional_number(std::string_view member, double min, double max) const;
  Result<std::size_t> count(std::string_view member) const;
  /// The objects of an array, one after the other; none where the member is absent or null.
  Status for_each(std::string_view member, const std::function<Status(const JsonRecord&)>& visit) const;

  const json::value* find(std::string_view member) const;  ///< null where it is absent or null
  Error error(std::string_view member, std::string_view what) const;
  const std::string& where() const { return where_; }

 private:
  const json::object& object_;
  std::string where_;
  ErrorCode code_;
};

/// The objects of a text with one on each line; empty lines are left out. Errors: kJsonMalformed, `code` for another
/// value than an object, and those of `visit`.
Status for_each_line(std::string_view contents, std::string_view file, ErrorCode code,
                     const std::function<Status(const JsonRecord&)>& visit);

}  // namespace stenod::quality
