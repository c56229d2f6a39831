#include "whisper/window_decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "whisper/test_vocabulary.h"

namespace stenod::whisper {
namespace {

using ::testing::ElementsAre;

const SpecialTokens kTokens = test_tokens();

int ts(int frame) { return kTokens.timestamp_begin + frame; }

std::vector<float> likely(int token, float height = 20) {
  auto logits = flat_logits();
  logits[static_cast<std::size_t>(token)] = height;
  return logits;
}

std::vector<int> row_tokens(const WindowDecoder& decoder) {
  std::vector<int> tokens;
  for (const auto& row : decoder.rows()) tokens.push_back(row.token);
  return tokens;
}

/// The same logits for every row.
Status accept(WindowDecoder& decoder, std::vector<float> logits) {
  return decoder.accept([&](int) { return std::span(logits); });
}

/// The model wants `token` after the last row.
void feed(WindowDecoder& decoder, int token) {
  const int last = static_cast<int>(decoder.rows().size()) - 1;
  std::vector<float> logits;
  ASSERT_TRUE(decoder.accept([&](int row) {
    EXPECT_TRUE(decoder.rows()[static_cast<std::size_t>(row)].wants_logits);
    logits = row == last ? likely(token) : flat_logits();
    return std::span(logits);
  }));
}

/// The model writes `text` and ends it, whatever it is asked for. Returns the number of steps.
int run(WindowDecoder& decoder, const std::vector<int>& text, std::vector<std::size_t>* rows_per_step = nullptr) {
  int num_steps = 0;
  std::vector<float> logits;
  for (; !decoder.finished() && num_steps < 1000; ++num_steps) {
    const std::vector<DecoderRow> rows(decoder.rows().begin(), decoder.rows().end());
    if (rows_per_step) rows_per_step->push_back(rows.size());
    EXPECT_TRUE(decoder.accept([&](int row) {
      const int next = rows[static_cast<std::size_t>(row)].position - 3;  // behind a prompt of four
      const bool ends = next >= static_cast<int>(text.size());
      logits = next < 0 ? flat_logits() : likely(ends ? kTokens.end_of_text : text[static_cast<std::size_t>(next)]);
      logits[static_cast<std::size_t>(row)] += 0.25f * static_cast<float>(next);  // no two rows alike
      return std::span(logits);
    }));
  }
  return num_steps;
}

DecodingOptions english() {
  DecodingOptions options;
  options.language_token = 52;
  return options;
}

TEST(WindowDecoder, PrefillsThePromptAndEndsAtEndOfText) {
  WindowDecoder decoder(kTokens, english(), 448, 200);
  EXPECT_THAT(row_tokens(decoder), ElementsAre(51, 52, 55));
  EXPECT_TRUE(decoder.rows()[0].wants_logits);  // <|nospeech|>
  EXPECT_FALSE(decoder.rows()[1].wants_logits);
  EXPECT_TRUE(decoder.rows()[2].wants_logits);
  for (const int token : {ts(0), 7, 8, ts(100)}) {
    feed(decoder, token);
    ASSERT_EQ(decoder.rows().size(), 1u);
    EXPECT_EQ(decoder.rows()[0].token, token);
  }
  EXPECT_EQ(decoder.rows()[0].position, 6);
  feed(decoder, 50);
  ASSERT_TRUE(decoder.finished());
  const auto window = decoder.take();
  EXPECT_THAT(window.tokens, ElementsAre(ts(0), 7, 8, ts(100)));
  EXPECT_EQ(window.logprobs.size(), 4u);
  EXPECT_EQ(window.finish, FinishReason::kEndOfText);
  EXPECT_EQ(window.language_token, 52);
  EXPECT_EQ(window.language_probability, 1);
  EXPECT_EQ(window.prompt_length, 3);
  EXPECT_EQ(window.num_rows, 7);
  EXPECT_NEAR(window.no_speech_prob, 1.0 / kTestVocabSize, 1e-6);
}

TEST(WindowDecoder, PromptsOfEveryKind) {
  DecodingOptions options = english();
  options.task = Task::kTranslate;
  options.segmentation = Segmentation::kWhole;
  EXPECT_THAT(row_tokens(WindowDecoder(kTokens, options, 448, 200)), ElementsAre(51, 52, 54, 58));

  SpecialTokens english_only = kTokens;
  english_only.languages.clear();
  EXPECT_THAT(row_tokens(WindowDecoder(english_only, {}, 448, 200)), ElementsAre(51));
  options.language_token.reset();
  EXPECT_THAT(row_tokens(WindowDecoder(english_only, options, 448, 200)), ElementsAre(51, 58));
}

TEST(WindowDecoder, AnEnglishOnlyModelSamplesFromTheFirstRow) {
  SpecialTokens english_only = kTokens;
  english_only.languages.clear();
  WindowDecoder decoder(english_only, {}, 448, 200);
  feed(decoder, ts(3));
  EXPECT_EQ(decoder.rows()[0].token, ts(3));
  EXPECT_EQ(decoder.rows()[0].position, 1);
}

TEST(WindowDecoder, DetectsTheLanguageFirst) {
  WindowDecoder decoder(kTokens, {}, 448, 200);
  EXPECT_THAT(row_tokens(decoder), ElementsAre(51));
  auto logits = likely(9, 30);  // not a language
  logits[52] = 1;
  logits[53] = 3;
  logits[57] = 29;
  ASSERT_TRUE(accept(decoder, logits));
  EXPECT_EQ(decoder.language_token(), 53);
  EXPECT_THAT(row_tokens(decoder), ElementsAre(53, 55));
  EXPECT_EQ(decoder.rows()[0].position, 1);
  EXPECT_FALSE(decoder.rows()[0].wants_logits);
  EXPECT_TRUE(decoder.rows()[1].wants_logits);
  feed(decoder, ts(0));
  feed(decoder, 50);
  const auto window = decoder.take();
  EXPECT_NEAR(window.language_probability, 1 / (1 + std::exp(-2.0)), 1e-5);
  EXPECT_NEAR(window.no_speech_prob, std::exp(-1.0) / (1 + std::exp(-1.0)), 1e-5);
  EXPECT_EQ(window.prompt_length, 3);
}

TEST(WindowDecoder, AvgLogprobCountsTheEndOfText) {
  DecodingOptions options = english();
  options.segmentation = Segmentation::kWhole;
  WindowDecoder decoder(kTokens, options, 448, 200);
  ASSERT_TRUE(accept(decoder, likely(7, 1)));
  ASSERT_TRUE(accept(decoder, likely(50, 2)));
  const double first = 1 - std::log(50 + std::exp(1.0));
  const double second = 2 - std::log(50 + std::exp(2.0));
  const auto window = decoder.take();
  EXPECT_NEAR(window.logprobs[0], first, 1e-5);
  EXPECT_NEAR(window.avg_logprob, (first + second) / 2, 1e-5);
}

TEST(WindowDecoder, StopsAtItsLimits) {
  DecodingOptions options = english();
  options.segmentation = Segmentation::kWhole;
  options.max_tokens = 3;
  WindowDecoder few(kTokens, options, 448, 200);
  for (const int token : {1, 2, 3}) feed(few, token);
  ASSERT_TRUE(few.finished());
  EXPECT_EQ(few.take().finish, FinishReason::kTokenLimit);

  options.max_tokens = 1000;
  WindowDecoder all(kTokens, options, 448, 200);
  int last_position = 0;
  for (int i = 0; !all.finished(); ++i) {
    last_position = all.rows().back().position;
    feed(all, (i * i + i / 50) % 50);
    ASSERT_LT(i, 448);
  }
  EXPECT_LT(last_position, 448);
  EXPECT_EQ(all.take().finish, FinishReason::kTokenLimit);

  WindowDecoder bounded(kTokens, english(), 448, 200);
  bounded.limit_text_tokens(2);
  for (const int token : {ts(0), 7, 8}) feed(bounded, token);
  ASSERT_TRUE(bounded.finished());
  EXPECT_EQ(bounded.take().tokens.size(), 3u);
}

TEST(WindowDecoder, TakesTheRepeatsOffALoop) {
  WindowDecoder decoder(kTokens, english(), 448, 1500);
  feed(decoder, ts(0));
  for (const int token : {1, 2, 3}) feed(decoder, token);
  for (int i = 0; i < 100 && !decoder.finished(); ++i) feed(decoder, 10 + i % 2);
  ASSERT_TRUE(decoder.finished());
  const auto window = decoder.take();
  EXPECT_EQ(window.finish, FinishReason::kRepetition);
  EXPECT_THAT(window.tokens, ElementsAre(ts(0), 1, 2, 3, 10, 11));
  EXPECT_EQ(window.logprobs.size(), 6u);
  EXPECT_TRUE(std::isfinite(window.avg_logprob));
}

TEST(WindowDecoder, RefusesLogitsThatAreNoNumbers) {
  auto nan = flat_logits(std::numeric_limits<float>::quiet_NaN());
  WindowDecoder decoder(kTokens, english(), 448, 200);
  const auto status = accept(decoder, nan);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kInternal);
  WindowDecoder later(kTokens, english(), 448, 200);
  feed(later, ts(0));
  EXPECT_FALSE(accept(later, nan));
}

DecodingOptions whole(std::vector<int> prefix, std::vector<int> draft) {
  DecodingOptions options = english();
  options.segmentation = Segmentation::kWhole;
  options.prefix = std::move(prefix);
  options.draft = std::move(draft);
  return options;
}

TEST(WindowDecoder, ADraftChangesTheNumberOfStepsAlone) {
  const std::vector<int> text = {1, 2, 3, 4, 5, 6, 7, 8};
  WindowDecoder plain(kTokens, whole({}, {}), 448, 200);
  EXPECT_EQ(run(plain, text), 9);
  const auto expected = plain.take();
  const std::vector<std::pair<std::vector<int>, int>> drafts = {
      {{1, 2, 3, 4, 5, 6, 7, 8}, 1},     // right to the end
      {{1, 2, 3, 4, 5, 6, 7, 8, 9}, 1},  // goes on too long
      {{1, 2, 3, 4}, 5},
      {{1, 2, 9, 4, 5, 6, 7, 8}, 7},  // wrong in the middle: the rest is not trusted
      {{9, 2}, 9},
      {{1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8}, 1},
  };
  for (const auto& [draft, steps] : drafts) {
    WindowDecoder decoder(kTokens, whole({}, draft), 448, 200);
    EXPECT_EQ(run(decoder, text), steps);
    const auto window = decoder.take();
    EXPECT_EQ(window.tokens, expected.tokens);
    EXPECT_EQ(window.logprobs, expected.logprobs);
    EXPECT_EQ(window.avg_logprob, expected.avg_logprob);
    EXPECT_EQ(window.num_rows, expected.num_rows);
    EXPECT_EQ(window.finish, expected.finish);
  }
}

TEST(WindowDecoder, APrefixIsWrittenWhateverTheModelWouldChoose) {
  WindowDecoder decoder(kTokens, whole({11, 12}, {3, 4}), 448, 200);
  EXPECT_THAT(row_tokens(decoder), ElementsAre(51, 52, 55, 58, 11, 12, 3, 4));
  EXPECT_EQ(run(decoder, {1, 2, 3, 4, 5}), 2);
  const auto window = decoder.take();
  EXPECT_THAT(window.tokens, ElementsAre(11, 12, 3, 4, 5));
  EXPECT_LT(window.logprobs[0], -15);  // what the model thinks of it
  EXPECT_GT(window.logprobs[2], -0.1);
  EXPECT_EQ(window.num_rows, 4 + 5);
}

TEST(WindowDecoder, WhatWasSaidBeforeStandsBeforeTheTranscript) {
  DecodingOptions options = english();
  options.prompt = {31, 32};
  WindowDecoder decoder(kTokens, options, 448, 200);
  EXPECT_THAT(row_tokens(decoder), ElementsAre(56, 31, 32, 51, 52, 55));
  EXPECT_TRUE(decoder.rows()[3].wants_logits);  // <|nospeech|>
  EXPECT_FALSE(decoder.rows()[4].wants_logits);
  feed(decoder, ts(0));
  feed(decoder, 50);
  const auto window = decoder.take();
  EXPECT_THAT(window.tokens, ElementsAre(ts(0)));
  EXPECT_EQ(window.prompt_length, 6);
  EXPECT_EQ(window.num_rows, 7);
}

TEST(WindowDecoder, ALanguageIsDetectedWithoutThePrompt) {
  DecodingOptions options;
  options.prompt = {31, 32};
  WindowDecoder decoder(kTokens, options, 448, 200);
  EXPECT_THAT(row_tokens(decoder), ElementsAre(51));
  ASSERT_TRUE(accept(decoder, likely(53, 3)));
  EXPECT_THAT(row_tokens(decoder), ElementsAre(56, 31, 32, 51, 53, 55));
  EXPECT_EQ(decoder.rows()[0].position, 0);
}

TEST(WindowDecoder, ALongPromptTakesSeveralSteps) {
  DecodingOptions options = whole({1, 2}, {});
  options.prompt.assign(222, 31);
  WindowDecoder decoder(kTokens, options, 448, 200);
  int next_position = 0, num_logits = 0;
  while (decoder.rows().back().position < 228) {
    ASSERT_LE(decoder.rows().size(), 32u);
    for (const auto& row : decoder.rows()) {
      EXPECT_EQ(row.position, next_position++);
      num_logits += row.wants_logits ? 1 : 0;
    }
    ASSERT_TRUE(accept(decoder, likely(9)));
  }
  EXPECT_EQ(num_logits, 1) << "for <|nospeech|>; what follows is in the last step";
  ASSERT_TRUE(accept(decoder, likely(9)));
  EXPECT_THAT(row_tokens(decoder), ElementsAre(9));
  ASSERT_TRUE(accept(decoder, likely(50)));
  EXPECT_THAT(decoder.take().tokens, ElementsAre(1, 2, 9));
}

TEST(WindowDecoder, WithTimestampsAPrefixStandsBehindTheFirst) {
  DecodingOptions options = english();
  options.prefix = {11, 12};
  WindowDecoder decoder(kTokens, options, 448, 200);
  EXPECT_THAT(row_tokens(decoder), ElementsAre(51, 52, 55, ts(0), 11, 12));
  feed(decoder, ts(80));
  feed(decoder, 50);
  EXPECT_THAT(decoder.take().tokens, ElementsAre(ts(0), 11, 12, ts(80)));
}

TEST(WindowDecoder, LongKnownTextTakesSeveralSteps) {
  std::vector<int> text;
  for (int i = 0; i < 70; ++i) text.push_back((i * i + i / 7) % 50);
  WindowDecoder decoder(kTokens, whole(text, {}), 448, 1500);
  std::vector<std::size_t> rows;
  EXPECT_EQ(run(decoder, text, &rows), 3);
  EXPECT_THAT(rows, ElementsAre(32, 32, 10));
  EXPECT_EQ(decoder.take().tokens, text);
}

TEST(WindowDecoder, ALoopNeverTakesThePrefixAway) {
  const std::vector<int> prefix(30, 10);
  WindowDecoder decoder(kTokens, whole(prefix, {}), 448, 1500);
  run(decoder, std::vector<int>(100, 10));
  const auto window = decoder.take();
  EXPECT_EQ(window.finish, FinishReason::kRepetition);
  EXPECT_EQ(window.tokens, prefix);
}

TEST(WindowDecoder, APrefixCountsForTheLimits) {
  DecodingOptions options = whole({1, 2, 3, 4, 5}, {});
  options.max_tokens = 2;
  WindowDecoder decoder(kTokens, options, 448, 200);
  run(decoder, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  const auto window = decoder.take();
  EXPECT_THAT(window.tokens, ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_EQ(window.finish, FinishReason::kTokenLimit);
}

}  // namespace
}  // namespace stenod::whisper
