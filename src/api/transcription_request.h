#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/http.h"
#include "base/result.h"
#include "text/format.h"
#include "transcribe/file_transcriber.h"

namespace stenod::api {

/// A model that is loaded, by the name that clients call it.
struct ServedModel {
  std::string name;
  transcribe::Recogniser* recogniser = nullptr;
  std::int64_t created_s = 0;  ///< when it was loaded, seconds since 1970
};

// What clients ask for, from the fields of a form or a query. In all of them an unknown field is kUnknownParameter, one
// with a wrong value kInvalidArgument, and one of a part that is not built yet kNotSupported unless it has its default.
// `models` is not empty; its first model serves who names none.

/// POST /transcribe; docs/http.md lists the fields.
struct TranscribeRequest {
  const ServedModel* model = nullptr;
  transcribe::FileOptions file;
  text::Format format = text::Format::kJson;
  text::FormatOptions layout;
  bool stream = false;  ///< answered by server-sent events
};
/// `accept`: the request's header field, which counts where `format` or `stream` are not given. Errors also:
/// kModelUnknown.
Result<TranscribeRequest> parse_transcribe_request(Fields fields, std::string_view accept,
                                                   std::span<const ServedModel> models);

enum class OpenAiFormat { kJson, kText, kSrt, kVerboseJson, kVtt };

/// OpenAI's POST /v1/audio/transcriptions and …/translations.
struct OpenAiRequest {
  const ServedModel* model = nullptr;
  transcribe::FileOptions file;
  OpenAiFormat format = OpenAiFormat::kJson;
  text::SubtitleOptions subtitles;
  bool segments = true;  ///< verbose_json holds segments
  bool words = false;    ///< verbose_json holds words
  bool stream = false;
};
/// Errors also: kMissingParameter (model), kModelUnknown.
Result<OpenAiRequest> parse_openai_request(Fields fields, whisper::Task task, std::span<const ServedModel> models);

/// The name under which OpenAI's clients know Whisper; here it is the first model.
inline constexpr std::string_view kOpenAiModelName = "whisper-1";

/// Error kModelUnknown.
Result<const ServedModel*> find_model(std::span<const ServedModel> models, std::string_view name);

/// Of `offered` media types the one that an Accept field likes best (RFC 9110, section 12.5.1); the first of equals,
/// and where it says nothing or likes none.
std::string_view preferred_type(std::string_view accept, std::span<const std::string_view> offered);

}  // namespace stenod::api
