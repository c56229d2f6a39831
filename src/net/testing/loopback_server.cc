#include "net/testing/loopback_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>
#include <stdexcept>
#include <string_view>

namespace stenod::net::testing {
namespace {

constexpr int kPollMs = 20;

bool readable(int fd) {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, kPollMs) > 0;
}

}  // namespace

LoopbackServer::LoopbackServer(Handler handler) : handler_(std::move(handler)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 32) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("the test's server can't listen");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { run(); });
}

LoopbackServer::~LoopbackServer() {
  stopping_ = true;
  thread_.join();
  ::close(listener_);
}

std::string LoopbackServer::url(const std::string& path) const {
  return "http://127.0.0.1:" + std::to_string(port_) + path;
}

std::vector<ServedRequest> LoopbackServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void LoopbackServer::run() {
  while (!stopping_) {
    if (!readable(listener_)) continue;
    const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    connections_.emplace_back([this, connection] {
      serve(connection);
      ::close(connection);
    });
  }
  for (auto& connection : connections_) connection.join();
}

void LoopbackServer::serve(int connection) {
  std::string text;
  while (text.find("\r\n\r\n") == std::string::npos) {
    if (stopping_) return;
    if (!readable(connection)) continue;
    char buffer[4096];
    const ssize_t n = ::recv(connection, buffer, sizeof(buffer), 0);
    if (n <= 0) return;
    text.append(buffer, static_cast<std::size_t>(n));
  }
  ServedRequest request;
  std::istringstream in(text);
  std::string line;
  in >> line >> request.path;
  std::getline(in, line);
  while (std::getline(in, line) && line != "\r") {
    const auto colon = line.find(": ");
    if (colon == std::string::npos) continue;
    std::string name = line.substr(0, colon);
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    request.headers[name] = line.substr(colon + 2, line.size() - colon - 3);
  }
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
  }
  const Answer answer = [&] {
    const std::lock_guard lock(handler_mutex_);
    return handler_(request);
  }();
  std::string out = "HTTP/1.1 " + std::to_string(answer.status) + " Test\r\nConnection: close\r\n";
  bool has_encoding = false;
  for (const auto& header : answer.headers) {
    out += header + "\r\n";
    has_encoding |= header.starts_with("Transfer-Encoding");
  }
  const auto length = answer.content_length >= 0 ? answer.content_length : static_cast<long long>(answer.body.size());
  if (!has_encoding) out += "Content-Length: " + std::to_string(length) + "\r\n";
  out += "\r\n";
  out += answer.stall_after >= 0 ? answer.body.substr(0, static_cast<std::size_t>(answer.stall_after)) : answer.body;
  for (std::size_t sent = 0; sent < out.size();) {
    const ssize_t n = ::send(connection, out.data() + sent, out.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) return;
    sent += static_cast<std::size_t>(n);
  }
  // A stall lasts until the client gives up.
  while (answer.stall_after >= 0 && !stopping_ && !readable(connection)) continue;
}

Answer serve_range(const ServedRequest& request, const std::string& content) {
  const auto range = request.headers.find("range");
  if (range == request.headers.end()) return {.body = content};
  const std::string bounds = range->second.substr(std::string_view("bytes=").size());
  const std::size_t first = std::stoull(bounds);
  if (first >= content.size()) return {.status = 416};
  const std::string end = bounds.substr(bounds.find('-') + 1);
  const std::size_t last =
      end.empty() ? content.size() - 1 : std::min<std::size_t>(std::stoull(end), content.size() - 1);
  return {.status = 206,
          .headers = {"Content-Range: bytes " + std::to_string(first) + "-" + std::to_string(last) + "/" +
                      std::to_string(content.size())},
          .body = content.substr(first, last + 1 - first)};
}

}  // namespace stenod::net::testing
