#pragma once

#include <array>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <memory>

#include "server/connection_table.h"
#include "server/context.h"
#include "server/stream.h"

namespace stenod::server {

/// Ends a connection so that the client gets everything that was sent to it: says that no more comes, throws away what
/// still arrives, within limits, and closes when the client has closed. Closing at once, with bytes unread, would make
/// the kernel reset the connection and the client lose the answer (RFC 9112, section 9.6).
///
/// Lives on the stream's strand; keeps itself alive.
class LingeringClose : public Connection, public std::enable_shared_from_this<LingeringClose> {
 public:
  /// Call on the strand, with no operation pending on the stream.
  static void start(ConnectionTable::SharedPlace place, Stream stream, ServerContext& context);

  LingeringClose(ConnectionTable::SharedPlace place, Stream stream, ServerContext& context);

  void shut_down(std::chrono::steady_clock::time_point deadline) override;
  void cancel() override {}
  void cut() override;

 private:
  void run();
  void close_after(std::chrono::milliseconds time);
  void on_tls_closed();
  void read();
  void on_read(beast::error_code error, std::size_t size);
  void close();

  ConnectionTable::SharedPlace place_;
  ServerContext& context_;
  Stream stream_;
  asio::steady_timer timer_;
  std::uint64_t discarded_bytes_ = 0;
  std::array<char, 16 * 1024> discarded_;
};

}  // namespace stenod::server
