#pragma once

#include <cassert>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/error.h"

namespace stenod {

/// Either a value or an Error. Returned by everything that can fail for a reason outside the program.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit by intent
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit by intent

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  /// Precondition: ok().
  T& value() & { return assert(ok()), *std::get_if<0>(&state_); }
  const T& value() const& { return assert(ok()), *std::get_if<0>(&state_); }
  T&& value() && { return assert(ok()), std::move(*std::get_if<0>(&state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  /// Precondition: !ok().
  // The analyzer takes a variant whose alternative it has lost sight of for the other one.
  const Error& error() const& { return assert(!ok()), *std::get_if<1>(&state_); }  // NOLINT(clang-analyzer-*)
  Error&& error() && { return assert(!ok()), std::move(*std::get_if<1>(&state_)); }

 private:
  std::variant<T, Error> state_;
};

/// Success, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit by intent

  bool ok() const { return !error_; }
  explicit operator bool() const { return ok(); }
  const Error& error() const& { return assert(!ok()), *error_; }
  Error&& error() && { return assert(!ok()), std::move(*error_); }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace stenod

#define STENOD_CONCAT_INNER(a, b) a##b
#define STENOD_CONCAT(a, b) STENOD_CONCAT_INNER(a, b)

/// Returns the error of `expression` from the enclosing function, if it has one.
#define STENOD_RETURN_IF_ERROR(expression)                                                          \
  do {                                                                                              \
    if (auto stenod_status = (expression); !stenod_status) return std::move(stenod_status).error(); \
  } while (false)

/// Assigns the value of `expression` to `target` (which may be a declaration), or returns its error.
#define STENOD_ASSIGN_OR_RETURN(target, expression) \
  STENOD_ASSIGN_OR_RETURN_IMPL(STENOD_CONCAT(stenod_result_, __LINE__), target, expression)
#define STENOD_ASSIGN_OR_RETURN_IMPL(result, target, expression) \
  auto result = (expression);                                    \
  if (!result) return std::move(result).error();                 \
  target = std::move(result).value()
