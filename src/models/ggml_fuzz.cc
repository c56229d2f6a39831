// Fuzzes the reader of whisper.cpp's files. The first byte says what the rest is: a whole file, or edits of a valid
// one.
#include <cstdint>
#include <vector>

#include "models/ggml_reader.h"
#include "models/testing/fuzz_reads.h"
#include "models/testing/generated_forms.h"

namespace {

using stenod::models::testing::GeneratedFile;

const GeneratedFile& valid_file() {
  static const GeneratedFile file = [] {
    stenod::models::testing::GeneratedModel model;
    model.num_encoder_layers = model.num_decoder_layers = 1;
    model.vocab_size = 4;
    model.type = stenod::models::DataType::kQ5_1;
    return join_ggml(model, generate_tensors(model, stenod::models::kOpenAiNames));
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
  const std::vector<std::byte> file = data[0] % 2 == 0 ? std::vector<std::byte>(rest.begin(), rest.end())
                                                       : stenod::models::testing::edited(valid_file(), rest);
  stenod::models::testing::check_read(stenod::models::parse_ggml(file, "fuzz"));
  return 0;
}
