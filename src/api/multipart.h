#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace stenod::api {

struct MultipartLimits {
  std::size_t max_parts = 64;
  std::size_t max_header_bytes = 8192;  ///< of one part's head
};

/// A part's head. The texts are the client's: any bytes but control characters.
struct MultipartPart {
  std::string name;
  std::string filename;      ///< empty where there is none
  std::string content_type;  ///< empty where there is none
};

/// Takes the parts of a form in order: begin, any number of data, end. An error ends the parsing with it.
class MultipartSink {
 public:
  virtual ~MultipartSink() = default;
  virtual Status on_part(const MultipartPart& part) = 0;
  virtual Status on_data(std::string_view bytes) = 0;
  virtual Status on_part_end() = 0;
};

/// Reads a multipart/form-data body (RFC 7578, RFC 2046 section 5.1) from pieces of any size: how the body is cut
/// changes nothing but the sizes of on_data(). Holds one part's head and nothing else. One thread.
///
/// Strict where a lax reading would let two programs see different forms: lines of a head end with CRLF, and nothing
/// but padding follows a boundary on its line. What stands before the first boundary and after the last is ignored.
class MultipartParser {
 public:
  /// `content_type`: the request's field. Errors: kUnsupportedMediaType (no multipart/form-data),
  /// kMultipartBadBoundary. `sink` must outlive the parser.
  static Result<MultipartParser> create(std::string_view content_type, MultipartSink& sink,
                                        MultipartLimits limits = {});

  /// The next bytes of the body. Errors: kMultipartMalformed, kMultipartBadHeader, kMultipartHeaderTooLarge,
  /// kMultipartTooManyParts, or the sink's own; after one, all further calls give it again.
  Status push(std::span<const std::byte> bytes);
  /// The body is complete. kMultipartTruncated: without its last boundary.
  Status finish();

 private:
  enum class State { kPreamble, kData, kAfterBoundary, kPadding, kHead, kEpilogue };

  MultipartParser(std::string_view boundary, MultipartSink& sink, MultipartLimits limits)
      : sink_(&sink), limits_(limits), delimiter_("\r\n--" + std::string(boundary)) {}

  Status parse(std::string_view bytes);
  Status search(std::string_view& bytes);
  Status after_boundary(char c);
  Status head(char c);
  Status begin_part();

  MultipartSink* sink_;
  MultipartLimits limits_;
  std::string delimiter_;  ///< a line break and the boundary: only its first character is a carriage return
  Status status_;
  State state_ = State::kPreamble;
  /// Characters of the delimiter seen. At the body's start, and behind a head, the line break has already been.
  std::size_t num_matched_ = 2;
  std::size_t num_line_break_ = 2;  ///< how many of those matched are no data, should it be no delimiter
  std::string pending_;             ///< what follows a boundary, or a head
  std::size_t num_parts_ = 0;
};

/// The value of a parameter ("boundary", "name") in a header field such as `form-data; name="a"; filename="b.wav"`;
/// `value` is left alone where there is none. False when the field is malformed or has the parameter twice.
bool read_parameter(std::string_view field, std::string_view parameter, std::string& value);

/// The part of a header field before its parameters, lower case: "audio/wav".
std::string media_type(std::string_view field);

}  // namespace stenod::api
