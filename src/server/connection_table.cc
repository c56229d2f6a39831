#include "server/connection_table.h"

#include <vector>

namespace stenod::server {

namespace {
/// As many clients at once are told that there is no place; further ones are just closed.
constexpr std::size_t kMaxRefusals = 64;
}  // namespace

ConnectionTable::Place::~Place() {
  table_.metrics_.connection_closed();
  const std::lock_guard lock(table_.mutex_);
  --(kind_ == Kind::kRefused ? table_.num_refused_ : table_.num_places_);
  if (kind_ == Kind::kClient) {
    const auto entry = table_.by_client_.find(client_);
    if (--entry->second == 0) table_.by_client_.erase(entry);
  }
  // Under the lock: the table may be destroyed as soon as its waiter has seen that it is empty.
  table_.changed_.notify_all();
}

ConnectionTable::SharedPlace ConnectionTable::admit(const IpAddress& client, bool is_proxy) {
  const std::lock_guard lock(mutex_);
  if (num_places_ >= max_connections_) return nullptr;
  if (!is_proxy) {
    const auto entry = by_client_.find(client);
    if (entry != by_client_.end() && max_per_client_ != 0 && entry->second >= max_per_client_) return nullptr;
    ++by_client_[client];
  }
  ++num_places_;
  metrics_.connection_opened();
  return std::make_shared<const Place>(*this, client, is_proxy ? Place::Kind::kProxy : Place::Kind::kClient);
}

ConnectionTable::SharedPlace ConnectionTable::admit_refused() {
  const std::lock_guard lock(mutex_);
  metrics_.connection_refused();
  if (num_refused_ >= kMaxRefusals) return nullptr;
  ++num_refused_;
  metrics_.connection_opened();
  return std::make_shared<const Place>(*this, IpAddress(), Place::Kind::kRefused);
}

void ConnectionTable::add(const std::shared_ptr<Connection>& connection) {
  std::optional<std::chrono::steady_clock::time_point> deadline;
  {
    const std::lock_guard lock(mutex_);
    connections_[connection.get()] = connection;
    deadline = deadline_;
  }
  if (deadline) connection->shut_down(*deadline);
}

void ConnectionTable::remove(const Connection* connection) {
  std::shared_ptr<Connection> removed;  // goes when the lock is free
  const std::lock_guard lock(mutex_);
  const auto entry = connections_.find(connection);
  if (entry == connections_.end()) return;
  removed = std::move(entry->second);
  connections_.erase(entry);
}

template <typename Call>
void ConnectionTable::for_each(Call call) {
  std::vector<std::shared_ptr<Connection>> connections;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& entry : connections_) connections.push_back(entry.second);
  }
  for (const auto& connection : connections) call(*connection);
}

void ConnectionTable::shut_down(std::chrono::steady_clock::time_point deadline) {
  {
    const std::lock_guard lock(mutex_);
    deadline_ = deadline;
  }
  for_each([&](Connection& connection) { connection.shut_down(deadline); });
}
void ConnectionTable::cancel_all() {
  for_each([](Connection& connection) { connection.cancel(); });
}
void ConnectionTable::cut_all() {
  for_each([](Connection& connection) { connection.cut(); });
}

bool ConnectionTable::wait_until_empty(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, deadline, [this] { return num_places_ + num_refused_ == 0; });
}

std::size_t ConnectionTable::size() const {
  const std::lock_guard lock(mutex_);
  return num_places_;
}

}  // namespace stenod::server
