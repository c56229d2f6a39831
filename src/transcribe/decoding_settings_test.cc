#include "transcribe/decoding_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <numeric>
#include <string>

#include "transcribe/testing/scripted_recogniser.h"

namespace stenod::transcribe {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

class DecodingSettingsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = std::filesystem::temp_directory_path() / "stenod_decoding_XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    recogniser_ = testing::scripted_recogniser(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::vector<int> encode(std::string_view text) { return recogniser_->tokenizer().encode(text); }
  DecodingPlan plan(const DecodingSettings& settings) {
    auto planned = plan_decoding(settings, *recogniser_);
    EXPECT_TRUE(planned.ok()) << planned.error().message;
    return *std::move(planned);
  }

  std::filesystem::path folder_;
  std::unique_ptr<Recogniser> recogniser_;
};

TEST_F(DecodingSettingsTest, TextsBecomeTokensWithOneSpaceBeforeThem) {
  DecodingSettings settings = default_file_decoding();
  settings.initial_prompt = "  Ada Lovelace. \n";
  settings.hotwords = "Babbage";
  settings.prefix = "So";
  const DecodingPlan planned = plan(settings);
  EXPECT_EQ(planned.initial_prompt, encode(" Ada Lovelace."));
  EXPECT_EQ(planned.hotwords, encode(" Babbage"));
  EXPECT_EQ(planned.options.prefix, encode(" So"));
  std::vector<int> prompt = encode(" Babbage");
  const std::vector<int> second = encode(" Ada Lovelace.");
  prompt.insert(prompt.end(), second.begin(), second.end());
  EXPECT_EQ(planned.options.prompt, prompt);
  EXPECT_EQ(planned.options.search.beam_size, 5);
  EXPECT_EQ(planned.options.search.temperatures.size(), 6u);
  EXPECT_EQ(planned.options.suppressed, recogniser_->suppressed_tokens());
  EXPECT_FALSE(planned.options.prefix_is_promised);
}

TEST_F(DecodingSettingsTest, ControlTokensInAPromptAreText) {
  DecodingSettings settings;
  settings.initial_prompt = "<|endoftext|><|transcribe|>";
  for (const int token : plan(settings).options.prompt) EXPECT_TRUE(recogniser_->tokenizer().is_text(token));
}

TEST_F(DecodingSettingsTest, BlankTextsAreNone) {
  DecodingSettings settings;
  settings.initial_prompt = " \t\n";
  EXPECT_THAT(plan(settings).options.prompt, IsEmpty());
}

TEST_F(DecodingSettingsTest, SuppressedTokensAreTheModelsOwnAndThoseGiven) {
  const auto own = recogniser_->suppressed_tokens();
  ASSERT_NE(own, nullptr);
  DecodingSettings settings;
  settings.suppress_tokens = std::vector<int>{};
  EXPECT_THAT(plan(settings).options.suppressed->always, IsEmpty());
  EXPECT_EQ(plan(settings).options.suppressed->at_begin, own->at_begin);
  settings.suppress_tokens = std::vector<int>{7, -1};
  std::vector<int> both = {7};
  both.insert(both.end(), own->always.begin(), own->always.end());
  EXPECT_EQ(plan(settings).options.suppressed->always, both);
  settings.suppress_blank = false;
  EXPECT_THAT(plan(settings).options.suppressed->at_begin, IsEmpty());
  const auto& special = recogniser_->tokenizer().special();
  for (const int wrong : {-2, recogniser_->dims().vocab_size, special.eot, special.timestamp_begin + 5}) {
    settings.suppress_tokens = std::vector<int>{wrong};
    const auto refused = plan_decoding(settings, *recogniser_);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(refused.error().param, "suppress_tokens");
  }
}

TEST(JoinPrompt, KeepsTheFirstHotwordsAndTheLastOfWhatWasSaid) {
  std::vector<int> hotwords(200), previous(300);
  std::iota(hotwords.begin(), hotwords.end(), 0);
  std::iota(previous.begin(), previous.end(), 1000);
  EXPECT_THAT(join_prompt({}, {}, max_prompt_tokens(448)), IsEmpty());
  EXPECT_THAT(join_prompt(std::span(hotwords).first(2), std::span(previous).first(2), max_prompt_tokens(448)),
              ElementsAre(0, 1, 1000, 1001));
  const auto alone = join_prompt({}, previous, max_prompt_tokens(448));
  EXPECT_THAT(alone, ElementsAreArray(std::span(previous).last(223)));
  EXPECT_THAT(join_prompt(hotwords, {}, max_prompt_tokens(448)), ElementsAreArray(hotwords));
  EXPECT_EQ(join_prompt(hotwords, std::span(previous).first(50), max_prompt_tokens(448)).size(), 223u);
  const auto both = join_prompt(hotwords, previous, max_prompt_tokens(448));
  ASSERT_EQ(both.size(), 223u);
  EXPECT_EQ(both[0], 0);
  EXPECT_EQ(both[110], 110);
  EXPECT_EQ(both[111], 1300 - 112);
  EXPECT_EQ(both.back(), 1299);
}

}  // namespace
}  // namespace stenod::transcribe
