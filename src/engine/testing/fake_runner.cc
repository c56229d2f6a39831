#include "engine/testing/fake_runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

namespace stenod::engine::testing {
namespace {

std::uint64_t mix(std::uint64_t x) {
  x ^= x >> 31;
  x *= 0x9e3779b97f4a7c15ull;
  x ^= x >> 29;
  return x;
}

}  // namespace

whisper::SpecialTokens fake_tokens() {
  whisper::SpecialTokens tokens;
  tokens.end_of_text = 100;
  tokens.start_of_transcript = 101;
  tokens.languages = {102, 103, 104};
  tokens.translate = 105;
  tokens.transcribe = 106;
  tokens.start_of_previous = 108;
  tokens.no_speech = 107;
  tokens.no_timestamps = 109;
  tokens.timestamp_begin = 110;
  return tokens;
}

TextFunctions fake_text() {
  const auto word = [](int token) { return token < 10 ? std::string(".") : fmt::format(" w{}", token); };
  TextFunctions text;
  text.detokenise = [word](std::span<const int> tokens) {
    std::string all;
    for (const int token : tokens) all += word(token);
    return all;
  };
  text.split_words = [word](std::span<const int> tokens, int) {
    std::vector<text::WordTokens> words;
    for (const int token : tokens) words.push_back({word(token), {token}});
    return words;
  };
  text.max_text_tokens = [](int, double) { return 300; };
  return text;
}

std::shared_ptr<const audio::LogMel> fake_audio(int id, int num_frames) {
  auto mel = std::make_shared<audio::LogMel>();
  mel->num_mels = kFakeMels;
  mel->num_frames = num_frames;
  mel->values.assign(static_cast<std::size_t>(num_frames) * kFakeMels, -1.0f);
  mel->values[0] = 0;
  mel->values[1] = static_cast<float>(-id) / 100;
  return mel;
}

FakeRunner::FakeRunner(whisper::RunnerLimits limits, ScriptOf script_of, std::shared_ptr<FakeRunnerLog> log,
                       std::function<void()> before_encode)
    : limits_(limits),
      script_of_(std::move(script_of)),
      log_(std::move(log)),
      before_encode_(std::move(before_encode)),
      tokens_(fake_tokens()),
      slots_(static_cast<std::size_t>(limits.num_slots)),
      logits_(kFakeVocabSize) {
  dims_.num_mels = kFakeMels;
  dims_.vocab_size = kFakeVocabSize;
}

void FakeRunner::violation(std::string what) {
  const std::lock_guard lock(log_->mutex);
  log_->violations.push_back(std::move(what));
}

Status FakeRunner::encode(std::span<const whisper::EncodeWindow> windows) {
  if (before_encode_) before_encode_();
  int total = 0;
  std::set<int> seen;
  bool fails = false;
  if (windows.empty()) violation("encode: no windows");
  for (const auto& window : windows) {
    total += window.num_frames;
    if (window.slot < 0 || window.slot >= limits_.num_slots || !seen.insert(window.slot).second) {
      violation(fmt::format("encode: slot {}", window.slot));
      continue;
    }
    if (window.num_frames < 1 || window.num_frames > dims_.max_encoder_frames ||
        window.features.size() != static_cast<std::size_t>(window.num_frames) * 2 * kFakeMels) {
      violation(fmt::format("encode: {} frames, {} features", window.num_frames, window.features.size()));
      continue;
    }
    {
      const std::lock_guard lock(log_->mutex);
      log_->encoded_frames.push_back(window.num_frames);
    }
    Slot& slot = slots_[static_cast<std::size_t>(window.slot)];
    slot.id = static_cast<int>(std::lround(-100 * (4 * window.features[1] - 4)));
    slot.num_frames = window.num_frames;
    slot.script = script_of_(slot.id, window.num_frames);
    slot.branches.assign(1, {});
    slot.num_shared = 0;
    slot.encoded = !slot.script.encode_fails;
    fails |= slot.script.encode_fails;
  }
  if (total > limits_.max_group_frames) violation(fmt::format("encode: {} frames in a group", total));
  if (fails) return Error{ErrorCode::kInternal, "scripted failure to encode"};
  return {};
}

Status FakeRunner::step(std::span<const whisper::StepRow> rows) {
  rows_.assign(rows.begin(), rows.end());
  {
    const std::lock_guard lock(log_->mutex);
    log_->max_rows_seen = std::max(log_->max_rows_seen, static_cast<int>(rows.size()));
  }
  if (rows.empty() || static_cast<int>(rows.size()) > limits_.max_rows) {
    violation(fmt::format("step: {} rows", rows.size()));
  }
  std::set<std::pair<int, int>> seen;
  std::set<int> slots_seen;
  bool fails = false;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto& row = rows[i];
    if (row.slot < 0 || row.slot >= limits_.num_slots) {
      violation(fmt::format("step: slot {}", row.slot));
      continue;
    }
    const bool same_slot = i > 0 && rows[i - 1].slot == row.slot;
    const bool goes_on = same_slot && rows[i - 1].branch == row.branch;
    if (goes_on && row.position != rows[i - 1].position + 1) violation("step: positions are not consecutive");
    if (!goes_on && !seen.insert({row.slot, row.branch}).second && same_slot)
      violation("step: rows of a branch are not consecutive");
    if (!same_slot && !slots_seen.insert(row.slot).second) violation("step: rows of a slot are not consecutive");
    Slot& slot = slots_[static_cast<std::size_t>(row.slot)];
    if (!slot.encoded) violation(fmt::format("step: slot {} holds no window", row.slot));
    if (row.branch < 0 || row.branch >= static_cast<int>(slot.branches.size())) {
      violation(fmt::format("step: branch {} of {}", row.branch, slot.branches.size()));
      continue;
    }
    auto& tokens = slot.branches[static_cast<std::size_t>(row.branch)];
    const auto position = static_cast<std::size_t>(row.position);
    if (row.position < 0 || position < slot.num_shared || position > tokens.size() ||
        row.position >= dims_.max_text_positions) {
      violation(fmt::format("step: position {}, written {}, shared {}", row.position, tokens.size(), slot.num_shared));
      continue;
    }
    if (row.token < 0 || row.token >= dims_.vocab_size) violation(fmt::format("step: token {}", row.token));
    tokens.resize(position);
    tokens.push_back(row.token);
    fails |= slot.script.step_fails_at == row.position;
  }
  if (fails) return Error{ErrorCode::kInternal, "scripted failure to step"};
  return {};
}

Status FakeRunner::fork(int slot_index, std::span<const int> parents) {
  if (parents.empty() || static_cast<int>(parents.size()) > limits_.max_branches + 1) {
    violation(fmt::format("fork: {} branches", parents.size()));
  }
  Slot& slot = slots_.at(static_cast<std::size_t>(slot_index));
  std::vector<std::vector<int>> branches;
  slot.num_shared = 0;
  for (const int parent : parents) {
    if (parent < 0 || parent >= static_cast<int>(slot.branches.size())) {
      violation(fmt::format("fork: parent {} of {}", parent, slot.branches.size()));
      continue;
    }
    branches.push_back(slot.branches[static_cast<std::size_t>(parent)]);
    if (parents.size() > 1) slot.num_shared = std::max(slot.num_shared, branches.front().size());
  }
  slot.branches = std::move(branches);
  return {};
}

std::span<float> FakeRunner::logits(int row_index) {
  const auto& row = rows_.at(static_cast<std::size_t>(row_index));
  if (!row.wants_logits) violation("logits of a row that has not asked for them");
  fill_logits(slots_[static_cast<std::size_t>(row.slot)], row);
  return logits_;
}

// Noise that depends on all that came before, and on top the token that the script wants.
void FakeRunner::fill_logits(const Slot& slot, const whisper::StepRow& row) {
  const int position = row.position;
  const auto& tokens = slot.branches[static_cast<std::size_t>(row.branch)];
  std::uint64_t history = static_cast<std::uint64_t>(slot.id) * 1000003 + static_cast<std::uint64_t>(slot.num_frames);
  int prompt_end = 0;
  for (int p = 0; p <= position; ++p) {
    const int token = tokens[static_cast<std::size_t>(p)];
    history = mix(history * 31 + static_cast<std::uint64_t>(token));
    const bool of_prompt = token > tokens_.end_of_text && token < tokens_.timestamp_begin;
    if (of_prompt) prompt_end = p;
  }
  for (std::size_t v = 0; v < logits_.size(); ++v) {
    logits_[v] = static_cast<float>(mix(history + v * 0x51ed27) % 1024) / 1024 - 8;
  }
  if (position == slot.script.nan_at) {
    std::fill(logits_.begin(), logits_.end(), std::numeric_limits<float>::quiet_NaN());
    return;
  }
  if (row.token == tokens_.start_of_transcript) {
    // The share of <|nospeech|> in the soft-max over everything.
    logits_[static_cast<std::size_t>(tokens_.languages[static_cast<std::size_t>(slot.script.language)])] = 3;
    double others = 0;
    for (const float logit : logits_) others += std::exp(static_cast<double>(logit));
    others -= std::exp(static_cast<double>(logits_[static_cast<std::size_t>(tokens_.no_speech)]));
    const double p = slot.script.no_speech_prob;
    logits_[static_cast<std::size_t>(tokens_.no_speech)] = static_cast<float>(std::log(others * p / (1 - p)));
    return;
  }
  const auto next = static_cast<std::size_t>(position - prompt_end);
  const auto& alternative = slot.script.alternative;
  const bool other =
      next > 0 && !alternative.empty() && tokens[static_cast<std::size_t>(prompt_end) + 1] == alternative[0];
  const auto& said = other ? alternative : slot.script.tokens;
  const int token = next < said.size() ? said[next] : tokens_.end_of_text;
  logits_[static_cast<std::size_t>(token)] += slot.script.certainty;
  if (next == 0 && !alternative.empty()) {
    logits_[static_cast<std::size_t>(alternative[0])] = logits_[static_cast<std::size_t>(token)] - 0.5f;
  }
}

Result<std::span<float>> FakeRunner::alignment_weights(int slot_index, int branch, int first_head, int num_heads,
                                                       int num_positions, int num_frames) {
  const Slot& slot = slots_.at(static_cast<std::size_t>(slot_index));
  const auto& tokens = slot.branches.at(static_cast<std::size_t>(branch));
  if (!slot.encoded || first_head < 0 || num_heads < 1 || first_head + num_heads > num_alignment_heads() ||
      num_positions < 1 || num_positions > static_cast<int>(tokens.size()) || num_frames < 1 ||
      num_frames > slot.num_frames) {
    violation("alignment_weights: beyond what was decoded");
    return Error{ErrorCode::kInternal, "alignment_weights: beyond what was decoded"};
  }
  weights_.clear();
  for (int head = 0; head < num_heads; ++head) {
    for (int p = 0; p < num_positions; ++p) {
      const int peak = p * num_frames / num_positions;
      for (int f = 0; f < num_frames; ++f) {
        const bool near = p > 0 && std::abs(f - peak) <= 4;
        weights_.push_back(near ? 0.1f : 0.1f / static_cast<float>(num_frames));
      }
    }
  }
  return std::span(weights_);
}

}  // namespace stenod::engine::testing
