#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "api/multipart.h"

// The first byte says how the body is cut, the second how long the Content-Type is that follows; the rest is the body.

namespace {

using stenod::Status;

/// What a parser has told, in a form that does not depend on the sizes of data.
class Record : public stenod::api::MultipartSink {
 public:
  Status on_part(const stenod::api::MultipartPart& part) override {
    expect(!in_part_);
    in_part_ = true;
    text_ += "part " + part.name + '\0' + part.filename + '\0' + part.content_type + '\0';
    return {};
  }
  Status on_data(std::string_view bytes) override {
    expect(in_part_ && !bytes.empty());
    text_ += bytes;
    return {};
  }
  Status on_part_end() override {
    expect(in_part_);
    in_part_ = false;
    text_ += "end";
    return {};
  }
  void status(const Status& status) {
    text_ += status ? "ok" : status.error().message;
    if (status) expect(!in_part_);
  }
  const std::string& text() const { return text_; }

 private:
  static void expect(bool right) {
    if (!right) __builtin_trap();
  }
  bool in_part_ = false;
  std::string text_;
};

std::string parse(std::string_view content_type, std::span<const std::byte> body, std::size_t piece) {
  Record record;
  auto parser = stenod::api::MultipartParser::create(content_type, record, {.max_parts = 4, .max_header_bytes = 100});
  if (!parser) return parser.error().message;
  Status status;
  while (status && !body.empty()) {
    const auto now = body.first(std::min(piece, body.size()));
    status = parser->push(now);
    body = body.subspan(now.size());
  }
  record.status(status ? parser->finish() : status);
  return record.text();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::size_t piece = 1 + data[0] % 32;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 2, size - 2);
  // Mostly a good Content-Type with a short boundary, which can be found by chance.
  const bool own_type = data[1] >= 0x80;
  const std::string_view content_type =
      own_type ? rest.substr(0, data[1] & 0x7f) : std::string_view("multipart/form-data; boundary=b");
  const auto body = std::as_bytes(std::span(rest.substr(own_type ? content_type.size() : 0)));
  const std::string whole = parse(content_type, body, body.size() + 1);
  if (parse(content_type, body, piece) != whole || parse(content_type, body, 1) != whole) __builtin_trap();
  return 0;
}
