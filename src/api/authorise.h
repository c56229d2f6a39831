#pragma once

#include <string_view>

#include "access/access.h"
#include "api/http.h"

namespace stenod::api {

/// Whether whoever shows `credential` (empty: nobody did) may use a route of that access; `request.client_address` is
/// who sent it. Errors: those of Access::authenticate(), and kForbidden. Any thread.
Result<access::Principal> authorise(access::Access& access, const HttpRequest& request, Route::Access needed,
                                    std::string_view credential);

}  // namespace stenod::api
