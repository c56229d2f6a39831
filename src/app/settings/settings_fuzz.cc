#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "app/settings/settings_table.h"
#include "app/settings/toml_file.h"

/// Any bytes as a settings file: what is taken must be within the limits and be written so that it reads back the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stenod::app;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto entries = parse_toml(text, "fuzz.toml");
  if (!entries) return 0;
  ServeSettings settings;
  for (const TomlEntry& entry : *entries) {
    for (const Setting& setting : settings_table()) {
      if (entry.is_other || setting.section != entry.section || setting.name != entry.name) continue;
      if (!set_setting(setting, entry.value, settings)) continue;
      const std::string written = format_setting(get_setting(setting, settings));
      const auto again = parse_toml("x = " + written, "again.toml");
      if (!again || again->size() != 1 || again->front().value != get_setting(setting, settings)) std::abort();
    }
  }
  return 0;
}
