// Fuzzes what a stranger's request goes through before any route sees it: head, address, fields, body.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "server/client_address.h"
#include "server/credential.h"
#include "server/origin.h"
#include "server/request_parser.h"
#include "server/response_writer.h"

namespace {

using namespace stenod;
using namespace stenod::server;

constexpr std::size_t kMaxHeadBytes = 4096;
constexpr std::uint64_t kMaxBodyBytes = 1000;

/// What came out, the same however the bytes were cut.
std::string read(std::string_view bytes, std::size_t step) {
  RequestParser parser(kMaxHeadBytes);
  std::size_t received = 0;
  std::size_t head_size = 0;
  while (head_size == 0) {
    if (received == bytes.size()) return "incomplete";
    received = std::min(received + step, bytes.size());
    const auto size = parser.find_head(bytes.substr(0, received));
    if (!size) return std::string(error_name(size.error().code));
    head_size = size->value_or(0);
  }
  const auto head = parser.parse_head(bytes.substr(0, head_size));
  if (!head) return std::string(error_name(head.error().code));
  const api::HttpRequest& request = head->request;
  if (request.path.empty() || (request.path != "*" && request.path.front() != '/')) std::abort();
  if (head->is_chunked && request.content_length) std::abort();

  static const TrustedProxies proxies = *TrustedProxies::parse({"10.0.0.0/8"});
  static const OriginPolicy origins = *OriginPolicy::parse({"https://page.example"}, {}, true);
  const IpAddress client = proxies.client_of(*IpAddress::parse("10.0.0.1"), request.headers);
  if (IpAddress::parse(client.to_string()) != client) std::abort();
  origins.judge(api::find_field(request.headers, "Origin"), head->host);
  origins.answers_to(head->host);

  std::string result = request.method + " " + request.path + " " + std::string(find_credential(request.headers)) + "\n";
  parser.set_max_body_bytes(kMaxBodyBytes);
  std::string waiting(bytes.substr(head_size, received - head_size));
  std::vector<std::byte> body;
  while (!parser.is_done()) {
    const auto used = parser.parse_body(waiting, body);
    if (!used) return result + std::string(error_name(used.error().code));
    waiting.erase(0, *used);
    if (body.size() > kMaxBodyBytes) std::abort();
    if (parser.is_done()) break;
    if (received == bytes.size()) return result + "incomplete";
    const std::size_t size = std::min(step, bytes.size() - received);
    waiting += bytes.substr(received, size);
    received += size;
  }
  result.append(reinterpret_cast<const char*>(body.data()), body.size());
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string whole = read(bytes, std::max<std::size_t>(size, 1));
  for (const std::size_t step : {1, 3, 64}) {
    if (read(bytes, step) != whole) std::abort();
  }
  // Fields of an answer may hold what came from a client; they must not become more fields.
  api::HttpResponse response;
  response.headers.emplace_back("X-Name", bytes);
  const std::string head = write_head(response, {});
  if (head.find("\r\n\r\n") != head.size() - 4) std::abort();
  return 0;
}
