#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "base/ip_address.h"
#include "server/server_metrics.h"

namespace stenod::server {

/// A client's connection, whatever it speaks just now.
class Connection {
 public:
  virtual ~Connection() = default;
  /// Conclude; be gone by the deadline. Any thread.
  virtual void shut_down(std::chrono::steady_clock::time_point deadline) = 0;
  /// Nobody waits for answers any more. Any thread.
  virtual void cancel() = 0;
  /// Be gone now. Any thread.
  virtual void cut() = 0;
};

/// All connections of a server: their number, altogether and by client, and who they are. Any thread.
class ConnectionTable {
 public:
  /// One connection's place, given back when everything else of the connection is gone. The table must outlive it.
  class Place {
   public:
    enum class Kind { kClient, kProxy, kRefused };
    Place(ConnectionTable& table, const IpAddress& client, Kind kind) : table_(table), client_(client), kind_(kind) {}
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place();

   private:
    ConnectionTable& table_;
    const IpAddress client_;
    const Kind kind_;
  };
  /// Shared by what serves one connection one after the other, as the first member of each.
  using SharedPlace = std::shared_ptr<const Place>;

  ConnectionTable(std::size_t max_connections, std::size_t max_per_client, ServerMetrics& metrics)
      : max_connections_(max_connections), max_per_client_(max_per_client), metrics_(metrics) {}

  /// A place, or null where there is none. `client`: what its connections are counted by, see IpAddress::subscriber().
  /// `is_proxy`: comes for many clients.
  SharedPlace admit(const IpAddress& client, bool is_proxy);
  /// A place beyond the limits, for telling a client that there is none; only a few, null beyond them.
  SharedPlace admit_refused();

  /// Keeps the connection alive until it is removed. If the server is shutting down already, the connection is told.
  void add(const std::shared_ptr<Connection>& connection);
  void remove(const Connection* connection);

  void shut_down(std::chrono::steady_clock::time_point deadline);
  void cancel_all();
  void cut_all();
  /// Waits until all places are given back; false: not by the deadline.
  bool wait_until_empty(std::chrono::steady_clock::time_point deadline);
  std::size_t size() const;

 private:
  template <typename Call>
  void for_each(Call call);

  const std::size_t max_connections_;
  const std::size_t max_per_client_;
  ServerMetrics& metrics_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t num_places_ = 0;
  std::size_t num_refused_ = 0;
  std::map<IpAddress, std::size_t> by_client_;
  std::map<const Connection*, std::shared_ptr<Connection>> connections_;
  std::optional<std::chrono::steady_clock::time_point> deadline_;  ///< shutting down
};

}  // namespace stenod::server
