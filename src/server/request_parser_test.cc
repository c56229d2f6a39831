#include "server/request_parser.h"

#include <gtest/gtest.h>

namespace stenod::server {
namespace {

constexpr std::size_t kMaxHead = 16 * 1024;

/// The head of a request, or the error.
Result<RequestHead> parse(std::string_view bytes) {
  RequestParser parser(kMaxHead);
  const auto size = parser.find_head(bytes);
  if (!size) return size.error();
  if (!*size) return Error{ErrorCode::kCancelled, "it is not complete"};
  return parser.parse_head(bytes.substr(0, **size));
}

std::string_view code_of(const Result<RequestHead>& result) {
  return result.ok() ? "ok" : error_name(result.error().code);
}

std::string request(std::string_view fields) {
  return "POST /a HTTP/1.1\r\nHost: h\r\n" + std::string(fields) + "\r\n";
}

TEST(RequestHead, IsReadWhole) {
  const auto head = parse(
      "POST /a%20b/c?x=1&y=%C3%A4+z HTTP/1.1\r\nHost: example.org:80\r\nContent-Length: 12\r\n"
      "Expect: 100-continue\r\nX-Twice: 1\r\nx-twice: 2\r\n\r\n");
  ASSERT_TRUE(head.ok()) << head.error().message;
  EXPECT_EQ(head->request.method, "POST");
  EXPECT_EQ(head->request.path, "/a b/c");
  EXPECT_EQ(head->segments, (std::vector<std::string>{"a b", "c"}));
  EXPECT_EQ(head->request.query, (api::Fields{{"x", "1"}, {"y", "ä z"}}));
  EXPECT_EQ(head->request.content_length, 12);
  EXPECT_EQ(head->request.headers.size(), 5u);
  EXPECT_EQ(head->host, "example.org:80");
  EXPECT_TRUE(head->is_http_1_1);
  EXPECT_TRUE(head->keep_alive);
  EXPECT_TRUE(head->expects_continue);
  EXPECT_FALSE(head->is_chunked);
}

TEST(RequestHead, KeepsTheConnectionAsTheVersionAndTheFieldSay) {
  EXPECT_TRUE(parse("GET / HTTP/1.1\r\nHost: h\r\n\r\n")->keep_alive);
  EXPECT_FALSE(parse("GET / HTTP/1.1\r\nHost: h\r\nConnection: x, Close\r\n\r\n")->keep_alive);
  EXPECT_FALSE(parse("GET / HTTP/1.0\r\n\r\n")->keep_alive);
}

TEST(RequestHead, AddressMayNameTheHost) {
  const auto head = parse("GET http://other:81/x?y HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(head.ok());
  EXPECT_EQ(head->host, "other:81");
  EXPECT_EQ(head->request.path, "/x");
}

// Whatever two servers in a row could understand in two ways is refused.
TEST(RequestHead, AmbiguousFramingIsRefused) {
  EXPECT_EQ(code_of(parse(request("Content-Length: 1\r\nContent-Length: 1\r\n"))), "bad_request");
  EXPECT_EQ(code_of(parse(request("Content-Length: 1\r\nContent-Length: 2\r\n"))), "bad_request");
  EXPECT_EQ(code_of(parse(request("Content-Length: 1, 1\r\n"))), "bad_request");
  EXPECT_EQ(code_of(parse(request("Content-Length: +1\r\n"))), "bad_request");
  EXPECT_EQ(code_of(parse(request("Content-Length: -1\r\n"))), "bad_request");
  EXPECT_EQ(code_of(parse(request("Content-Length: 0x1\r\n"))), "bad_request");
  EXPECT_EQ(code_of(parse(request("Content-Length: \r\n"))), "bad_request");
  EXPECT_EQ(code_of(parse(request("Content-Length: 99999999999999999999\r\n"))), "bad_request");
  EXPECT_EQ(code_of(parse(request("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"))), "bad_request");
  EXPECT_EQ(code_of(parse(request("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n"))), "bad_request");
  EXPECT_EQ(code_of(parse(request("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"))), "bad_request");
  EXPECT_EQ(code_of(parse(request("Transfer-Encoding: gzip\r\nContent-Length: 1\r\n"))), "bad_request");
  EXPECT_EQ(code_of(parse("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n")), "bad_request");
  for (const char* coding : {"gzip", "gzip, chunked", "chunked, gzip", "identity", "xchunked", "\"chunked\"", ""}) {
    EXPECT_EQ(code_of(parse(request("Transfer-Encoding: " + std::string(coding) + "\r\n"))), "transfer_coding_unknown")
        << coding;
  }
  EXPECT_TRUE(parse(request("Transfer-Encoding: Chunked\r\n"))->is_chunked);
}

TEST(RequestHead, MalformedLinesAreRefused) {
  for (const char* bytes : {
           "GET / HTTP/1.1\nHost: h\n\n",                    // bare LF
           "GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n",        // one of them
           "GET / HTTP/1.1\rHost: h\r\r",                    // bare CR
           "GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n",   // obs-fold
           "GET / HTTP/1.1\r\nHost: h\r\n\tfolded\r\n\r\n",  //
           "GET / HTTP/1.1\r\n Host: h\r\n\r\n",             // white space before the first field
           "GET / HTTP/1.1\r\nHost: h\r\nX : y\r\n\r\n",     // before the colon
           "GET / HTTP/1.1\r\nHost: h\r\n: y\r\n\r\n",       // no name
           "GET / HTTP/1.1\r\nHost: h\r\nnonsense\r\n\r\n",  // no colon
           "GET / HTTP/1.1\r\nHost: h\r\nX: a\x01\r\n\r\n",  // control characters
           "GET / HTTP/1.1\r\nHost: h\r\nX: a\x7f\r\n\r\n",  //
           "GET /\x7f HTTP/1.1\r\nHost: h\r\n\r\n",          //
           "GET  / HTTP/1.1\r\nHost: h\r\n\r\n",             // two spaces
           "GET / HTTP/1.1 \r\nHost: h\r\n\r\n",             //
           "GET /\r\nHost: h\r\n\r\n",                       // HTTP/0.9
           "GET / HTTP/2.0\r\nHost: h\r\n\r\n",              // other versions
           "GET / HTTP/1.2\r\nHost: h\r\n\r\n",              //
           "GET / http/1.1\r\nHost: h\r\n\r\n",              //
           "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",               // the preface of HTTP/2
           "G(T / HTTP/1.1\r\nHost: h\r\n\r\n",              // not a method
           "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n",       // authority form
           "GET nothing HTTP/1.1\r\nHost: h\r\n\r\n",        //
           "GET http:// HTTP/1.1\r\nHost: h\r\n\r\n",        //
           "GET / HTTP/1.1\r\n\r\n",                         // no Host
           "GET / HTTP/1.1\r\nHost: h\r\nhost: i\r\n\r\n",   // two
           "GET / HTTP/1.1\r\nHost: h\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: h\r\nX-API-Key: a\r\nX-Api-Key: b\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: h\r\nOrigin: a\r\nOrigin: b\r\n\r\n",
           "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  // TLS on a plain port
       }) {
    EXPECT_EQ(code_of(parse(bytes)), "bad_request") << bytes;
  }
  EXPECT_EQ(code_of(parse(std::string_view("GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n", 36))), "bad_request");
  EXPECT_EQ(code_of(parse(request("Expect: 200-ok\r\n"))), "expectation_failed");
}

TEST(RequestHead, HasAMaximumSize) {
  const std::string start = "GET / HTTP/1.1\r\nHost: h\r\nX: ";
  const auto with_size = [&](std::size_t size) {
    return start + std::string(size - start.size() - 4, 'x') + "\r\n\r\n";
  };
  EXPECT_EQ(code_of(parse(with_size(kMaxHead))), "ok");
  EXPECT_EQ(code_of(parse(with_size(kMaxHead + 1))), "header_too_large");
  EXPECT_EQ(code_of(parse(std::string(kMaxHead + 1, 'A'))), "header_too_large");
}

TEST(RequestHead, MayArriveInAnyPieces) {
  const std::string bytes = request("Content-Length: 3\r\n") + "abc";
  for (std::size_t step = 1; step <= bytes.size(); ++step) {
    RequestParser parser(kMaxHead);
    std::optional<std::size_t> size;
    std::size_t received = 0;
    while (!size) {
      received = std::min(received + step, bytes.size());
      const auto found = parser.find_head(std::string_view(bytes).substr(0, received));
      ASSERT_TRUE(found.ok());
      size = *found;
    }
    EXPECT_EQ(*size, bytes.size() - 3);
    ASSERT_TRUE(parser.parse_head(std::string_view(bytes).substr(0, *size)).ok());
    EXPECT_FALSE(parser.is_done());
  }
}

/// A body that arrives `step` bytes at a time: what it carries, or the error's name; what follows it is left over.
struct Body {
  std::string text;
  std::string rest;
};
Body read_body(std::string_view fields, std::string_view bytes, std::size_t step, std::uint64_t max_bytes = 1000) {
  RequestParser parser(kMaxHead);
  const std::string head = request(fields);
  EXPECT_TRUE(parser.find_head(head)->has_value());
  EXPECT_TRUE(parser.parse_head(head).ok());
  parser.set_max_body_bytes(max_bytes);
  Body body;
  std::string waiting;
  while (!parser.is_done()) {
    if (bytes.empty()) return {"incomplete", ""};
    waiting += bytes.substr(0, step);
    bytes.remove_prefix(std::min(step, bytes.size()));
    std::vector<std::byte> piece;
    const auto size = parser.parse_body(waiting, piece);
    if (!size) return {std::string(error_name(size.error().code)), ""};
    waiting.erase(0, *size);
    body.text.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  }
  body.rest = waiting + std::string(bytes);
  return body;
}

constexpr std::string_view kChunked = "Transfer-Encoding: chunked\r\n";

TEST(RequestBody, OfKnownLengthEndsThere) {
  for (const std::size_t step : {1, 2, 3, 100}) {
    const Body body = read_body("Content-Length: 5\r\n", "helloGET /", step);
    EXPECT_EQ(body.text, "hello");
    EXPECT_EQ(body.rest, "GET /");
  }
  EXPECT_EQ(read_body("Content-Length: 6\r\n", "hello", 2).text, "incomplete");
  EXPECT_EQ(read_body("Content-Length: 6\r\n", "hello!", 2, 5).text, "payload_too_large");
}

TEST(RequestBody, OfChunksIsPutTogether) {
  for (const std::size_t step : {1, 2, 3, 5, 7, 100}) {
    const Body body = read_body(
        kChunked, "5;name=value\r\nhello\r\n1\r\n \r\n00A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nGET /", step);
    EXPECT_EQ(body.text, "hello 0123456789") << step;
    EXPECT_EQ(body.rest, "GET /") << step;
  }
}

TEST(RequestBody, OfChunksIsLimited) {
  EXPECT_EQ(read_body(kChunked, "5\r\nhello\r\n0\r\n\r\n", 3, 5).text, "hello");
  EXPECT_EQ(read_body(kChunked, "5\r\nhello\r\n0\r\n\r\n", 3, 4).text, "payload_too_large");
  EXPECT_EQ(read_body(kChunked, "3\r\nabc\r\n3\r\nabc\r\n0\r\n\r\n", 3, 5).text, "payload_too_large");
  // The size alone is enough, before any of the chunk has arrived.
  EXPECT_EQ(read_body(kChunked, "fffffff\r\n", 100).text, "payload_too_large");
  EXPECT_EQ(read_body(kChunked, "ffffffffffffffff\r\n", 100).text, "payload_too_large");
}

TEST(RequestBody, OfMalformedChunksIsRefused) {
  for (const char* bytes : {
           "x\r\n",
           "\r\n",
           "-1\r\nx\r\n",
           "0x1\r\nx\r\n\r\n",
           "5\nhello\r\n",
           "1\r\nxy\r\n0\r\n\r\n",
           "11111111111111111\r\n",      // 17 digits
           "5 5\r\nhello\r\n0\r\n\r\n",  //
           "1;\x01\r\nx\r\n0\r\n\r\n",   //
           "1\rx\r\nx\r\n0\r\n\r\n",     //
           "1\r\nx\r\n0\r\nbad trailer\r\n\r\n",
       }) {
    EXPECT_EQ(read_body(kChunked, bytes, 100).text, "bad_request") << bytes;
  }
  EXPECT_EQ(read_body(kChunked, "1;" + std::string(10'000, 'a') + "\r\nx\r\n0\r\n\r\n", 1000).text, "bad_request");
  EXPECT_EQ(read_body(kChunked, "0\r\nX: " + std::string(10'000, 'a') + "\r\n\r\n", 1000).text, "bad_request");
}

}  // namespace
}  // namespace stenod::server
