#include "app/open_access.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "base/ip_address.h"
#include "base/log.h"
#include "base/paths.h"

namespace stenod::app {

Result<std::unique_ptr<access::Access>> open_access(const ServeSettings& settings) {
  STENOD_ASSIGN_OR_RETURN(const Endpoint endpoint, parse_endpoint(settings.server.listen));
  access::Options options;
  options.folder = data_dir();
  options.max_streams_per_client = static_cast<int>(settings.access.max_streams_per_ip);
  options.token_ttl = std::chrono::seconds(settings.access.token_ttl_s);
  options.max_token_ttl = std::chrono::seconds(settings.access.max_token_ttl_s);
  options.anybody_is_admin = endpoint.is_loopback();
  STENOD_ASSIGN_OR_RETURN(auto access, access::Access::open(std::move(options)));
  if (endpoint.is_loopback() || access->keys_in_use()) return access;
  if (!settings.server.allow_public_without_keys) {
    return Error{
        ErrorCode::kInvalidArgument,
        fmt::format("other machines can reach {} (server.listen), and no key was created: create one (stenod key "
                    "create NAME), listen on 127.0.0.1, or set server.allow_public_without_keys = true if "
                    "anybody may use the server",
                    settings.server.listen),
        "server.listen"};
  }
  log_event(log::level::warn, "public_without_keys", {{"listen", settings.server.listen}});
  return access;
}

}  // namespace stenod::app
