#pragma once

#include <string_view>

#include "access/access.h"
#include "api/http.h"
#include "base/result.h"

namespace stenod::api {

/// Lets a request pass or refuses it, and sets its principal. `credential`: what it came with, empty where it came with
/// none. What everybody may use is not held up by a wrong one. Errors: those of Access::authenticate(), and kForbidden.
/// Any thread; never blocks.
Status authorise(access::Access& access, HttpRequest& request, Route::Access needed, std::string_view credential);

}  // namespace stenod::api
