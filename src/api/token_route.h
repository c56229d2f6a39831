#pragma once

#include "access/access.h"
#include "api/http.h"

namespace stenod::api {

/// POST /tokens: a short-lived credential, made by a backend that has a key for its browser clients. The body is empty
/// or
/// {"ttl_s", "streams"}, both optional; the answer {"token", "expires_at"}, in RFC 3339. `access` must outlive the
/// route.
Route token_route(access::Access& access);

}  // namespace stenod::api
