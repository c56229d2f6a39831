#pragma once

#include <string>

namespace stenod::client {

/// A server's HTTP answer where an upgrade to WebSocket was asked for.
struct Refusal {
  int status = 0;
  std::string body;  ///< {"error":{"code","message"}} from our server; anything from others
  std::string retry_after;
};

/// What it means for the person who wanted to connect, and what can be done.
std::string describe_refusal(const Refusal& refusal);

}  // namespace stenod::client
