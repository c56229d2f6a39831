#include "api/multipart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace stenod::api {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

struct Part {
  MultipartPart head;
  std::string data;
  bool ended = false;
};

class Recorder : public MultipartSink {
 public:
  Status on_part(const MultipartPart& part) override {
    parts.push_back({part, {}, false});
    return part_status;
  }
  Status on_data(std::string_view bytes) override {
    EXPECT_FALSE(bytes.empty());
    EXPECT_FALSE(parts.back().ended);
    parts.back().data += bytes;
    return data_status;
  }
  Status on_part_end() override {
    parts.back().ended = true;
    return end_status;
  }

  std::vector<Part> parts;
  Status part_status, data_status, end_status;
};

constexpr std::string_view kType = "multipart/form-data; boundary=xYz";

struct Parsed {
  std::string code = "ok";
  std::string message;
  std::vector<Part> parts;
};

Parsed parse(std::string_view body, std::size_t piece = 1 << 20, std::string_view type = kType,
             MultipartLimits limits = {}) {
  Recorder recorder;
  auto parser = MultipartParser::create(type, recorder, limits);
  Status status = parser ? Status() : Status(parser.error());
  for (std::size_t at = 0; status && at < body.size(); at += piece) {
    status = parser->push(std::as_bytes(std::span(body.substr(at, piece))));
  }
  if (status) status = parser->finish();
  Parsed parsed;
  parsed.parts = std::move(recorder.parts);
  if (!status) {
    parsed.code = error_name(status.error().code);
    parsed.message = status.error().message;
  }
  return parsed;
}

std::string part(std::string_view head, std::string_view data) {
  return "--xYz\r\n" + std::string(head) + "\r\n\r\n" + std::string(data) + "\r\n";
}
std::string form(std::string_view head, std::string_view data = "value") { return part(head, data) + "--xYz--\r\n"; }
constexpr std::string_view kHead = "Content-Disposition: form-data; name=\"a\"";

TEST(Multipart, ReadsWhatBrowsersSend) {
  const std::string body = part("Content-Disposition: form-data; name=\"language\"", "en") +
                           part(
                               "Content-Disposition: form-data; name=\"audio\"; filename=\"talk \xC3\xA9.wav\"\r\n"
                               "Content-Type: audio/wav",
                               std::string("RIFF\0\r\n--xY\r\r\n-\n", 16)) +
                           part("content-disposition:form-data;name=empty", "") + "--xYz--\r\n";
  const Parsed parsed = parse(body);
  EXPECT_EQ(parsed.code, "ok") << parsed.message;
  ASSERT_THAT(parsed.parts, SizeIs(3));
  EXPECT_EQ(parsed.parts[0].head.name, "language");
  EXPECT_EQ(parsed.parts[0].head.filename, "");
  EXPECT_EQ(parsed.parts[0].head.content_type, "");
  EXPECT_EQ(parsed.parts[0].data, "en");
  EXPECT_EQ(parsed.parts[1].head.name, "audio");
  EXPECT_EQ(parsed.parts[1].head.filename, "talk \xC3\xA9.wav");
  EXPECT_EQ(parsed.parts[1].head.content_type, "audio/wav");
  EXPECT_EQ(parsed.parts[1].data, std::string("RIFF\0\r\n--xY\r\r\n-\n", 16));
  EXPECT_EQ(parsed.parts[2].head.name, "empty");
  EXPECT_EQ(parsed.parts[2].data, "");
  for (const Part& one : parsed.parts) EXPECT_TRUE(one.ended);
}

TEST(Multipart, HowTheBodyIsCutChangesNothing) {
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    // Data that are full of beginnings of the boundary.
    const auto tricky = [&random] {
      static constexpr std::string_view kBits[] = {"\r",      "\n",       "\r\n", "\r\n-", "\r\n--",
                                                   "\r\n--x", "\r\n--xY", "-",    "Z"};
      std::string data;
      for (unsigned i = random() % 12; i > 0; --i) data += kBits[random() % std::size(kBits)];
      return data;
    };
    std::string expected_data[2] = {tricky(), tricky()};
    std::string body = round % 2 == 0 ? "" : "preamble\r\n";
    for (const auto& data : expected_data) body += part(kHead, data);
    body += round % 3 == 0 ? "--xYz--" : "--xYz--\r\nepilogue --xYz\r\n";
    for (const std::size_t piece : {1, 2, 3, 5, 7, 64, 100000}) {
      const Parsed parsed = parse(body, piece);
      ASSERT_EQ(parsed.code, "ok") << parsed.message;
      ASSERT_THAT(parsed.parts, SizeIs(2));
      for (std::size_t i = 0; i < 2; ++i) ASSERT_EQ(parsed.parts[i].data, expected_data[i]) << "cut by " << piece;
    }
  }
}

TEST(Multipart, OddButRightForms) {
  EXPECT_THAT(parse("--xYz--").parts, SizeIs(0));
  EXPECT_EQ(parse("--xYz--").code, "ok");
  EXPECT_EQ(parse("\r\n--xYz--").code, "ok");
  EXPECT_EQ(parse("anything\r\n--xYz--anything").code, "ok");
  // Padding behind a boundary, and a part whose data the next boundary follows at once.
  const Parsed padded = parse("--xYz \t \r\n" + std::string(kHead) + "\r\n\r\n--xYz--");
  EXPECT_EQ(padded.code, "ok") << padded.message;
  ASSERT_THAT(padded.parts, SizeIs(1));
  EXPECT_EQ(padded.parts[0].data, "");
  // Only a line that starts with the boundary is one.
  EXPECT_EQ(parse(form(kHead, "a--xYz--b")).parts[0].data, "a--xYz--b");
  EXPECT_EQ(parse(form(kHead, "\n--xYz\r\n")).parts[0].data, "\n--xYz\r\n");
  EXPECT_EQ(parse("x--xYz--").code, "multipart_truncated");
}

TEST(Multipart, Boundaries) {
  const auto code = [](const std::string& parameters) {
    return parse("--xYz--", 100, "multipart/form-data" + parameters).code;
  };
  EXPECT_EQ(code("; boundary=xYz"), "ok");
  EXPECT_EQ(code(";boundary=\"xYz\""), "ok");
  EXPECT_EQ(code("; charset=utf-8; BOUNDARY=xYz ;"), "ok");
  EXPECT_EQ(code(""), "multipart_bad_boundary");
  EXPECT_EQ(code("; boundary="), "multipart_bad_boundary");
  EXPECT_EQ(code("; boundary=\"\""), "multipart_bad_boundary");
  EXPECT_EQ(code("; boundary=\"xYz"), "multipart_bad_boundary");
  EXPECT_EQ(code("; boundary=xYz; boundary=abc"), "multipart_bad_boundary");
  EXPECT_EQ(code("; boundary"), "multipart_bad_boundary");
  EXPECT_EQ(code("; boundary xYz"), "multipart_bad_boundary");
  EXPECT_EQ(code("; boundary=xYz; charset"), "multipart_bad_boundary");
  EXPECT_EQ(code("; boundary=\"x\"z"), "multipart_bad_boundary");
  EXPECT_EQ(code("; boundary=\"x \""), "multipart_bad_boundary");
  EXPECT_EQ(code("; boundary=x;=y"), "multipart_bad_boundary");
  for (const char* bad : {"x\ry", "x\ny", "x\tyz", "x*", "\xC3\xA9", "x{", "x@"}) {
    EXPECT_EQ(code("; boundary=\"" + std::string(bad) + "\""), "multipart_bad_boundary") << bad;
  }
  for (const char* good : {"----WebKitFormBoundary7MA4YWxkTrZu0gW", "a b", "'()+_,-./:=?", "9"}) {
    const std::string boundary(good);
    EXPECT_EQ(parse("--" + boundary + "--", 100, "multipart/form-data; boundary=\"" + boundary + "\"").code, "ok");
  }
  const std::string longest(70, 'b');
  EXPECT_EQ(parse("--" + longest + "--", 3, "multipart/form-data; boundary=" + longest).code, "ok");
  EXPECT_EQ(parse("--" + longest + "b--", 3, "multipart/form-data; boundary=b" + longest).code,
            "multipart_bad_boundary");
  for (const char* type : {"", "text/plain; boundary=xYz", "multipart/mixed; boundary=xYz", "multipart/form-dat"}) {
    EXPECT_EQ(parse("--xYz--", 100, type).code, "unsupported_media_type") << type;
  }
}

TEST(Multipart, WhatFollowsABoundary) {
  const std::string rest = "\r\n" + std::string(kHead) + "\r\n\r\nv\r\n--xYz--";
  EXPECT_EQ(parse("--xYz" + rest).code, "ok");
  for (const char* bad : {"x", "-", "-x", "\r", "\rx", "\n", " x", " -", " --", "\t\rx", "z"}) {
    EXPECT_EQ(parse("--xYz" + std::string(bad) + rest).code, "multipart_malformed") << bad;
  }
  EXPECT_EQ(parse(form(kHead, "v\r\n--xYzz")).code, "multipart_malformed");
}

TEST(Multipart, Truncated) {
  const std::string whole = form(kHead);
  const std::size_t end = whole.size() - 2;  // the line break behind the last boundary may be missing
  EXPECT_EQ(parse(whole.substr(0, end)).code, "ok");
  for (std::size_t size = 0; size < end; ++size) {
    EXPECT_EQ(parse(whole.substr(0, size)).code, "multipart_truncated") << size;
  }
}

TEST(Multipart, Heads) {
  const auto code = [](std::string_view head) { return parse(form(head)).code; };
  EXPECT_EQ(code(kHead), "ok");
  EXPECT_EQ(code("X-Other: 1\r\nContent-Disposition: form-data; name=a\r\nContent-Type: text/plain"), "ok");
  EXPECT_EQ(code("Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: 8BIT"), "ok");
  for (const char* bad :
       {"Content-Type: text/plain",                        // no disposition
        "Content-Disposition: attachment; name=a",         // no form's
        "Content-Disposition: form-data",                  // no name
        "Content-Disposition: form-data; name=\"\"",       // nor here
        "Content-Disposition: form-data; filename=a",      // nor here
        "Content-Disposition: form-data; name=\"a",        // no end of the quotes
        "Content-Disposition: form-data; name=a; name=b",  // two names
        "Content-Disposition: form-data; name=a; filename=b; filename=c",
        "Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b",
        "Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64",
        "Content-Disposition: form-data; name=a\r\n folded: line", "Content-Disposition: form-data; name=a\r\nno colon",
        "Content-Disposition : form-data; name=a", "Content-Disposition: form-data; name=a\r\n: x",
        "Content-Disposition: form-data; name=a\nX: y", "Content-Disposition: form-data; name=\"a\x01\"",
        "Content-Disposition: form-data; name=\"a\x7f\"", "Content-Disposition: form-data; name=a\r\nX: \rb"}) {
    EXPECT_EQ(code(bad), "multipart_bad_header") << bad;
  }
  EXPECT_EQ(code(std::string("Content-Disposition: form-data; name=\"a\0\"", 41)), "multipart_bad_header");
  EXPECT_EQ(parse("--xYz\r\n\r\nvalue\r\n--xYz--").code, "multipart_bad_header") << "no head at all";
  EXPECT_THAT(parse(part(kHead, "") + form("X: y")).message, HasSubstr("part 2"));
}

TEST(Multipart, QuotesInNames) {
  const auto filename = [](std::string_view text) {
    const Parsed parsed = parse(form("Content-Disposition: form-data; name=a; filename=" + std::string(text)));
    return parsed.parts.empty() ? parsed.code : parsed.parts[0].head.filename;
  };
  EXPECT_EQ(filename("\"a\\\"b.wav\""), "a\"b.wav");
  EXPECT_EQ(filename("\"a\\\\b.wav\""), "a\\b.wav");
  EXPECT_EQ(filename("\"C:\\talk.wav\""), "C:\\talk.wav");
  EXPECT_EQ(filename("\"a;b=c.wav\""), "a;b=c.wav");
  EXPECT_EQ(filename("\"a%22b.wav\""), "a%22b.wav");
  EXPECT_EQ(filename("a b.wav"), "a b.wav");
}

TEST(Multipart, Limits) {
  MultipartLimits limits;
  limits.max_parts = 2;
  const std::string one = part(kHead, "v");
  EXPECT_EQ(parse(one + one + "--xYz--", 9, kType, limits).code, "ok");
  EXPECT_EQ(parse(one + one + one + "--xYz--", 9, kType, limits).code, "multipart_too_many_parts");
  limits.max_header_bytes = kHead.size() + 4;
  EXPECT_EQ(parse(form(kHead), 9, kType, limits).code, "ok");
  EXPECT_EQ(parse(form(std::string(kHead) + ";"), 9, kType, limits).code, "multipart_header_too_large");
  EXPECT_EQ(parse("--xYz\r\n" + std::string(100, 'a'), 9, kType, limits).code, "multipart_header_too_large")
      << "before its end has come";
}

TEST(Multipart, TheSinksErrorsEndIt) {
  const Error error{ErrorCode::kDiskFull, "full", ""};
  for (int i = 0; i < 3; ++i) {
    Recorder recorder;
    (i == 0 ? recorder.part_status : i == 1 ? recorder.data_status : recorder.end_status) = error;
    auto parser = MultipartParser::create(kType, recorder);
    ASSERT_TRUE(parser);
    const std::string body = form(kHead);
    const auto bytes = std::as_bytes(std::span(body));
    for (const auto& status : {parser->push(bytes), parser->push(bytes), parser->finish()}) {
      ASSERT_FALSE(status);
      EXPECT_EQ(status.error().code, ErrorCode::kDiskFull);
    }
    EXPECT_THAT(recorder.parts, SizeIs(1)) << "nothing more is read after an error";
  }
}

TEST(Multipart, ASinksErrorEndsAlsoWhatAnEarlierPieceBegan) {
  Recorder recorder;
  recorder.data_status = Error{ErrorCode::kDiskFull, "full", ""};
  auto parser = MultipartParser::create(kType, recorder);
  ASSERT_TRUE(parser);
  const std::string body = part(kHead, "\r\nab");
  for (const char& c : body) {
    if (!parser->push(std::as_bytes(std::span(&c, 1)))) break;
  }
  ASSERT_THAT(recorder.parts, SizeIs(1));
  EXPECT_EQ(recorder.parts[0].data, "\r\n");
}

TEST(Multipart, FalseStartsDoNotCutTheData) {
  // Millions of calls for one upload would be a way to keep a server busy.
  class Counter : public Recorder {
   public:
    Status on_data(std::string_view bytes) override {
      ++num_calls;
      return Recorder::on_data(bytes);
    }
    int num_calls = 0;
  };
  std::string data;
  for (int i = 0; i < 1000; ++i) data += "\r\n--";
  Counter counter;
  auto parser = MultipartParser::create(kType, counter);
  ASSERT_TRUE(parser);
  const std::string body = form(kHead, data);
  ASSERT_TRUE(parser->push(std::as_bytes(std::span(body))));
  EXPECT_EQ(counter.parts.at(0).data, data);
  EXPECT_LE(counter.num_calls, 2);
}

TEST(Multipart, MediaTypes) {
  EXPECT_EQ(media_type("Audio/WAV; codec=1"), "audio/wav");
  EXPECT_EQ(media_type("  audio/wav\t"), "audio/wav");
  EXPECT_EQ(media_type(""), "");
}

}  // namespace
}  // namespace stenod::api
