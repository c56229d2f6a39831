#pragma once

#include "api/request_fields.h"
#include "transcribe/decoding_settings.h"

namespace stenod::api {

/// Reads how text is to be found: the parameters of docs/http.md's table of decoding, where they are given.
void read_decoding(RequestFields& fields, transcribe::DecodingSettings& settings);

/// The two that OpenAI's API has. A temperature of 0 stands for the usual ones, tried while a text is doubtful, as
/// OpenAI describes it; another is the only one.
void read_openai_decoding(RequestFields& fields, transcribe::DecodingSettings& settings);

}  // namespace stenod::api
