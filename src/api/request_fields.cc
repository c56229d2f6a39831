#include "api/request_fields.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "text/utf8.h"

namespace stenod::api {
namespace {

/// As much of a value as a message shows.
std::string shown(std::string_view value) {
  constexpr std::size_t kMax = 60;
  return text::to_valid_utf8(value.substr(0, kMax)) + (value.size() > kMax ? "…" : "");
}

}  // namespace

std::optional<std::string> RequestFields::text(std::string_view name) {
  const auto matches = [name](const auto& field) { return field.first == name; };
  const auto first = std::find_if(fields_.begin(), fields_.end(), matches);
  if (first == fields_.end()) return std::nullopt;
  std::string value = std::move(first->second);
  fields_.erase(first);
  if (std::any_of(fields_.begin(), fields_.end(), matches)) {
    fail(ErrorCode::kInvalidArgument, name, "given twice, expected once");
    std::erase_if(fields_, matches);
  }
  return value;
}

std::optional<bool> RequestFields::flag(std::string_view name) {
  const auto value = text(name);
  if (!value) return std::nullopt;
  if (*value == "1" || equals_ignoring_case(*value, "true")) return true;
  if (*value != "0" && !equals_ignoring_case(*value, "false")) {
    fail(ErrorCode::kInvalidArgument, name, fmt::format("'{}', expected true or false", shown(*value)));
  }
  return false;
}

std::optional<double> RequestFields::number(std::string_view name, double min, double max) {
  const auto value = text(name);
  if (!value) return std::nullopt;
  double number = 0;
  const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), number);
  // Written so that what is not a number fails.
  if (error == std::errc() && end == value->data() + value->size() && number >= min && number <= max) return number;
  fail(ErrorCode::kInvalidArgument, name,
       fmt::format("'{}', expected a number from {} to {}", shown(*value), min, max));
  return std::nullopt;
}

std::optional<int> RequestFields::whole_number(std::string_view name, int min, int max) {
  const auto value = number(name, min, max);
  if (!value) return std::nullopt;
  const int whole = static_cast<int>(*value);
  if (whole != *value) fail(ErrorCode::kInvalidArgument, name, fmt::format("{}, expected a whole number", *value));
  return whole;
}

std::string RequestFields::choice(std::string_view name, std::initializer_list<std::string_view> choices) {
  auto value = text(name);
  if (!value) return std::string(*choices.begin());
  if (std::find(choices.begin(), choices.end(), *value) == choices.end()) {
    fail(ErrorCode::kInvalidArgument, name,
         fmt::format("'{}', expected one of {}", shown(*value), fmt::join(choices, ", ")));
  }
  return *std::move(value);
}

std::vector<std::string> RequestFields::list(std::string_view name) {
  std::vector<std::string> values;
  std::erase_if(fields_, [&](auto& field) {
    if (field.first != name && field.first != std::string(name) + "[]") return false;
    values.push_back(std::move(field.second));
    return true;
  });
  return values;
}

void RequestFields::not_yet(std::string_view name, std::string_view why) {
  const auto values = list(name);
  if (std::all_of(values.begin(), values.end(), [](const std::string& value) { return value.empty(); })) return;
  fail(ErrorCode::kNotSupported, name, why);
}

void RequestFields::fail(Error error) {
  if (status_) status_ = std::move(error);
}

void RequestFields::fail(ErrorCode code, std::string_view name, std::string_view what) {
  fail({code, fmt::format("{}: {}", name, what), std::string(name)});
}

Status RequestFields::finish() {
  if (status_ && !fields_.empty()) {
    const std::string name = shown(fields_.front().first);
    status_ = Error{ErrorCode::kUnknownParameter, fmt::format("unknown parameter '{}'", name), name};
  }
  return status_;
}

}  // namespace stenod::api
