#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "api/http.h"

namespace stenod::server::testing {

/// A client for tests that sends exactly the bytes it is told to, good or bad, plain or in TLS, over the loopback
/// interface. Blocking; nothing waits longer than the time-out. One thread, but sending and receiving may be two.
class RawClient {
 public:
  struct Options {
    bool tls = false;
    int receive_buffer_bytes = 0;      ///< 0: the system's
    std::string source = "127.0.0.1";  ///< also 127.0.0.2, …
    std::chrono::milliseconds timeout{20'000};
  };
  struct Response {
    int status = 0;  ///< 0: none came
    api::Fields headers;
    std::string body;  ///< chunks put together
    bool is_whole = false;

    std::string_view field(std::string_view name) const { return api::find_field(headers, name); }
  };
  struct Frame {
    int opcode = -1;  ///< -1: none came
    bool fin = false;
    std::string payload;

    int close_code() const;
  };
  enum Opcode { kContinuation = 0, kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10 };

  explicit RawClient(std::uint16_t port);
  RawClient(std::uint16_t port, const Options& options);
  ~RawClient();
  RawClient(RawClient&&) noexcept;

  bool is_connected() const;

  /// False: the server has closed, or took too long.
  bool send(std::string_view bytes);
  void end_sending();
  void reset();  ///< leaves without goodbye (RST)

  /// Up to `size` bytes; empty at the end of the stream or after the time-out.
  std::string receive(std::size_t size);
  /// Waits for the end of the stream; false: it did not come. Throws away what comes before.
  bool is_closed_by_server();
  Response read_response(bool is_head_request = false);
  /// A request without body, and its answer.
  Response get(std::string_view path, std::string_view extra_fields = {}, std::string_view method = "GET");

  Response upgrade(std::string_view path, std::string_view extra_fields = {});
  bool send_frame(int opcode, std::string_view payload, bool fin = true);
  /// The next frame of any kind.
  Frame read_frame();
  /// The next frame that is no ping (answered) and no pong.
  Frame read_message();

  std::string peer_certificate_name() const;  ///< TLS: its common name

 private:
  struct Impl;
  bool fill();
  std::unique_ptr<Impl> impl_;
};

}  // namespace stenod::server::testing
