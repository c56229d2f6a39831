// Any text as a message from a server: read or refused.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "client/live_messages.h"
#include "client/refusal.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stenod::client;
  if (size > 64 * 1024) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto message = parse_live_message(text);
  if (message) {
    if (const auto* final = std::get_if<Final>(&*message)) {
      if (!std::isfinite(final->start) || final->channel < 0) std::abort();
    }
  }
  if (describe_refusal({503, std::string(text), std::string(text)}).size() > 1000) std::abort();
  return 0;
}
