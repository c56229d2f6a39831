#include "server/testing/raw_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

namespace stenod::server::testing {

struct RawClient::Impl {
  int fd = -1;
  SSL_CTX* context = nullptr;
  SSL* ssl = nullptr;
  bool connected = false;
  bool timed_out = false;
  std::string received;

  ~Impl() {
    if (ssl != nullptr) SSL_free(ssl);
    if (context != nullptr) SSL_CTX_free(context);
    if (fd >= 0) ::close(fd);
  }
};

int RawClient::Frame::close_code() const {
  if (opcode != kClose || payload.size() < 2) return -1;
  return static_cast<unsigned char>(payload[0]) * 256 + static_cast<unsigned char>(payload[1]);
}

RawClient::RawClient(std::uint16_t port) : RawClient(port, Options()) {}

RawClient::RawClient(std::uint16_t port, const Options& options) : impl_(std::make_unique<Impl>()) {
  impl_->fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto ms = options.timeout.count();
  const timeval timeout{static_cast<time_t>(ms / 1000), static_cast<suseconds_t>(ms % 1000 * 1000)};
  ::setsockopt(impl_->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  ::setsockopt(impl_->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  if (options.receive_buffer_bytes > 0) {
    ::setsockopt(impl_->fd, SOL_SOCKET, SO_RCVBUF, &options.receive_buffer_bytes, sizeof(int));
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  ::inet_pton(AF_INET, options.source.c_str(), &address.sin_addr);
  ::bind(impl_->fd, reinterpret_cast<sockaddr*>(&address), sizeof address);
  ::inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  address.sin_port = htons(port);
  impl_->connected = ::connect(impl_->fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  if (!options.tls || !impl_->connected) return;
  impl_->context = SSL_CTX_new(TLS_client_method());
  impl_->ssl = SSL_new(impl_->context);
  SSL_set_fd(impl_->ssl, impl_->fd);
  impl_->connected = SSL_connect(impl_->ssl) == 1;
}

RawClient::~RawClient() = default;
RawClient::RawClient(RawClient&&) noexcept = default;

bool RawClient::is_connected() const { return impl_->connected; }

bool RawClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto size = impl_->ssl != nullptr ? SSL_write(impl_->ssl, bytes.data(),
                                                        static_cast<int>(std::min<std::size_t>(bytes.size(), 1 << 20)))
                                            : ::send(impl_->fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (size <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(size));
  }
  return true;
}

void RawClient::end_sending() { ::shutdown(impl_->fd, SHUT_WR); }

void RawClient::reset() {
  const linger now{1, 0};
  ::setsockopt(impl_->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  ::close(impl_->fd);
  impl_->fd = -1;
}

bool RawClient::fill() {
  char buffer[16384];
  const auto size =
      impl_->ssl != nullptr ? SSL_read(impl_->ssl, buffer, sizeof buffer) : ::recv(impl_->fd, buffer, sizeof buffer, 0);
  impl_->timed_out = size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  if (size <= 0) return false;
  impl_->received.append(buffer, static_cast<std::size_t>(size));
  return true;
}

std::string RawClient::receive(std::size_t size) {
  while (impl_->received.size() < size && fill()) {
  }
  std::string result = impl_->received.substr(0, size);
  impl_->received.erase(0, size);
  return result;
}

bool RawClient::is_closed_by_server() {
  while (fill()) impl_->received.clear();
  return !impl_->timed_out;
}

RawClient::Response RawClient::read_response(bool is_head_request) {
  Response response;
  std::size_t head_end;
  while ((head_end = impl_->received.find("\r\n\r\n")) == std::string::npos) {
    if (!fill()) return response;
  }
  std::string head = receive(head_end + 4);
  response.status = std::atoi(head.substr(9, 3).c_str());
  for (std::size_t start = head.find("\r\n") + 2; start + 2 < head.size();) {
    const std::size_t end = head.find("\r\n", start);
    const std::size_t colon = head.find(": ", start);
    response.headers.emplace_back(head.substr(start, colon - start), head.substr(colon + 2, end - colon - 2));
    start = end + 2;
  }
  const std::string length(response.field("Content-Length"));
  if (is_head_request || response.status < 200 || response.status == 204 || response.status == 304) {
    response.is_whole = true;
  } else if (!length.empty()) {
    const auto size = static_cast<std::size_t>(std::stoull(length));
    response.body = receive(size);
    response.is_whole = response.body.size() == size;
  } else if (response.field("Transfer-Encoding") == "chunked") {
    while (true) {
      std::size_t line_end;
      while ((line_end = impl_->received.find("\r\n")) == std::string::npos) {
        if (!fill()) return response;
      }
      const auto size = static_cast<std::size_t>(std::stoull(receive(line_end + 2), nullptr, 16));
      const std::string chunk = receive(size + 2);
      if (chunk.size() != size + 2) return response;
      if (size == 0) break;
      response.body += chunk.substr(0, size);
    }
    response.is_whole = true;
  } else {
    while (fill()) {
    }
    response.body = std::exchange(impl_->received, {});
    response.is_whole = !impl_->timed_out;
  }
  return response;
}

RawClient::Response RawClient::get(std::string_view path, std::string_view extra_fields, std::string_view method) {
  send(std::string(method) + " " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(extra_fields) +
       "\r\n");
  return read_response(method == "HEAD");
}

RawClient::Response RawClient::upgrade(std::string_view path, std::string_view extra_fields) {
  return get(path,
             "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
                 std::string(extra_fields));
}

bool RawClient::send_frame(int opcode, std::string_view payload, bool fin) {
  std::string frame;
  frame.push_back(static_cast<char>((fin ? 0x80 : 0) | opcode));
  if (payload.size() < 126) {
    frame.push_back(static_cast<char>(0x80 | payload.size()));
  } else {
    const int num_bytes = payload.size() < 65536 ? 2 : 8;
    frame.push_back(static_cast<char>(0x80 | (num_bytes == 2 ? 126 : 127)));
    for (int i = num_bytes - 1; i >= 0; --i) frame.push_back(static_cast<char>(payload.size() >> (8 * i)));
  }
  const char mask[4] = {1, 2, 3, 4};
  frame.append(mask, 4);
  const std::size_t start = frame.size();
  frame.append(payload);
  for (std::size_t i = 0; i < payload.size(); ++i) frame[start + i] = static_cast<char>(frame[start + i] ^ mask[i % 4]);
  return send(frame);
}

RawClient::Frame RawClient::read_frame() {
  Frame frame;
  const std::string head = receive(2);
  if (head.size() < 2) return frame;
  std::size_t size = static_cast<unsigned char>(head[1]) & 0x7f;
  if (size >= 126) {
    const std::string length = receive(size == 126 ? 2 : 8);
    size = 0;
    for (const char c : length) size = size << 8 | static_cast<unsigned char>(c);
  }
  frame.payload = receive(size);
  if (frame.payload.size() != size) return {};
  frame.opcode = head[0] & 0x0f;
  frame.fin = (head[0] & 0x80) != 0;
  return frame;
}

RawClient::Frame RawClient::read_message() {
  Frame message;
  while (true) {
    Frame frame = read_frame();
    if (frame.opcode == kPing) {
      send_frame(kPong, frame.payload);
    } else if (frame.opcode == kContinuation) {
      message.payload += frame.payload;
      if (frame.fin) return message;
    } else if (frame.opcode != kPong) {
      if (frame.fin || frame.opcode < 0) return frame;
      message = std::move(frame);
      message.fin = true;
    }
  }
}

std::string RawClient::peer_certificate_name() const {
  X509* const certificate = SSL_get1_peer_certificate(impl_->ssl);
  if (certificate == nullptr) return {};
  char name[256] = {};
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof name);
  X509_free(certificate);
  return name;
}

}  // namespace stenod::server::testing
