#include "transcribe/testing/scripted_recogniser.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"
#include "models/testing/generated_model.h"
#include "vad/testing/loudness_vad.h"

namespace stenod::transcribe::testing {
namespace {

/// The tokens of a text of single bytes and timestamps.
std::vector<int> tokens_of(const text::Tokenizer& tokenizer, std::string_view text) {
  std::vector<int> tokens;
  while (!text.empty()) {
    if (text.starts_with("<|")) {
      const auto end = text.find("|>");
      const double seconds = std::stod(std::string(text.substr(2, end - 2)));
      tokens.push_back(tokenizer.special().timestamp_begin + static_cast<int>(std::lround(seconds * 50)));
      text.remove_prefix(end + 2);
      continue;
    }
    int token = 0;
    while (tokenizer.token_bytes(token) != text.substr(0, 1)) ++token;
    tokens.push_back(token);
    text.remove_prefix(1);
  }
  return tokens;
}

class ScriptedRunner : public whisper::Runner {
 public:
  ScriptedRunner(std::unique_ptr<whisper::Runner> runner, const text::Tokenizer& tokenizer, Script script)
      : runner_(std::move(runner)),
        script_(std::move(script)),
        special_(tokenizer.special()),
        slots_(static_cast<std::size_t>(runner_->limits().num_slots)) {
    if (script_.windows.empty()) script_.windows.push_back({.text = script_.text});
    for (const ScriptedWindow& window : script_.windows) {
      says_.push_back(
          {tokens_of(tokenizer, window.text), tokenizer.language_token(window.language).value_or(special_.eot)});
    }
  }

  const models::WhisperDims& dims() const override { return runner_->dims(); }
  const whisper::RunnerLimits& limits() const override { return runner_->limits(); }
  int num_alignment_heads() const override { return runner_->num_alignment_heads(); }
  Status encode(std::span<const whisper::EncodeWindow> windows) override {
    for (const auto& window : windows) {
      if (script_.before_encode) STENOD_RETURN_IF_ERROR(script_.before_encode(window.num_frames));
      slots_[static_cast<std::size_t>(window.slot)] = {.window = std::min(num_encoded_++, says_.size() - 1)};
    }
    return runner_->encode(windows);
  }
  Status step(std::span<const whisper::StepRow> rows) override {
    rows_.assign(rows.begin(), rows.end());
    for (const auto& row : rows) {
      Slot& slot = slots_[static_cast<std::size_t>(row.slot)];
      if (row.position == 0) slot.prompt.clear();
      const bool is_special = row.token > special_.eot && row.token < special_.timestamp_begin;
      const bool is_prompt = is_special || (!slot.prompt.empty() && slot.prompt.front() == special_.startofprev &&
                                            std::count(slot.prompt.begin(), slot.prompt.end(), special_.sot) == 0);
      if (is_prompt && static_cast<std::size_t>(row.position) == slot.prompt.size()) slot.prompt.push_back(row.token);
    }
    return runner_->step(rows);
  }
  std::span<float> logits(int row_index) override {
    const auto logits = runner_->logits(row_index);
    std::fill(logits.begin(), logits.end(), 0.0f);
    const auto& row = rows_[static_cast<std::size_t>(row_index)];
    Slot& slot = slots_[static_cast<std::size_t>(row.slot)];
    const ScriptedWindow& window = script_.windows[slot.window];
    const auto& [tokens, language] = says_[slot.window];
    if (row.token == special_.sot && window.no_speech) logits[static_cast<std::size_t>(special_.no_speech)] = 40;
    if (row.token == special_.sot && script_.multilingual) {
      logits[static_cast<std::size_t>(language)] = window.of_language;
      return logits;
    }
    int index = row.position + 1 - static_cast<int>(slot.prompt.size());
    if (index == 0 && !std::exchange(slot.is_known, true) && script_.on_prompt) script_.on_prompt(slot.prompt);
    // Where timestamps are wanted, text without any begins at the window's.
    const bool with_timestamps =
        std::find(slot.prompt.begin(), slot.prompt.end(), special_.notimestamps) == slot.prompt.end();
    if (with_timestamps && !tokens.empty() && tokens.front() < special_.timestamp_begin && --index == -1) {
      logits[static_cast<std::size_t>(special_.timestamp_begin)] = window.certainty;
      return logits;
    }
    const bool says = index >= 0 && index < static_cast<int>(tokens.size());
    logits[static_cast<std::size_t>(says ? tokens[static_cast<std::size_t>(index)] : special_.eot)] = window.certainty;
    return logits;
  }
  Status fork(int slot, std::span<const int> parents) override { return runner_->fork(slot, parents); }
  Result<std::span<float>> alignment_weights(int slot, int branch, int first_head, int num_heads, int num_positions,
                                             int num_frames) override {
    return runner_->alignment_weights(slot, branch, first_head, num_heads, num_positions, num_frames);
  }

 private:
  struct Slot {
    std::size_t window = 0;
    std::vector<int> prompt = {};
    bool is_known = false;  ///< on_prompt has been called
  };
  struct Says {
    std::vector<int> tokens;
    int language;
  };

  std::unique_ptr<whisper::Runner> runner_;
  Script script_;
  const text::SpecialTokens special_;
  std::vector<Says> says_;
  std::vector<Slot> slots_;
  std::size_t num_encoded_ = 0;
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
  STENOD_ASSIGN_OR_RETURN(auto parts, RecogniserParts::load({.model_path = model, .vad_file = vad, .num_threads = 2}));
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
