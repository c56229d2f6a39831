// Fuzzes what is read from the hub's answers, and names of repositories.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "models/folder_lock.h"
#include "models/hub.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stenod::models;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auto snapshot = parse_hub_listing(text, "owner/name");
  if (snapshot && keep_model_files(*snapshot)) {
    for (const HubFile& file : snapshot->files) {
      if (!check_model_name(file.name) || !is_well_formed(file.checksum)) std::abort();
    }
  }
  const auto reference = HubReference::parse(text);
  if (reference && !check_model_name(reference->folder_name())) std::abort();
  return 0;
}
