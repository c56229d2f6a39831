#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/http.h"
#include "base/result.h"

namespace stenod::server {

/// A request's head, as far as a connection has to understand it.
struct RequestHead {
  api::HttpRequest request;           ///< without client_address, principal and path_parameters
  std::vector<std::string> segments;  ///< of the path, decoded
  std::string target;                 ///< as sent
  std::string host;                   ///< the Host field, or the authority of an absolute address
  bool is_http_1_1 = false;
  bool keep_alive = false;
  bool is_head = false;  ///< the method is HEAD: the answer has no body
  bool is_chunked = false;
  bool expects_continue = false;
};

/// Reads one HTTP/1.x request: first its head, then its body in pieces. Beast's parser reads the grammar; on top of
/// that everything is refused that two servers in a row might understand in two ways (request smuggling): bare CR or
/// LF, folded lines, repeated fields of which there can be one, both or strange lengths, transfer codings but "chunked"
/// (RFC 9112, sections 2.2, 5.2, 6 and 11.2).
class RequestParser {
 public:
  explicit RequestParser(std::size_t max_head_bytes);
  ~RequestParser();
  RequestParser(RequestParser&&) noexcept;
  RequestParser& operator=(RequestParser&&) noexcept;

  /// The size of the head, once `bytes`, everything received so far, has all of it. Errors: kBadRequest,
  /// kHeaderTooLarge.
  Result<std::optional<std::size_t>> find_head(std::string_view bytes);

  /// Reads what find_head() found. Errors: kBadRequest, kTransferCodingUnknown, kExpectationFailed.
  Result<RequestHead> parse_head(std::string_view head);

  /// Once, before the first piece; without it there can be no body.
  void set_max_body_bytes(std::uint64_t max_bytes);
  /// Takes bytes of the body from the front of `bytes`, adds what they carry to `piece`, and returns how many they
  /// were; what is left is an incomplete line between chunks, or belongs to the next request. Errors: kBadRequest,
  /// kPayloadTooLarge.
  Result<std::size_t> parse_body(std::string_view bytes, std::vector<std::byte>& piece);
  bool is_done() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stenod::server
