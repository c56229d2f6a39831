#pragma once

#include "api/request_fields.h"
#include "transcribe/file_transcriber.h"

namespace stenod::api {

/// Reads how text is to be found: the parameters of docs/http.md's table of decoding, where they are given.
void read_decoding(RequestFields& fields, transcribe::DecodingSettings& settings);

/// Reads which windows there are and what one passes to the next: docs/http.md's table of windows.
void read_windows(RequestFields& fields, transcribe::FileOptions& file);

/// The two that OpenAI's API has. A temperature of 0 stands for the usual ones, tried while a text is doubtful, as
/// OpenAI describes it; another is the only one.
void read_openai_decoding(RequestFields& fields, transcribe::DecodingSettings& settings);

}  // namespace stenod::api
