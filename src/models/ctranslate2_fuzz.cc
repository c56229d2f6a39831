// Fuzzes the reader of model.bin and config.json. The first byte says what the rest is: a whole model.bin, edits of a
// valid one (so that the checks behind the container's are reached without the fuzzer having to invent half a
// megabyte), or a config.json for a valid model.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "models/ctranslate2_reader.h"
#include "models/tensor_check.h"
#include "models/testing/generated_model.h"

namespace {

using stenod::models::DataType;
using stenod::models::testing::GeneratedField;
using stenod::models::testing::GeneratedFile;

std::uint64_t sum_of_reads = 0;

/// Reads the ends of what a view promises: beyond the file's memory, the address sanitizer stops it.
void touch(const stenod::models::TensorView& tensor) {
  std::size_t count = 1;
  for (const auto dim : tensor.shape) count *= static_cast<std::size_t>(dim);
  if (tensor.bytes.size() != count * stenod::models::data_type_size(tensor.type)) std::abort();
  sum_of_reads += static_cast<std::uint8_t>(tensor.bytes.front()) + static_cast<std::uint8_t>(tensor.bytes.back());
  if (tensor.type == DataType::kInt8) {
    if (tensor.scales.size() != static_cast<std::size_t>(tensor.shape[0]) * sizeof(float)) std::abort();
    sum_of_reads += static_cast<std::uint8_t>(tensor.scales.back());
  }
}

void read(const std::vector<std::byte>& bytes, std::string_view config) {
  const auto w = stenod::models::parse_ctranslate2(bytes, config, config, "fuzz");
  if (!w) {
    if (w.error().message.empty() || w.error().param.empty()) std::abort();
    return;
  }
  touch(w->conv1_weight);
  touch(w->token_embedding);
  touch(w->decoder_positions);
  for (const auto& layer : w->encoder_layers) {
    touch(layer.qkv.weight);
    touch(*layer.qkv.bias);
  }
  for (const auto& layer : w->decoder_layers) {
    touch(layer.mlp_down.weight);
    touch(*layer.mlp_down.bias);
  }
  for (const auto& [layer, head] : w->generation.alignment_heads) {
    if (layer >= w->dims.num_decoder_layers || head >= w->dims.num_heads) std::abort();
  }
}

const GeneratedFile& valid_file() {
  static const GeneratedFile file = [] {
    stenod::models::testing::GeneratedModel model;
    model.num_encoder_layers = model.num_decoder_layers = 1;
    model.vocab_size = 4;
    model.type = DataType::kInt8;
    return stenod::models::testing::generate_model_bin(model);
  }();
  return file;
}

/// Each edit is u16 field, u8 operation, u8 length, that many bytes.
std::vector<std::byte> edited(std::span<const std::byte> edits) {
  const GeneratedFile& file = valid_file();
  std::vector<std::byte> bytes = file.bytes;
  while (edits.size() >= 4) {
    std::uint16_t index;
    std::memcpy(&index, edits.data(), sizeof(index));
    const GeneratedField& field = file.fields[index % file.fields.size()];
    const auto operation = static_cast<unsigned>(edits[2]) % 4;
    const std::size_t length = std::min<std::size_t>(static_cast<std::size_t>(edits[3]), edits.size() - 4);
    const auto value = edits.subspan(4, length);
    edits = edits.subspan(4 + length);
    if (field.offset >= bytes.size()) continue;
    const auto at = bytes.begin() + static_cast<std::ptrdiff_t>(field.offset);
    if (operation == 0) {  // overwrite
      const auto room = static_cast<std::size_t>(bytes.end() - at);
      std::copy_n(value.begin(), std::min(length, room), at);
    } else if (operation == 1) {  // insert
      bytes.insert(at, value.begin(), value.end());
    } else if (operation == 2) {  // remove
      bytes.erase(at, at + std::min<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(field.size), bytes.end() - at));
    } else {  // cut
      bytes.resize(field.offset);
    }
  }
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto rest = std::as_bytes(std::span(data, size)).subspan(1);
  switch (data[0] % 3) {
    case 0:
      read({rest.begin(), rest.end()}, "{}");
      break;
    case 1:
      read(edited(rest), "{}");
      break;
    default:
      read(valid_file().bytes, {reinterpret_cast<const char*>(rest.data()), rest.size()});
      break;
  }
  return 0;
}
