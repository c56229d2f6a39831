#include "quality/json_record.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "text/utf8.h"

namespace stenod::quality {
namespace {

constexpr double kMaxCount = 1e12;

}  // namespace

Result<JsonRecord> JsonRecord::of(const json::value& value, std::string where, ErrorCode code) {
  const json::object* const object = value.if_object();
  if (object == nullptr) return Error{code, fmt::format("{}: expected a JSON object", where)};
  return JsonRecord(*object, std::move(where), code);
}

Result<std::string> JsonRecord::name(std::string_view member, std::size_t max_bytes) const {
  STENOD_ASSIGN_OR_RETURN(std::string value, text(member));
  if (value.empty()) return error(member, "is empty");
  if (value.size() > max_bytes) {
    return error(member, fmt::format("has {} bytes, expected at most {}", value.size(), max_bytes));
  }
  return value;
}

Result<std::string> JsonRecord::text(std::string_view member) const {
  STENOD_ASSIGN_OR_RETURN(std::optional<std::string> value, optional_text(member));
  if (!value) return error(member, "is missing, expected a text");
  return *std::move(value);
}

Result<std::optional<std::string>> JsonRecord::optional_text(std::string_view member) const {
  const json::value* const value = find(member);
  if (value == nullptr) return std::optional<std::string>();
  if (!value->is_string()) return error(member, "expected a text");
  return std::optional(std::string(value->get_string()));
}

Result<double> JsonRecord::number(std::string_view member, double min, double max) const {
  STENOD_ASSIGN_OR_RETURN(const std::optional<double> value, optional_number(member, min, max));
  if (!value) return error(member, "is missing, expected a number");
  return *value;
}

Result<std::optional<double>> JsonRecord::optional_number(std::string_view member, double min, double max) const {
  const json::value* const value = find(member);
  if (value == nullptr) return std::optional<double>();
  if (!value->is_number()) return error(member, "expected a number");
  const double number = value->is_double()  ? value->get_double()
                        : value->is_int64() ? static_cast<double>(value->get_int64())
                                            : static_cast<double>(value->get_uint64());
  if (!(number >= min && number <= max)) {
    return error(member, fmt::format("{} is out of range, expected {} to {}", number, min, max));
  }
  return std::optional(number);
}

Result<std::size_t> JsonRecord::count(std::string_view member) const {
  STENOD_ASSIGN_OR_RETURN(const double value, number(member, 0, kMaxCount));
  if (value != std::floor(value)) return error(member, "expected a whole number");
  return static_cast<std::size_t>(value);
}

Status JsonRecord::for_each(std::string_view member, const std::function<Status(const JsonRecord&)>& visit) const {
  const json::value* const value = find(member);
  if (value == nullptr) return {};
  if (!value->is_array()) return error(member, "expected an array");
  std::size_t index = 0;
  for (const json::value& element : value->get_array()) {
    STENOD_ASSIGN_OR_RETURN(const JsonRecord record,
                            of(element, fmt::format("{}: {}[{}]", where_, member, index++), code_));
    STENOD_RETURN_IF_ERROR(visit(record));
  }
  return {};
}

const json::value* JsonRecord::find(std::string_view member) const {
  const json::value* const value = object_.if_contains(member);
  return value == nullptr || value->is_null() ? nullptr : value;
}

Error JsonRecord::error(std::string_view member, std::string_view what) const {
  return {code_, fmt::format("{}: {}: {}", where_, member, what), std::string(member)};
}

Status for_each_line(std::string_view contents, std::string_view file, ErrorCode code,
                     const std::function<Status(const JsonRecord&)>& visit) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";  // which editors on Windows put there
  if (contents.starts_with(kByteOrderMark)) contents.remove_prefix(kByteOrderMark.size());
  std::size_t line = 0;
  while (!contents.empty()) {
    const std::size_t end = std::min(contents.find('\n'), contents.size());
    const std::string_view text = contents.substr(0, end);
    contents.remove_prefix(std::min(end + 1, contents.size()));
    ++line;
    if (text::strip(text).empty()) continue;
    std::string where = fmt::format("{}, line {}", file, line);
    const auto value = parse_json(text);
    if (!value) return Error{value.error().code, fmt::format("{}: {}", where, value.error().message)};
    STENOD_ASSIGN_OR_RETURN(const JsonRecord record, JsonRecord::of(*value, std::move(where), code));
    STENOD_RETURN_IF_ERROR(visit(record));
  }
  return {};
}

}  // namespace stenod::quality
