// Fuzzes the reader of model.bin and config.json. The first byte says what the rest is: a whole model.bin, edits of a
// valid one, or a config.json for a valid model.
#include <cstdint>
#include <string_view>
#include <vector>

#include "models/ctranslate2_reader.h"
#include "models/testing/fuzz_reads.h"
#include "models/testing/generated_model.h"

namespace {

using stenod::models::testing::GeneratedFile;

void read(std::span<const std::byte> bytes, std::string_view config) {
  stenod::models::testing::check_read(stenod::models::parse_ctranslate2(bytes, config, config, "fuzz"));
}

const GeneratedFile& valid_file() {
  static const GeneratedFile file = [] {
    stenod::models::testing::GeneratedModel model;
    model.num_encoder_layers = model.num_decoder_layers = 1;
    model.vocab_size = 4;
    model.type = stenod::models::DataType::kInt8;
    return stenod::models::testing::generate_model_bin(model);
  }();
  return file;
}

}  // namespace

// Not with the first input, whose time is limited.
extern "C" int LLVMFuzzerInitialize(int*, char***) {
  (void)valid_file();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto rest = std::as_bytes(std::span(data, size)).subspan(1);
  switch (data[0] % 3) {
    case 0:
      // A copy, so that a read beyond its end is one beyond the memory.
      read(std::vector<std::byte>(rest.begin(), rest.end()), "{}");
      break;
    case 1:
      read(stenod::models::testing::edited(valid_file(), rest), "{}");
      break;
    default:
      read(valid_file().bytes, {reinterpret_cast<const char*>(rest.data()), rest.size()});
      break;
  }
  return 0;
}
