#include "api/upload.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "text/utf8.h"

namespace stenod::api {
namespace {

constexpr std::size_t kMaxNameBytes = 255;

/// Names are shown in messages and results, and their extension may tell the format; nothing is opened by them.
std::string safe_name(std::string_view name) {
  name.remove_prefix(std::min(name.find_last_of("/\\") + 1, name.size()));  // npos + 1 is 0
  std::string safe(name);
  safe.erase(std::remove_if(safe.begin(), safe.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }),
             safe.end());
  if (safe.size() > kMaxNameBytes) safe.erase(0, safe.size() - kMaxNameBytes);  // the extension is at the end
  return safe.empty() ? Upload().file_name : text::to_valid_utf8(safe);
}

bool is_recording(std::string_view type) {
  return type.empty() || type == "application/octet-stream" || type == "application/ogg" ||
         type.starts_with("audio/") || type.starts_with("video/");
}

}  // namespace

Result<std::unique_ptr<UploadReader>> UploadReader::create(const HttpRequest& request, UploadOptions options,
                                                           SpoolFolder& spool) {
  std::unique_ptr<UploadReader> reader(new UploadReader(std::move(options), spool));
  const std::string_view content_type = find_field(request.headers, "content-type");
  const std::string type = media_type(content_type);
  if (type == "multipart/form-data") {
    STENOD_ASSIGN_OR_RETURN(reader->parser_, MultipartParser::create(content_type, *reader));
  } else if (reader->options_.raw_body && is_recording(type)) {
    STENOD_ASSIGN_OR_RETURN(reader->upload_.file, spool.create());
    reader->in_file_ = true;
  } else {
    return Error{ErrorCode::kUnsupportedMediaType,
                 fmt::format("Content-Type: the route takes multipart/form-data{}",
                             reader->options_.raw_body ? ", audio/…, video/… or application/octet-stream" : ""),
                 "Content-Type"};
  }
  return reader;
}

Status UploadReader::take(std::span<const std::byte> piece) {
  return parser_ ? parser_->push(piece) : upload_.file->append(piece);
}

Result<Upload> UploadReader::finish() {
  if (parser_) STENOD_RETURN_IF_ERROR(parser_->finish());
  if (!upload_.file) {
    return Error{ErrorCode::kMissingParameter,
                 fmt::format("the form has no recording: expected it as the part '{}'",
                             fmt::join(options_.file_fields, "' or '")),
                 options_.file_fields.front()};
  }
  if (upload_.file->size() == 0) {
    return Error{ErrorCode::kAudioEmpty, "the recording is empty (0 bytes), expected audio or video",
                 upload_.file_field};
  }
  return std::move(upload_);
}

Status UploadReader::on_part(const MultipartPart& part) {
  const auto& names = options_.file_fields;
  in_file_ = std::find(names.begin(), names.end(), part.name) != names.end();
  if (!in_file_) {
    upload_.fields.emplace_back(part.name, std::string());
    return {};
  }
  if (upload_.file) {
    return Error{ErrorCode::kInvalidArgument, "the form has two recordings, expected one", part.name};
  }
  upload_.file_field = part.name;
  upload_.file_name = safe_name(part.filename);
  STENOD_ASSIGN_OR_RETURN(upload_.file, spool_.create());
  return {};
}

Status UploadReader::on_data(std::string_view bytes) {
  if (in_file_) return upload_.file->append(std::as_bytes(std::span(bytes)));
  auto& [name, value] = upload_.fields.back();
  if (bytes.size() > options_.max_field_bytes - value.size()) {
    return Error{ErrorCode::kFieldTooLarge,
                 fmt::format("the field '{}' has more than {} bytes", name, options_.max_field_bytes), name};
  }
  value += bytes;
  return {};
}

}  // namespace stenod::api
