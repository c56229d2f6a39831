#pragma once

#include "api/file_answer.h"
#include "api/http.h"

namespace stenod::api {

/// POST /transcribe: a recording in a form or as the body alone; the answer is its transcript in one of the formats of
/// text/format.h, or comes as server-sent events (docs/http.md). `routes` must outlive the route.
Route transcribe_route(const FileRoutes& routes);

}  // namespace stenod::api
