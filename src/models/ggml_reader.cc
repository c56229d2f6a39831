#include "models/ggml_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "models/alignment_heads.h"
#include "models/byte_cursor.h"
#include "models/data_type.h"
#include "models/named_tensors.h"

namespace stenod::models {
namespace {

constexpr std::uint32_t kMagic = 0x67676d6c;      // "ggml" as a number
constexpr std::uint32_t kGgufMagic = 0x46554747;  // "GGUF" as text
constexpr int kQuantisationVersion = 2;           // since May 2023; blocks were laid out otherwise before
constexpr int kVersionFactor = 1000;
constexpr int kNumFrequencies = 201;
constexpr std::size_t kMaxTokenSize = 1024;
constexpr std::size_t kMaxTensors = 65536;  // large-v3 has about 1300
constexpr int kMaxRank = 4;

/// ggml's numbers (ggml/include/ggml.h, enum ggml_type).
std::optional<DataType> parse_type(std::int32_t number) {
  switch (number) {
    case 0:
      return DataType::kFloat32;
    case 1:
      return DataType::kFloat16;
    case 2:
      return DataType::kQ4_0;
    case 3:
      return DataType::kQ4_1;
    case 6:
      return DataType::kQ5_0;
    case 7:
      return DataType::kQ5_1;
    case 8:
      return DataType::kQ8_0;
    case 10:
      return DataType::kQ2K;
    case 11:
      return DataType::kQ3K;
    case 12:
      return DataType::kQ4K;
    case 13:
      return DataType::kQ5K;
    case 14:
      return DataType::kQ6K;
    case 30:
      return DataType::kBFloat16;
    default:
      return std::nullopt;
  }
}

/// Takes a file apart from front to back.
class GgmlReader {
 public:
  GgmlReader(std::span<const std::byte> file, std::string_view name) : in_(file, name), name_(name) {}

  Result<WhisperWeights> read() {
    STENOD_RETURN_IF_ERROR(read_magic());
    STENOD_RETURN_IF_ERROR(read_sizes());
    STENOD_RETURN_IF_ERROR(read_filters());
    std::vector<std::string> vocabulary;
    STENOD_RETURN_IF_ERROR(read_vocabulary(vocabulary));
    while (in_.left() > 0) STENOD_RETURN_IF_ERROR(read_tensor());
    STENOD_ASSIGN_OR_RETURN(WhisperWeights weights, assemble_whisper(tensors_, kOpenAiNames, dims_, name_));
    weights.generation.alignment_heads = known_alignment_heads(dims_);
    weights.vocabulary = std::move(vocabulary);
    return weights;
  }

 private:
  Status read_magic() {
    STENOD_ASSIGN_OR_RETURN(const auto magic, in_.number<std::uint32_t>("the first number"));
    if (magic == kMagic) return {};
    return in_.error_at(
        ErrorCode::kModelBadMagic, 0,
        fmt::format("not a model of whisper.cpp: it starts with {:#x}, expected {:#x}{}", magic, kMagic,
                    magic == kGgufMagic ? "; this is a GGUF file, which Whisper models don't come in" : ""));
  }

  Status read_sizes() {
    const std::size_t start = in_.offset();
    int numbers[11];
    for (int& number : numbers) {
      STENOD_ASSIGN_OR_RETURN(number, in_.number<std::int32_t>("the sizes"));
    }
    const auto& [vocab, audio_positions, audio_width, audio_heads, audio_layers, text_positions, text_width, text_heads,
                 text_layers, mels, type] = numbers;
    dims_.vocab_size = vocab;
    dims_.max_encoder_frames = audio_positions;
    dims_.d_model = audio_width;
    dims_.num_heads = audio_heads;
    dims_.num_encoder_layers = audio_layers;
    dims_.max_text_positions = text_positions;
    dims_.num_decoder_layers = text_layers;
    dims_.num_mels = mels;
    if (text_width != audio_width || text_heads != audio_heads) {
      return in_.error_at(ErrorCode::kModelBadShape, start,
                          fmt::format("the decoder has a width of {} and {} heads, the encoder {} and {}; expected the "
                                      "same",
                                      text_width, text_heads, audio_width, audio_heads));
    }
    dims_.mlp_size = audio_width > 0 && audio_width <= kMaxDModel ? 4 * audio_width : 0;
    STENOD_RETURN_IF_ERROR(check_dims(dims_, name_));
    quantisation_version_ = type / kVersionFactor;
    return {};
  }

  Status read_filters() {
    const std::size_t start = in_.offset();
    STENOD_ASSIGN_OR_RETURN(const auto num_mels, in_.number<std::int32_t>("the number of mel filters"));
    STENOD_ASSIGN_OR_RETURN(const auto num_frequencies, in_.number<std::int32_t>("the size of the mel filters"));
    if (num_mels != dims_.num_mels || num_frequencies != kNumFrequencies) {
      return in_.error_at(ErrorCode::kModelBadShape, start,
                          fmt::format("{} mel filters of {} values, expected {} of {}", num_mels, num_frequencies,
                                      dims_.num_mels, kNumFrequencies));
    }
    const auto size = static_cast<std::size_t>(num_mels) * kNumFrequencies * sizeof(float);
    STENOD_ASSIGN_OR_RETURN([[maybe_unused]] const auto filters, in_.take(size, "the mel filters"));
    return {};
  }

  Status read_vocabulary(std::vector<std::string>& vocabulary) {
    const std::size_t start = in_.offset();
    STENOD_ASSIGN_OR_RETURN(const auto count, in_.number<std::int32_t>("the number of tokens"));
    if (count < 1 || count > dims_.vocab_size) {
      return in_.error_at(ErrorCode::kModelBadVocabulary, start,
                          fmt::format("a vocabulary of {} tokens, expected 1 to {}", count, dims_.vocab_size));
    }
    if (static_cast<std::size_t>(count) > in_.left() / sizeof(std::uint32_t)) {
      return in_.error_at(ErrorCode::kModelTruncated, start,
                          fmt::format("{} tokens are announced, but only {} bytes left; the file may be an incomplete "
                                      "download",
                                      count, in_.left()));
    }
    for (int token = 0; token < count; ++token) {
      const std::size_t token_start = in_.offset();
      STENOD_ASSIGN_OR_RETURN(const auto length, in_.number<std::uint32_t>("the vocabulary"));
      if (length > kMaxTokenSize) {
        return in_.error_at(ErrorCode::kModelBadVocabulary, token_start,
                            fmt::format("token {} has {} bytes, expected at most {}", token, length, kMaxTokenSize));
      }
      STENOD_ASSIGN_OR_RETURN(const auto bytes, in_.take(length, "the vocabulary"));
      vocabulary.emplace_back(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
    return {};
  }

  Status read_tensor() {
    const std::size_t start = in_.offset();
    if (tensors_.size() >= kMaxTensors) {
      return in_.error_at(ErrorCode::kModelBadCount, start, fmt::format("more than {} tensors", kMaxTensors));
    }
    STENOD_ASSIGN_OR_RETURN(const auto rank, in_.number<std::int32_t>("a tensor's rank"));
    STENOD_ASSIGN_OR_RETURN(const auto name_size, in_.number<std::int32_t>("the length of a tensor's name"));
    STENOD_ASSIGN_OR_RETURN(const auto type_number, in_.number<std::int32_t>("a tensor's type"));
    if (rank < 1 || rank > kMaxRank) {
      return in_.error_at(ErrorCode::kModelBadShape, start,
                          fmt::format("a tensor of {} dimensions, expected 1 to {}", rank, kMaxRank));
    }
    NamedTensor tensor;
    std::vector<std::int64_t>& shape = tensor.view.shape;
    std::uint64_t num_values = 1;
    for (int i = 0; i < rank; ++i) {
      STENOD_ASSIGN_OR_RETURN(const auto size, in_.number<std::uint32_t>("a tensor's shape"));
      num_values *= size;
      // Both factors are below 2^32 each time, so the product can't have wrapped.
      if (size == 0 || num_values > UINT32_MAX) {
        return in_.error_at(ErrorCode::kModelBadShape, start,
                            fmt::format("a tensor with a dimension of {} and {} values so far, expected 1 to {}", size,
                                        num_values, UINT32_MAX));
      }
      shape.insert(shape.begin(), size);
    }
    // The biases of the convolutions come as columns.
    if (rank == 2 && shape.back() == 1) shape.pop_back();
    if (name_size < 1 || static_cast<std::size_t>(name_size) > kMaxTensorName) {
      return in_.error_at(ErrorCode::kModelBadName, start,
                          fmt::format("a tensor's name of {} bytes, expected 1 to {}", name_size, kMaxTensorName));
    }
    STENOD_ASSIGN_OR_RETURN(const auto name_bytes, in_.take(static_cast<std::size_t>(name_size), "a tensor's name"));
    const std::string tensor_name(reinterpret_cast<const char*>(name_bytes.data()), name_bytes.size());
    if (!is_tensor_name(tensor_name)) {
      return in_.error_at(ErrorCode::kModelBadName, start, "a tensor's name is not printable ASCII without spaces");
    }
    if (tensors_.contains(tensor_name)) {
      return in_.error_at(ErrorCode::kModelDuplicateVariable, start, fmt::format("a second tensor {}", tensor_name));
    }
    STENOD_ASSIGN_OR_RETURN(tensor.view.type, check_type(tensor_name, type_number, shape.back(), start));
    tensor.offset = in_.offset();
    tensor.file = name_;
    STENOD_ASSIGN_OR_RETURN(tensor.view.bytes, in_.take(data_bytes(tensor.view.type, num_values), tensor_name));
    tensors_.emplace(tensor_name, std::move(tensor));
    return {};
  }

  Result<DataType> check_type(const std::string& tensor, std::int32_t number, std::int64_t row_size,
                              std::size_t offset) const {
    const auto type = parse_type(number);
    if (!type) {
      return in_.error_at(
          ErrorCode::kModelBadType, offset,
          fmt::format("{} is of ggml's type {}, expected one of f32, f16, bf16, q4_0, q4_1, q5_0, q5_1, "
                      "q8_0, q2_K to q6_K",
                      tensor, number));
    }
    const auto block_values = static_cast<std::int64_t>(block_size(*type).values);
    if (block_values == 1) return *type;
    if (quantisation_version_ != kQuantisationVersion) {
      return in_.error_at(ErrorCode::kModelUnsupportedVersion, offset,
                          fmt::format("{} is quantised in version {}, expected {}; quantise the model again with a "
                                      "current whisper.cpp",
                                      tensor, quantisation_version_, kQuantisationVersion));
    }
    if (row_size % block_values != 0) {
      return in_.error_at(ErrorCode::kModelBadShape, offset,
                          fmt::format("{} has rows of {} values, but {} needs a multiple of {}", tensor, row_size,
                                      data_type_name(*type), block_values));
    }
    return *type;
  }

  ByteCursor in_;
  std::string name_;
  WhisperDims dims_;
  int quantisation_version_ = 0;
  NamedTensors tensors_;
};

}  // namespace

Result<WhisperWeights> parse_ggml(std::span<const std::byte> file, std::string_view name) {
  return GgmlReader(file, name).read();
}

Result<WhisperWeights> read_ggml(const std::filesystem::path& file) {
  STENOD_ASSIGN_OR_RETURN(MappedFile mapped, MappedFile::open(file));
  const auto storage = std::make_shared<std::vector<MappedFile>>();
  storage->push_back(std::move(mapped));
  STENOD_ASSIGN_OR_RETURN(WhisperWeights weights, parse_ggml(storage->front().bytes(), file.string()));
  weights.storage = storage;
  return weights;
}

}  // namespace stenod::models
