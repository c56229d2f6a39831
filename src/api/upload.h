#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/http.h"
#include "api/multipart.h"
#include "api/spool.h"
#include "base/result.h"

namespace stenod::api {

/// A recording and what is to be done with it, as a client sent them.
struct Upload {
  Fields fields;
  std::unique_ptr<SpoolFile> file;
  std::string file_field = "body";  ///< which part the recording was; "body" for a body that is nothing else
  std::string file_name = "audio";  ///< the client's, without folders and control characters; valid UTF-8
};

struct UploadOptions {
  std::vector<std::string> file_fields;    ///< the parts that may be the recording: "audio", "file"
  bool raw_body = false;                   ///< a body that is the recording alone is taken too
  std::size_t max_field_bytes = 16 << 10;  ///< of one of the other parts
};

/// Takes a request's body: a form (multipart/form-data), whose recording goes to the spool and whose fields stay in
/// memory, or a recording alone (audio/…, video/…, application/octet-stream, or no Content-Type). One thread.
class UploadReader : private MultipartSink {
 public:
  /// Errors: kUnsupportedMediaType, kMultipartBadBoundary, and those of SpoolFolder. `spool` must outlive the upload.
  static Result<std::unique_ptr<UploadReader>> create(const HttpRequest& request, UploadOptions options,
                                                      SpoolFolder& spool);

  bool is_form() const { return parser_.has_value(); }

  /// Errors: those of MultipartParser and SpoolFile; kFieldTooLarge, kInvalidArgument (two recordings).
  Status take(std::span<const std::byte> piece);
  /// The body is complete. Errors: kMultipartTruncated, kMissingParameter (no recording), kAudioEmpty.
  Result<Upload> finish();

 private:
  UploadReader(UploadOptions options, SpoolFolder& spool) : options_(std::move(options)), spool_(spool) {}

  Status on_part(const MultipartPart& part) override;
  Status on_data(std::string_view bytes) override;
  Status on_part_end() override { return {}; }

  UploadOptions options_;
  SpoolFolder& spool_;
  std::optional<MultipartParser> parser_;  ///< of a form
  Upload upload_;
  bool in_file_ = false;
};

}  // namespace stenod::api
