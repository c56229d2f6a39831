#pragma once

#include <exception>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "base/result.h"

namespace stenod::server {

/// Calls what a module wrote; what it throws, against the rules, becomes an error instead of the program's end.
template <typename Call>
auto guarded(Call&& call) -> decltype(call()) {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::kOutOfMemory, "There is not enough memory for this request now."};
  } catch (const std::exception& exception) {
    return Error{ErrorCode::kInternal, std::string("an exception: ") + exception.what()};
  }
}

}  // namespace stenod::server
