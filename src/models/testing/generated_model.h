#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "models/whisper_weights.h"

namespace stenod::models::testing {

/// What a generated model looks like.
struct GeneratedModel {
  int num_mels = 80;
  int d_model = 64;  ///< a multiple of 64
  int num_encoder_layers = 2;
  int num_decoder_layers = 2;
  /// From 51865 on, tokens are laid out as in multilingual vocabularies, otherwise as in English-only ones: text, then
  /// <|endoftext|>, <|startoftranscript|>, the languages (99; 100 from 51866 on), 6 more, and 1501 timestamps. A folder
  /// needs at least kMinVocabSize; a model.bin alone, 1.
  int vocab_size = 51864;
  DataType type = DataType::kFloat32;
  std::uint32_t seed = 1;
};

/// 256 bytes and the special tokens.
inline constexpr int kMinVocabSize = 256 + 1608;

/// The tokens of a vocabulary of that size that are text.
int num_text_tokens(int vocab_size);

/// What a stretch of a model's file means; for tests that damage files on purpose.
struct GeneratedField {
  enum class Kind { kVersion, kRevision, kCount, kLength, kText, kRank, kDim, kType, kSize, kData };
  Kind kind;
  std::string variable;  ///< or alias that it belongs to; empty in the header
  std::size_t offset = 0;
  std::size_t size = 0;
};

struct GeneratedFile {
  std::vector<std::byte> bytes;
  std::vector<GeneratedField> fields;
};

/// A model.bin with random weights of sensible magnitude: the same for the same arguments on every machine. Norms,
/// biases and positions of an int8 model are float32, as are its scales; its convolutions are int8 too.
GeneratedFile generate_model_bin(const GeneratedModel& model);

/// A config.json with the given model's language tokens and alignment heads.
std::string generate_config(const GeneratedModel& model);

/// Writes a complete folder: model.bin, config.json, tokenizer.json (byte-level BPE), vocabulary.txt and, for 128 mel
/// bins, preprocessor_config.json. Creates the folder. Error: kInvalidArgument if the sizes are not possible.
Status write_generated_model(const std::filesystem::path& folder, const GeneratedModel& model);

/// The bytes of floats in a file: towards zero in types that are less precise. `type` is a float type.
std::vector<std::byte> encode_floats(const std::vector<float>& values, DataType type);

/// Writes container files, for tests that need other ones than a whole model.
class Ct2Writer {
 public:
  explicit Ct2Writer(std::string_view spec = "WhisperSpec", std::uint32_t version = 6, std::uint32_t revision = 3);

  void begin_variables(std::uint32_t count);
  /// `type` as the format numbers it.
  void variable(const std::string& name, const std::vector<std::uint32_t>& shape, std::uint8_t type,
                const std::vector<std::byte>& data);
  void begin_aliases(std::uint32_t count);
  void alias(const std::string& name, const std::string& target);

  GeneratedFile finish() && { return std::move(file_); }

 private:
  void raw(GeneratedField::Kind kind, const void* data, std::size_t size);
  void text(std::string_view value);

  GeneratedFile file_;
  std::string current_;
};

}  // namespace stenod::models::testing
