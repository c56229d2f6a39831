#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

namespace stenod {

/// Every error that a user can meet has one of these codes. They are part of the interface: programs match on their
/// names, so a name is never changed or used for something else.
enum class ErrorCode {
#define STENOD_ERROR(enumerator, name, meaning) enumerator,
#include "base/error_codes.def"
#undef STENOD_ERROR
};

/// The stable name, for instance "model_truncated".
std::string_view error_name(ErrorCode code);

/// What the code means in general, one sentence, as the documentation prints it.
std::string_view error_meaning(ErrorCode code);

/// An expected failure: what happened and what to do about it, in words for the person who reads it.
struct Error {
  ErrorCode code;
  std::string message;
  /// The offending parameter, field or file, where there is one.
  std::string param = {};
  /// When it is worth trying again, where waiting helps; 0: not known. Over HTTP it is Retry-After.
  std::chrono::seconds retry_after = {};
};

}  // namespace stenod
