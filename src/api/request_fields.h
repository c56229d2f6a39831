#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/http.h"
#include "base/result.h"

namespace stenod::api {

/// Reads a request's parameters, from a form or a query, by name. Each takes what it reads; finish() refuses what
/// nobody has read. A parameter that is given twice is an error, unless it is read as a list. The first error stays.
class RequestFields {
 public:
  explicit RequestFields(Fields fields) : fields_(std::move(fields)) {}

  /// Absent: not given.
  std::optional<std::string> text(std::string_view name);
  /// "true" or "false", in any case, or 1 or 0.
  std::optional<bool> flag(std::string_view name);
  bool flag(std::string_view name, bool otherwise) { return flag(name).value_or(otherwise); }
  std::optional<double> number(std::string_view name, double min, double max);
  std::optional<int> whole_number(std::string_view name, int min, int max);
  /// One of `choices`; the first where it is not given.
  std::string choice(std::string_view name, std::initializer_list<std::string_view> choices);
  /// All values of `name` and of `name[]`.
  std::vector<std::string> list(std::string_view name);
  /// A parameter of something that is not built yet: empty is the same as not given, and kNotSupported otherwise.
  void not_yet(std::string_view name, std::string_view why);

  /// Makes `error` the result, unless there was one before.
  void fail(Error error);
  void fail(ErrorCode code, std::string_view name, std::string_view what);
  /// Errors: the first of those above, then kUnknownParameter.
  Status finish();

 private:
  Fields fields_;
  Status status_;
};

}  // namespace stenod::api
