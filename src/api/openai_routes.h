#pragma once

#include <vector>

#include "api/file_answer.h"
#include "api/http.h"

namespace stenod::api {

/// OpenAI's routes for recordings, as its clients know them: POST /v1/audio/transcriptions and /v1/audio/translations,
/// GET /v1/models and /v1/models/{id} (docs/http.md; https://platform.openai.com/docs/api-reference/audio). `routes`
/// must outlive them.
std::vector<Route> openai_routes(const FileRoutes& routes);

/// An error as OpenAI's clients know it: {"error":{"message","type","param","code"}}.
HttpResponse openai_error(const Error& error);

}  // namespace stenod::api
