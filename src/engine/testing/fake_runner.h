#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "audio/features.h"
#include "engine/engine.h"
#include "whisper/runner.h"
#include "whisper/special_tokens.h"

namespace stenod::engine::testing {

/// What a window "says", by the number that fake_audio() has hidden in its features and the length it is encoded in.
struct Script {
  std::vector<int> tokens;  ///< text and timestamps, to be followed by the end of text
  int language = 0;         ///< index of the language that detection finds
  float no_speech_prob = 0.1f;
  float certainty = 12;  ///< how far the logit of the next token stands above the others
  /// What may be said instead: begins with another token, a little less likely than the first of `tokens`.
  std::vector<int> alternative = {};
  bool encode_fails = false;
  int step_fails_at = -1;  ///< position
  int nan_at = -1;         ///< position whose logits are not numbers
};
using ScriptOf = std::function<Script(int id, int num_frames)>;

/// A vocabulary of 100 text tokens, three languages and Whisper's 1501 timestamps.
whisper::SpecialTokens fake_tokens();
inline constexpr int kFakeVocabSize = 1611;
inline constexpr int kFakeMels = 4;

/// Token t from 10 on is written " wt"; those below are full stops.
TextFunctions fake_text();

/// Audio of `num_frames` log-mel frames that says script `id` (0 to 699).
std::shared_ptr<const audio::LogMel> fake_audio(int id, int num_frames);

/// What a fake runner has seen; outlives it.
struct FakeRunnerLog {
  std::mutex mutex;
  std::vector<std::string> violations;  ///< of the protocol in whisper/runner.h
  std::vector<int> encoded_frames;      ///< of every window
  int max_rows_seen = 0;
};

/// A runner without a model, deterministic, that checks its caller.
class FakeRunner : public whisper::Runner {
 public:
  /// `before_encode` is called at the start of every encode(), to hold up the engine; may be null.
  FakeRunner(whisper::RunnerLimits limits, ScriptOf script_of, std::shared_ptr<FakeRunnerLog> log,
             std::function<void()> before_encode = nullptr);

  const models::WhisperDims& dims() const override { return dims_; }
  const whisper::RunnerLimits& limits() const override { return limits_; }
  int num_alignment_heads() const override { return 2; }

  Status encode(std::span<const whisper::EncodeWindow> windows) override;
  Status step(std::span<const whisper::StepRow> rows) override;
  Status fork(int slot, std::span<const int> parents) override;
  std::span<float> logits(int row_index) override;
  /// Row r looks at frame r * num_frames / num_positions, the first row of the prompt at all alike.
  Result<std::span<float>> alignment_weights(int slot, int branch, int first_head, int num_heads, int num_positions,
                                             int num_frames) override;

 private:
  struct Slot {
    bool encoded = false;
    int id = 0;
    int num_frames = 0;
    Script script;
    std::vector<std::vector<int>> branches = {{}};  // tokens by position
    std::size_t num_shared = 0;                     // positions that branches have in common, at least
  };

  void violation(std::string what);
  void fill_logits(const Slot& slot, const whisper::StepRow& row);

  models::WhisperDims dims_;
  whisper::RunnerLimits limits_;
  ScriptOf script_of_;
  std::shared_ptr<FakeRunnerLog> log_;
  std::function<void()> before_encode_;
  whisper::SpecialTokens tokens_;
  std::vector<Slot> slots_;
  std::vector<whisper::StepRow> rows_;
  std::vector<float> logits_;
  std::vector<float> weights_;
};

}  // namespace stenod::engine::testing
