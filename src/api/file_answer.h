#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "access/access.h"
#include "api/file_service.h"
#include "api/http.h"
#include "api/transcription_request.h"
#include "api/upload.h"

namespace stenod::api {

/// What the routes that transcribe files work with; outlives them.
struct FileRoutes {
  FileService& service;
  SpoolFolder& spool;
  std::vector<ServedModel> models;   ///< at least one; the first serves who names none
  access::Access* access = nullptr;  ///< counts audio for whoever sent it; null: no keys and no limits

  /// Whether a request is taken, before its body has come, so that nobody sends it in vain. Errors: those of
  /// FileService::accepts() and Access::check_audio().
  Status accepts(const access::Principal& principal) const;
  /// Of a body: a file and a little for the form around it.
  std::uint64_t max_body_bytes() const { return spool.limits().max_file_bytes + (1 << 20); }
};

/// Answers one request with the transcript of its upload. It is kept alive by the work that was started; what is
/// protected is called by the service's thread, one call at a time.
class FileAnswer : public std::enable_shared_from_this<FileAnswer> {
 public:
  FileAnswer(const FileRoutes& routes, access::Principal principal, std::shared_ptr<HttpReply> reply);
  virtual ~FileAnswer() = default;

  /// Hands the upload over. Answers at once when it is refused.
  void start(Upload upload, const ServedModel& model, transcribe::FileOptions options);

 protected:
  virtual void on_progress(const transcribe::FileProgress& progress) = 0;
  virtual void on_segment(const text::Segment& segment) = 0;
  virtual void on_result(transcribe::FileResult result) = 0;
  virtual void on_error(const Error& error) = 0;

  /// Ends the work where `goes_on` is false: nobody reads any more.
  void check(bool goes_on);

  HttpReply& reply() { return *reply_; }
  const std::string& file_name() const { return file_name_; }

 private:
  void count_audio(double up_to_s);
  void done(Result<transcribe::FileResult> result);

  const FileRoutes& routes_;
  const access::Principal principal_;
  const std::shared_ptr<HttpReply> reply_;
  std::string file_name_;
  std::string file_field_;
  double decoded_s_ = 0;
  double counted_s_ = 0;          ///< of the audio, before any of its text is handed on
  std::optional<Error> refusal_;  ///< of count_audio()
  std::stop_source stop_;
  std::stop_callback<std::function<void()>> on_stop_;
};

/// What a person should know about a result besides its text, one sentence each.
std::vector<std::string> warnings_of(const transcribe::FileResult& result);

/// The same as header fields, in ASCII: "Stenod-Warning".
Fields warning_fields(const std::vector<std::string>& warnings);

}  // namespace stenod::api
