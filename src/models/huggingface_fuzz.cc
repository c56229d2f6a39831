// Fuzzes the reader of Hugging Face's folders. The first byte says what the rest is: a safetensors file, the header of
// one for a valid model's data, an index, or a config.json and, behind a NUL, a generation_config.json for a valid
// model.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "models/huggingface_reader.h"
#include "models/safetensors.h"
#include "models/testing/fuzz_reads.h"
#include "models/testing/generated_forms.h"

namespace {

namespace models = stenod::models;

models::testing::GeneratedModel small_model() {
  models::testing::GeneratedModel model;
  model.num_encoder_layers = model.num_decoder_layers = 1;
  model.vocab_size = 4;
  model.type = models::DataType::kBFloat16;
  return model;
}

struct ValidModel {
  std::string config = generate_huggingface_config(small_model());
  std::vector<std::byte> file = join_safetensors(generate_tensors(small_model(), models::kHuggingFaceNames));
  std::span<const std::byte> data;
  models::NamedTensors tensors;

  ValidModel() {
    if (!models::parse_safetensors(file, "valid", tensors)) std::abort();
    std::uint64_t header_size;
    std::memcpy(&header_size, file.data(), sizeof(header_size));
    data = std::span(file).subspan(sizeof(header_size) + header_size);
  }
};

const ValidModel& valid_model() {
  static const ValidModel model;
  return model;
}

void expect_message(const stenod::Error& error) {
  if (error.message.empty() || error.param.empty()) std::abort();
}

void read_file(std::span<const std::byte> file) {
  models::NamedTensors tensors;
  if (const auto status = models::parse_safetensors(file, "fuzz", tensors); !status) {
    return expect_message(status.error());
  }
  for (const auto& [name, tensor] : tensors) {
    // One value alone has no dimensions.
    if (!tensor.view.shape.empty()) models::testing::touch(tensor.view);
  }
  models::testing::check_read(models::parse_huggingface(tensors, {valid_model().config, {}, {}}, "fuzz"));
}

void read_index(std::string_view text) {
  const auto index = models::parse_safetensors_index(text, "fuzz");
  if (!index) return expect_message(index.error());
  for (const auto& [tensor, file] : *index) {
    if (file.find_first_of(std::string_view("/\\\0", 3)) != file.npos || file.starts_with('.')) std::abort();
  }
  (void)models::check_against_index(valid_model().tensors, *index, "fuzz");
}

void read_configs(std::string_view text) {
  const std::size_t end = std::min(text.find('\0'), text.size());
  models::HuggingFaceTexts texts;
  texts.config = text.substr(0, end);
  if (end < text.size()) {
    texts.generation_config = text.substr(end + 1);
    texts.preprocessor_config = texts.generation_config;
  }
  models::testing::check_read(models::parse_huggingface(valid_model().tensors, texts, "fuzz"));
  texts.config = valid_model().config;
  models::testing::check_read(models::parse_huggingface(valid_model().tensors, texts, "fuzz"));
}

}  // namespace

// Not with the first input, whose time is limited.
extern "C" int LLVMFuzzerInitialize(int*, char***) {
  (void)valid_model();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto rest = std::as_bytes(std::span(data, size)).subspan(1);
  const std::string_view text(reinterpret_cast<const char*>(rest.data()), rest.size());
  switch (data[0] % 4) {
    case 0:
      // A copy, so that a read beyond its end is one beyond the memory.
      read_file(std::vector<std::byte>(rest.begin(), rest.end()));
      break;
    case 1:
      read_file(models::testing::join_safetensors(text, valid_model().data));
      break;
    case 2:
      read_index(text);
      break;
    default:
      read_configs(text);
      break;
  }
  return 0;
}
