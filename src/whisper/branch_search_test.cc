#include "whisper/branch_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <set>

#include "whisper/test_vocabulary.h"
#include "whisper/window_decoder.h"

namespace stenod::whisper {
namespace {

using ::testing::ElementsAre;

constexpr float kNone = -std::numeric_limits<float>::infinity();
const SpecialTokens kTokens = test_tokens();

/// A model of few tokens: what may follow a text, with its probability; the rest goes to token 0.
using Language = std::map<std::vector<int>, std::map<int, float>>;

DecodingOptions text_alone(SearchOptions search) {
  DecodingOptions options;
  options.language_token = 52;
  options.segmentation = Segmentation::kWhole;
  options.search = std::move(search);
  return options;
}

/// Runs a decoder as the engine and a runner do, and keeps what each branch holds.
class Driver {
 public:
  using Logits = std::function<std::vector<float>(const std::vector<int>& text)>;

  Driver(const DecodingOptions& options, float temperature, Logits logits)
      : decoder_(kTokens, options, 448, 200, temperature), logits_(std::move(logits)) {}

  DecodedWindow run() {
    for (num_steps_ = 0; !decoder_.finished() && num_steps_ < 600; ++num_steps_) {
      if (const auto parents = decoder_.parents(); !parents.empty()) {
        std::vector<std::vector<int>> next;
        for (const int parent : parents) next.push_back(branches_.at(static_cast<std::size_t>(parent)));
        branches_ = std::move(next);
      }
      const std::vector<DecoderRow> rows(decoder_.rows().begin(), decoder_.rows().end());
      std::vector<std::vector<float>> logits;
      for (const DecoderRow& row : rows) {
        auto& branch = branches_.at(static_cast<std::size_t>(row.branch));
        branch.resize(static_cast<std::size_t>(row.position));
        branch.push_back(row.token);
        logits.push_back(row.position < 3 ? flat_logits() : logits_({branch.begin() + 4, branch.end()}));
      }
      most_rows_ = std::max(most_rows_, rows.size());
      const auto status = decoder_.accept([&](int row) { return std::span(logits.at(static_cast<std::size_t>(row))); });
      EXPECT_TRUE(status.ok()) << status.error().message;
    }
    EXPECT_TRUE(decoder_.finished());
    DecodedWindow window = decoder_.take();
    // The branch holds what the result says: the last token may have had no row.
    const auto& branch = branches_.at(static_cast<std::size_t>(window.branch));
    EXPECT_LE(window.num_rows, static_cast<int>(branch.size()));
    const auto prompt = static_cast<std::size_t>(window.prompt_length);
    for (std::size_t i = 0; i < window.tokens.size() && prompt + i < branch.size(); ++i) {
      EXPECT_EQ(branch[prompt + i], window.tokens[i]) << i;
    }
    EXPECT_GE(window.num_rows, window.prompt_length + static_cast<int>(window.tokens.size()) - 1);
    EXPECT_EQ(window.logprobs.size(), window.tokens.size());
    return window;
  }

  int num_steps_ = 0;
  std::size_t most_rows_ = 0;

 private:
  WindowDecoder decoder_;
  Logits logits_;
  std::vector<std::vector<int>> branches_ = {{}};
};

Driver::Logits speaks(const Language& language) {
  return [language](const std::vector<int>& text) {
    auto logits = flat_logits(kNone);
    const auto next = language.find(text);
    if (next == language.end()) {
      logits[50] = 0;
      return logits;
    }
    float rest = 1;
    for (const auto& [token, probability] : next->second) {
      logits[static_cast<std::size_t>(token)] = std::log(probability);
      rest -= probability;
    }
    if (rest > 1e-6f) logits[0] = std::log(rest);
    return logits;
  };
}

SearchOptions beam(int size, float patience = 1, float length_penalty = 1) {
  SearchOptions search;
  search.beam_size = size;
  search.patience = patience;
  search.length_penalty = length_penalty;
  return search;
}

// Greedy search takes 1, which leads to nothing likely; the better text begins with the second best token.
const Language kGardenPath = {{{}, {{1, 0.5f}, {2, 0.4f}}},
                              {{1}, {{3, 0.3f}, {4, 0.3f}, {5, 0.3f}}},
                              {{2}, {{6, 0.99f}}},
                              {{1, 3}, {{50, 1.0f}}},
                              {{2, 6}, {{50, 1.0f}}}};

TEST(BranchSearch, ABeamFindsWhatGreedySearchMisses) {
  Driver greedy(text_alone(beam(1)), 0, speaks(kGardenPath));
  EXPECT_THAT(greedy.run().tokens, ElementsAre(1, 3));
  Driver wide(text_alone(beam(2)), 0, speaks(kGardenPath));
  const auto window = wide.run();
  EXPECT_THAT(window.tokens, ElementsAre(2, 6));
  EXPECT_EQ(window.finish, FinishReason::kEndOfText);
  EXPECT_NEAR(window.avg_logprob, (std::log(0.4) + std::log(0.99)) / 3, 1e-5);
  EXPECT_EQ(wide.most_rows_, 4u) << "the prompt; two hypotheses take two rows";
  EXPECT_EQ(window.prompt_length, 4);
  EXPECT_EQ(window.num_rows, 6);
}

TEST(BranchSearch, TheLengthPenaltyDecidesBetweenShortAndLong) {
  const Language language = {{{}, {{1, 0.6f}, {2, 0.4f}}}, {{1}, {{50, 0.5f}, {3, 0.49f}}},
                             {{2}, {{50, 1.0f}}},          {{1, 3}, {{4, 1.0f}}},
                             {{1, 3, 4}, {{5, 1.0f}}},     {{1, 3, 4, 5}, {{50, 1.0f}}}};
  // {1}: 0.3, {2}: 0.4, {1 3 4 5}: 0.294.
  EXPECT_THAT(Driver(text_alone(beam(3, 2, 0)), 0, speaks(language)).run().tokens, ElementsAre(2));
  EXPECT_THAT(Driver(text_alone(beam(3, 2, 1)), 0, speaks(language)).run().tokens, ElementsAre(1, 3, 4, 5));
}

TEST(BranchSearch, PatienceGoesOnLooking) {
  const Language language = {{{}, {{50, 0.3f}, {1, 0.35f}, {2, 0.34f}}},
                             {{1}, {{50, 0.6f}, {3, 0.4f}}},
                             {{2}, {{4, 1.0f}}},
                             {{2, 4}, {{5, 1.0f}}},
                             {{2, 4, 5}, {{6, 1.0f}}},
                             {{2, 4, 5, 6}, {{50, 1.0f}}}};
  Driver hasty(text_alone(beam(2, 1)), 0, speaks(language)), patient(text_alone(beam(2, 2)), 0, speaks(language));
  EXPECT_NE(hasty.run().tokens.size(), 4u);
  EXPECT_THAT(patient.run().tokens, ElementsAre(2, 4, 5, 6));
  EXPECT_GT(patient.num_steps_, hasty.num_steps_);
}

/// Beam search as it is published, over whole texts, without branches, slots or rows.
std::vector<int> published_beam_search(const Driver::Logits& logits_of, int beam_size, float patience, int max_tokens) {
  using Scored = std::pair<float, std::vector<int>>;
  const auto max_ended = static_cast<std::size_t>(std::lround(static_cast<float>(beam_size) * patience));
  std::vector<Scored> live = {{0.0f, {}}}, ended;
  while (ended.size() < max_ended && !live.empty()) {
    std::vector<Scored> all;
    for (const auto& [sum, text] : live) {
      auto logits = logits_of(text);
      double total = 0;
      for (int i = 0; i <= 50; ++i) total += std::exp(static_cast<double>(logits[static_cast<std::size_t>(i)]));
      std::vector<Scored> of_this;
      for (int i = 0; i <= 50; ++i) {
        auto longer = text;
        longer.push_back(i);
        of_this.emplace_back(sum + logits[static_cast<std::size_t>(i)] - static_cast<float>(std::log(total)), longer);
      }
      std::stable_sort(of_this.begin(), of_this.end(), [](auto& a, auto& b) { return a.first > b.first; });
      all.insert(all.end(), of_this.begin(), of_this.begin() + beam_size + 1);
    }
    std::stable_sort(all.begin(), all.end(), [](auto& a, auto& b) { return a.first > b.first; });
    live.clear();
    for (auto& [sum, text] : all) {
      if (static_cast<int>(live.size()) == beam_size) break;
      if (text.back() == 50) {
        if (ended.size() < max_ended) ended.emplace_back(sum, text);
      } else {
        live.emplace_back(sum, text);
      }
    }
    if (!live.empty() && static_cast<int>(live.front().second.size()) == max_tokens) {
      for (auto& [sum, text] : live) {
        text.push_back(50);  // counts for the length alone
        ended.emplace_back(sum, text);
      }
      break;
    }
  }
  const auto best = std::max_element(ended.begin(), ended.end(), [](auto& a, auto& b) {
    return a.first / static_cast<float>(a.second.size()) < b.first / static_cast<float>(b.second.size());
  });
  return {best->second.begin(), best->second.end() - 1};
}

TEST(BranchSearch, AgreesWithThePublishedAlgorithm) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    const auto logits_of = [seed](const std::vector<int>& text) {
      std::seed_seq history(text.begin(), text.end());
      std::vector<unsigned> mixed(1);
      history.generate(mixed.begin(), mixed.end());
      std::mt19937 random(mixed[0] + seed);
      std::normal_distribution<float> normal(0, 2.5f);
      auto logits = flat_logits(kNone);
      for (std::size_t i = 0; i <= 50; ++i) logits[i] = normal(random);
      logits[50] += 0.15f * static_cast<float>(text.size()) - 2;
      return logits;
    };
    const int size = 2 + static_cast<int>(seed % 6);
    const float patience = seed % 3 == 0 ? 1.0f : seed % 3 == 1 ? 1.6f : 0.4f;
    DecodingOptions options = text_alone(beam(size, patience));
    options.max_tokens = 40;
    Driver driver(options, 0, logits_of);
    EXPECT_EQ(driver.run().tokens, published_beam_search(logits_of, size, patience, 40)) << "seed " << seed;
  }
}

TEST(BranchSearch, ALoopEndsAHypothesisAndTheOthersGoOn) {
  // 7 repeats for ever with certainty; the text that begins with 8 ends.
  const auto logits_of = [](const std::vector<int>& text) {
    auto logits = flat_logits(-30);
    if (text.empty()) {
      logits[7] = 1;
      logits[8] = 0;
    } else {
      logits[static_cast<std::size_t>(text.front() == 8 && text.size() > 30 ? 50
                                      : text.front() == 8                   ? text.size()
                                                                            : 7)] = 10;
    }
    return logits;
  };
  EXPECT_EQ(Driver(text_alone(beam(1)), 0, logits_of).run().finish, FinishReason::kRepetition);
  const auto window = Driver(text_alone(beam(2)), 0, logits_of).run();
  EXPECT_EQ(window.finish, FinishReason::kEndOfText);
  EXPECT_EQ(window.tokens.size(), 31u);
}

TEST(BranchSearch, EndsAtTheLimitWithTheBestThatThereIs) {
  const auto logits_of = [](const std::vector<int>& text) {
    auto logits = flat_logits(kNone);
    for (std::size_t i = 1; i < 50; ++i) logits[i] = static_cast<float>((i * 7 + text.size() * 3) % 11);
    return logits;
  };
  DecodingOptions options = text_alone(beam(5));
  options.max_tokens = 12;
  const auto window = Driver(options, 0, logits_of).run();
  EXPECT_EQ(window.finish, FinishReason::kTokenLimit);
  EXPECT_EQ(window.tokens.size(), 12u);
  EXPECT_EQ(window.num_rows, window.prompt_length + 11);
}

TEST(BranchSearch, SamplesAreRepeatableAndFollowTheProbabilities) {
  SearchOptions search;
  search.best_of = 1;
  search.temperatures = {0.5f};
  const Language coin = {{{}, {{1, 0.6f}, {2, 0.4f}}}};
  int ones = 0;
  constexpr int kDraws = 4000;
  for (int seed = 0; seed < kDraws; ++seed) {
    search.seed = static_cast<std::uint64_t>(seed);
    const auto tokens = Driver(text_alone(search), 0.5f, speaks(coin)).run().tokens;
    EXPECT_EQ(tokens, Driver(text_alone(search), 0.5f, speaks(coin)).run().tokens);
    ASSERT_EQ(tokens.size(), 1u);
    ones += tokens[0] == 1 ? 1 : 0;
  }
  // At half the temperature probabilities are squared: 0.36 against 0.16.
  EXPECT_NEAR(ones / static_cast<double>(kDraws), 0.36 / 0.52, 0.025);
}

TEST(BranchSearch, TheBestOfTheSamplesCounts) {
  SearchOptions search;
  search.best_of = 5;
  search.temperatures = {1.0f};
  const Language language = {{{}, {{1, 0.5f}, {2, 0.3f}, {3, 0.2f}}}};
  std::set<int> found;
  int best = 0;
  for (int seed = 0; seed < 200; ++seed) {
    search.seed = static_cast<std::uint64_t>(seed);
    Driver driver(text_alone(search), 1.0f, speaks(language));
    const auto window = driver.run();
    ASSERT_EQ(window.tokens.size(), 1u);
    found.insert(window.tokens[0]);
    best += window.tokens[0] == 1 ? 1 : 0;
    // The log-probability is that of temperature 1.
    EXPECT_NEAR(window.logprobs[0], std::log(language.at({}).at(window.tokens[0])), 1e-4);
    EXPECT_EQ(driver.most_rows_, 5u);
  }
  EXPECT_GT(best, 180);  // all five samples miss the best in 3 of 100
  EXPECT_GT(found.size(), 1u);
}

TEST(BranchSearch, PrefixAndPromptStandBeforeIt) {
  DecodingOptions options = text_alone(beam(2));
  options.prefix = {1};
  const auto window = Driver(options, 0, speaks(kGardenPath)).run();
  EXPECT_EQ(window.tokens.front(), 1);
  EXPECT_NEAR(window.logprobs.front(), std::log(0.5), 1e-3);
}

TEST(BranchSearch, RefusesLogitsThatAreNoNumbers) {
  for (const float temperature : {0.0f, 0.6f}) {
    SearchOptions search = beam(3);
    search.temperatures = {temperature};
    WindowDecoder decoder(kTokens, text_alone(search), 448, 200, temperature);
    auto logits = flat_logits();
    const auto logits_of = [&](int) { return std::span(logits); };
    ASSERT_TRUE(decoder.accept(logits_of).ok());
    logits = flat_logits(std::numeric_limits<float>::quiet_NaN());
    const auto status = decoder.accept(logits_of);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, ErrorCode::kInternal);
  }
}

}  // namespace
}  // namespace stenod::whisper
