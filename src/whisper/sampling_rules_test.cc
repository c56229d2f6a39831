#include "whisper/sampling_rules.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "whisper/test_vocabulary.h"

namespace stenod::whisper {
namespace {

constexpr float kNone = -std::numeric_limits<float>::infinity();
const SpecialTokens kTokens = test_tokens();

int ts(int frame) { return kTokens.timestamp_begin + frame; }

/// OpenAI's rules, written as they are published: masks over the whole row, log-soft-max.
std::vector<float> published_logprobs(const std::vector<int>& sampled, std::vector<float> logits,
                                      const DecodingOptions& options) {
  const auto hide = [&](int begin, int end) {
    std::fill(logits.begin() + begin, logits.begin() + std::max(begin, end), kNone);
  };
  const int vocab = static_cast<int>(logits.size());
  if (options.suppressed) {
    for (const int t : options.suppressed->always) logits[t] = kNone;
    if (sampled.empty()) {
      for (const int t : options.suppressed->at_begin) logits[t] = kNone;
    }
  }
  hide(kTokens.end_of_text + 1, kTokens.timestamp_begin);
  if (options.segmentation != Segmentation::kTimestamps) {
    hide(kTokens.timestamp_begin, vocab);
  } else {
    const std::size_t n = sampled.size();
    const bool last_was = n >= 1 && sampled[n - 1] >= kTokens.timestamp_begin;
    const bool penultimate_was = n < 2 || sampled[n - 2] >= kTokens.timestamp_begin;
    if (last_was) {
      if (penultimate_was) {
        hide(kTokens.timestamp_begin, vocab);
      } else {
        hide(0, kTokens.end_of_text);
      }
    }
    for (std::size_t i = n; i-- > 0;) {
      if (sampled[i] < kTokens.timestamp_begin) continue;
      hide(kTokens.timestamp_begin, last_was && !penultimate_was ? sampled[i] : sampled[i] + 1);
      break;
    }
    if (sampled.empty()) {
      hide(0, kTokens.timestamp_begin);
      hide(ts(static_cast<int>(std::lround(options.max_initial_timestamp_s / 0.02))) + 1, vocab);
    }
  }
  const auto log_sum = [&](int begin, int end) {
    double sum = 0;
    for (int i = begin; i < end; ++i) sum += std::exp(static_cast<double>(logits[i]));
    return std::log(sum);
  };
  const float best_text = *std::max_element(logits.begin(), logits.begin() + kTokens.timestamp_begin);
  if (log_sum(kTokens.timestamp_begin, vocab) > best_text) hide(0, kTokens.timestamp_begin);
  const double sum = log_sum(0, vocab);
  for (float& logit : logits) logit = static_cast<float>(logit - sum);
  return logits;
}

SampledToken published_rules(const std::vector<int>& sampled, const std::vector<float>& logits,
                             const DecodingOptions& options) {
  const auto logprobs = published_logprobs(sampled, logits, options);
  const auto best = std::max_element(logprobs.begin(), logprobs.end());
  return {static_cast<int>(best - logprobs.begin()), *best};
}

/// What rank() and draw() give for `logits` fits `expected` log-probabilities.
void expect_same_distribution(const SamplingRules& rules, const std::vector<int>& sampled,
                              const std::vector<float>& logits, const std::vector<float>& expected) {
  std::vector<int> order(expected.size());
  std::iota(order.begin(), order.end(), 0);
  const auto logprob = [&](int token) { return expected[static_cast<std::size_t>(token)]; };
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return logprob(a) > logprob(b); });
  std::array<SampledToken, 6> best;
  auto scratch = logits;
  const std::size_t count = rules.rank(sampled, scratch, best);
  ASSERT_GE(count, 1u);
  for (std::size_t i = 0; i < best.size(); ++i) {
    if (i >= count) {
      EXPECT_EQ(logprob(order[i]), kNone) << "there were more";
      continue;
    }
    EXPECT_EQ(best[i].token, order[i]) << i;
    EXPECT_NEAR(best[i].logprob, logprob(order[i]), 1e-4);
  }
  for (const double uniform : {0.0, 0.37, 0.81, 0.9999999}) {
    scratch = logits;
    const auto drawn = rules.draw(sampled, scratch, 0.7f, uniform);
    ASSERT_NE(logprob(drawn.token), kNone) << drawn.token << " is not allowed";
    EXPECT_NEAR(drawn.logprob, logprob(drawn.token), 1e-4);
  }
}

TEST(SamplingRules, AgreeWithThePublishedOnesInsideTheAudio) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal(0, 2);
  auto suppressed = std::make_shared<SuppressedTokens>();
  suppressed->always = {3, 4, 55};
  suppressed->at_begin = {1, 50};
  for (const bool timestamps : {true, false}) {
    DecodingOptions options;
    options.segmentation = timestamps ? Segmentation::kTimestamps : Segmentation::kWhole;
    options.suppressed = suppressed;
    const SamplingRules rules(kTokens, options, 1500);
    for (int run = 0; run < 40; ++run) {
      std::vector<int> sampled;
      for (int step = 0; step < 40; ++step) {
        auto logits = flat_logits();
        const float lift = static_cast<float>(run % 8);  // text against timestamps
        for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = normal(random) + (i <= 50 ? lift : 0);
        // Keep the end of the audio out of reach, where the rules differ on purpose.
        for (std::size_t i = static_cast<std::size_t>(ts(200 + 30 * step)); i < logits.size(); ++i) logits[i] = kNone;
        const auto logits_before = logits;
        const auto want = published_rules(sampled, logits, options);
        const auto got = rules.choose(sampled, logits);
        ASSERT_EQ(got.token, want.token) << "run " << run << " step " << step;
        ASSERT_NEAR(got.logprob, want.logprob, 1e-4);
        expect_same_distribution(rules, sampled, logits_before, published_logprobs(sampled, logits_before, options));
        if (got.token == kTokens.end_of_text) break;
        sampled.push_back(got.token);
      }
    }
  }
}

TEST(SamplingRules, BeginWithATimestampThatIsNotLate) {
  const SamplingRules rules(kTokens, {}, 1500);
  auto logits = flat_logits();
  logits[5] = 50;
  logits[static_cast<std::size_t>(ts(51))] = 40;
  logits[static_cast<std::size_t>(ts(50))] = 30;
  EXPECT_EQ(rules.choose({}, logits).token, ts(50));
}

TEST(SamplingRules, ATimestampBehindTheAudioMeansItsEnd) {
  const SamplingRules rules(kTokens, {}, 100);
  auto logits = flat_logits(-10);
  logits[static_cast<std::size_t>(ts(130))] = 5;
  EXPECT_EQ(rules.choose(std::vector{ts(0), 7}, logits).token, ts(100));
  logits = flat_logits(-10);
  logits[static_cast<std::size_t>(ts(100))] = 5;
  EXPECT_EQ(rules.choose(std::vector{ts(0), 7}, logits).token, ts(100));
}

TEST(SamplingRules, TimestampsBehindTheAudioAreOneTokenInEveryChoice) {
  const SamplingRules rules(kTokens, {}, 100);
  auto logits = flat_logits(-10);
  logits[static_cast<std::size_t>(ts(99))] = 4;
  logits[static_cast<std::size_t>(ts(100))] = 3;
  logits[static_cast<std::size_t>(ts(130))] = 5;
  logits[static_cast<std::size_t>(ts(140))] = 4.5f;
  const auto fresh = logits;
  std::array<SampledToken, 3> best;
  ASSERT_EQ(rules.rank(std::vector{ts(0), 7}, logits, best), 3u);
  EXPECT_EQ(best[0].token, ts(100));
  EXPECT_EQ(best[1].token, ts(99));
  EXPECT_LT(best[2].logprob, best[1].logprob - 5);
  for (const double uniform : {0.05, 0.3, 0.6, 0.95}) {
    logits = fresh;
    const auto drawn = rules.draw(std::vector{ts(0), 7}, logits, 1, uniform);
    EXPECT_TRUE(drawn.token == ts(99) || drawn.token == ts(100)) << drawn.token;
  }
}

TEST(SamplingRules, NothingFollowsASegmentThatEndsWithTheAudio) {
  const SamplingRules rules(kTokens, {}, 100);
  auto logits = flat_logits();
  logits[7] = 10;
  logits[static_cast<std::size_t>(ts(100))] = 10;
  EXPECT_EQ(rules.choose(std::vector{ts(0), 7, ts(100)}, logits).token, kTokens.end_of_text);
  logits = flat_logits();
  logits[static_cast<std::size_t>(ts(99))] = 10;
  EXPECT_EQ(rules.choose(std::vector{ts(0), 7, ts(99)}, logits).token, ts(99));
}

TEST(SamplingRules, TheFirstTimestampStaysInsideVeryShortAudio) {
  const SamplingRules rules(kTokens, {}, 10);
  auto logits = flat_logits();
  logits[static_cast<std::size_t>(ts(40))] = 10;
  EXPECT_LE(rules.choose({}, logits).token, ts(10));
}

TEST(SamplingRules, SpecialTokensAreNeverWritten) {
  DecodingOptions options;
  options.segmentation = Segmentation::kWhole;
  const SamplingRules rules(kTokens, options, 1500);
  auto logits = flat_logits();
  for (std::size_t i = 51; i < logits.size(); ++i) logits[i] = 100;
  logits[9] = 1;
  const auto got = rules.choose({}, logits);
  EXPECT_EQ(got.token, 9);
  EXPECT_NEAR(got.logprob, 1 - std::log(50 + std::exp(1.0)), 1e-5);
}

TEST(SamplingRules, WhatWasSaidIsLessLikelyOnce) {
  DecodingOptions options;
  options.segmentation = Segmentation::kWhole;
  options.search.repetition_penalty = 2;
  const SamplingRules rules(kTokens, options, 1500);
  auto logits = flat_logits(-10);
  logits[5] = 4;
  logits[6] = 1.9f;
  logits[7] = -3;
  logits[8] = 2.1f;
  EXPECT_EQ(rules.choose({}, logits).token, 5);
  EXPECT_EQ(rules.choose(std::vector{5, 7, 5}, logits).token, 8);
  EXPECT_FLOAT_EQ(logits[5], 2) << "it stands there twice, which counts once";
  EXPECT_FLOAT_EQ(logits[6], 1.9f);
  EXPECT_FLOAT_EQ(logits[7], -6) << "a negative logit falls too";
}

TEST(SamplingRules, NoNgramIsWrittenTwice) {
  DecodingOptions options;
  options.segmentation = Segmentation::kWhole;
  options.search.no_repeat_ngram_size = 3;
  const SamplingRules rules(kTokens, options, 1500);
  const auto chosen_after = [&](const std::vector<int>& sampled) {
    auto logits = flat_logits(-10);
    logits[5] = 4;
    logits[6] = 3;
    return rules.choose(sampled, logits).token;
  };
  EXPECT_EQ(chosen_after({5}), 5);
  EXPECT_EQ(chosen_after({5, 5}), 5);
  EXPECT_EQ(chosen_after({5, 5, 5}), 6) << "5 5 5 overlaps itself";
  EXPECT_EQ(chosen_after({7, 8, 5, 7, 8}), 6);
  EXPECT_EQ(chosen_after({7, 8, 5, 8, 7}), 5);
  options.search.no_repeat_ngram_size = 1;
  const SamplingRules no_token(kTokens, options, 1500);
  auto logits = flat_logits(-10);
  logits[5] = 4;
  logits[static_cast<std::size_t>(kTokens.end_of_text)] = -5;
  EXPECT_EQ(no_token.choose(std::vector{5}, logits).token, kTokens.end_of_text);
}

TEST(SamplingRules, SuppressedTokensOutsideTheVocabularyAreIgnored) {
  DecodingOptions options;
  options.segmentation = Segmentation::kWhole;
  options.suppressed = std::make_shared<SuppressedTokens>(SuppressedTokens{{-1, 1 << 30, 2}, {}});
  auto logits = flat_logits();
  logits[2] = 9;
  logits[8] = 8;
  EXPECT_EQ(SamplingRules(kTokens, options, 1500).choose({}, logits).token, 8);
}

TEST(SamplingRules, LogitsThatAreNoNumbersShow) {
  const SamplingRules rules(kTokens, {}, 1500);
  auto nan = flat_logits(std::numeric_limits<float>::quiet_NaN());
  EXPECT_FALSE(std::isfinite(rules.choose({}, nan).logprob));
  std::array<SampledToken, 2> best;
  EXPECT_EQ(rules.rank({}, nan, best), 0u);
  EXPECT_FALSE(std::isfinite(rules.draw({}, nan, 1, 0.5).logprob));
  auto none = flat_logits(kNone);
  EXPECT_FALSE(std::isfinite(rules.choose(std::vector{ts(0), 7}, none).logprob));
  auto text_only = flat_logits(0);
  for (const std::size_t at : {12, 50}) {
    text_only[at] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_FALSE(std::isfinite(rules.choose(std::vector{ts(0)}, text_only).logprob));
    text_only[at] = 0;
  }
}

}  // namespace
}  // namespace stenod::whisper
