#include "transcribe/testing/scripted_recogniser.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"
#include "models/testing/generated_model.h"
#include "vad/testing/loudness_vad.h"

namespace stenod::transcribe::testing {
namespace {

class ScriptedRunner : public whisper::Runner {
 public:
  ScriptedRunner(std::unique_ptr<whisper::Runner> runner, const text::Tokenizer& tokenizer, Script script)
      : runner_(std::move(runner)), script_(std::move(script)), end_of_text_(tokenizer.special().eot) {
    prompt_size_ = script_.multilingual ? 4 : 2;  // start, language and task, no timestamps
    english_ = tokenizer.language_token("en").value_or(end_of_text_);
    for (const char& c : script_.text) {
      int token = 0;
      while (tokenizer.token_bytes(token) != std::string_view(&c, 1)) ++token;
      tokens_.push_back(token);
    }
  }

  const models::WhisperDims& dims() const override { return runner_->dims(); }
  const whisper::RunnerLimits& limits() const override { return runner_->limits(); }
  int num_alignment_heads() const override { return runner_->num_alignment_heads(); }
  Status encode(std::span<const whisper::EncodeWindow> windows) override {
    for (const auto& window : windows) {
      if (script_.before_encode) STENOD_RETURN_IF_ERROR(script_.before_encode(window.num_frames));
    }
    return runner_->encode(windows);
  }
  Status step(std::span<const whisper::StepRow> rows) override {
    rows_.assign(rows.begin(), rows.end());
    return runner_->step(rows);
  }
  std::span<float> logits(int row_index) override {
    const auto logits = runner_->logits(row_index);
    std::fill(logits.begin(), logits.end(), 0.0f);
    const int index = rows_[static_cast<std::size_t>(row_index)].position + 1 - prompt_size_;
    int token = end_of_text_;
    if (index < 0) {
      token = english_;
    } else if (index < static_cast<int>(tokens_.size())) {
      token = tokens_[static_cast<std::size_t>(index)];
    }
    logits[static_cast<std::size_t>(token)] = 30;
    return logits;
  }
  Status fork(int slot, std::span<const int> parents) override { return runner_->fork(slot, parents); }
  Result<std::span<float>> alignment_weights(int slot, int branch, int first_head, int num_heads, int num_positions,
                                             int num_frames) override {
    return runner_->alignment_weights(slot, branch, first_head, num_heads, num_positions, num_frames);
  }

 private:
  std::unique_ptr<whisper::Runner> runner_;
  Script script_;
  int end_of_text_;
  int english_;
  int prompt_size_;
  std::vector<int> tokens_;
  std::vector<whisper::StepRow> rows_;
};

Result<std::unique_ptr<Recogniser>> make(const std::filesystem::path& folder, Script script) {
  const auto model = folder / (script.multilingual ? "scripted-multilingual" : "scripted-english");
  const auto vad = folder / "loudness.onnx";
  if (!std::filesystem::exists(vad)) {
    const std::string bytes = vad::testing::loudness_vad_file();
    STENOD_RETURN_IF_ERROR(write_file_atomic(vad, std::as_bytes(std::span(bytes))));
  }
  if (!std::filesystem::exists(model)) {
    STENOD_RETURN_IF_ERROR(models::testing::write_generated_model(
        model, {.vocab_size = script.multilingual ? 51865 : models::testing::kMinVocabSize}));
  }
  STENOD_ASSIGN_OR_RETURN(auto parts,
                          RecogniserParts::load({.model_path = model, .vad_file = vad, .num_threads = 2}));
  parts.runner = std::make_unique<ScriptedRunner>(std::move(parts.runner), *parts.tokenizer, std::move(script));
  return Recogniser::create(std::move(parts));
}

}  // namespace

std::unique_ptr<Recogniser> scripted_recogniser(const std::filesystem::path& folder, Script script) {
  auto made = make(folder, std::move(script));
  EXPECT_TRUE(made) << made.error().message;
  return made ? *std::move(made) : nullptr;
}

}  // namespace stenod::transcribe::testing
