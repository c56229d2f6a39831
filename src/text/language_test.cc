#include "text/language.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>

namespace stenod::text {
namespace {

TEST(Language, HasWhispersHundredInTheOrderOfTheirTokens) {
  ASSERT_EQ(languages().size(), 100u);
  EXPECT_EQ(languages()[0].code, "en");
  EXPECT_EQ(languages()[1].code, "zh");
  EXPECT_EQ(languages()[98].code, "su");
  EXPECT_EQ(languages()[99].code, "yue");
  std::set<std::string_view> seen;
  for (const Language& language : languages()) {
    EXPECT_TRUE(seen.insert(language.code).second) << language.code;
    EXPECT_TRUE(seen.insert(language.name).second) << language.name;
    EXPECT_EQ(find_language(language.code), &language);
    EXPECT_EQ(find_language(language.name), &language);
  }
}

TEST(Language, IsFoundByNameAndAliasInAnyCase) {
  EXPECT_EQ(find_language("German")->code, "de");
  EXPECT_EQ(find_language("DE")->code, "de");
  EXPECT_EQ(find_language("Haitian Creole")->code, "ht");
  EXPECT_EQ(find_language("castilian")->code, "es");
  EXPECT_EQ(find_language("Mandarin")->code, "zh");
  EXPECT_EQ(find_language("Burmese")->code, "my");
  EXPECT_EQ(find_language("klingon"), nullptr);
  EXPECT_EQ(find_language(""), nullptr);
  EXPECT_EQ(find_language("e"), nullptr);
}

TEST(Language, SixAreWrittenWithoutSpaces) {
  int count = 0;
  for (const Language& language : languages()) count += is_written_without_spaces(language.code) ? 1 : 0;
  EXPECT_EQ(count, 6);
  EXPECT_TRUE(is_written_without_spaces("yue"));
  EXPECT_FALSE(is_written_without_spaces("ko"));
}

TEST(Language, TokenLimitGrowsWithTheAudioAndTheScript) {
  EXPECT_EQ(max_tokens_for("en", 0), 16);
  EXPECT_EQ(max_tokens_for("en", 5), 16 + 60);
  EXPECT_EQ(max_tokens_for("en", 0.01), 17);
  EXPECT_EQ(max_tokens_for("hi", 5), 16 + 120);
  EXPECT_EQ(max_tokens_for("my", 5), 16 + 250);
  EXPECT_EQ(max_tokens_for("unknown", 5), max_tokens_for("my", 5));
}

TEST(Language, TokenLimitStandsOddDurations) {
  EXPECT_EQ(max_tokens_for("en", -1), 16);
  EXPECT_EQ(max_tokens_for("en", std::numeric_limits<double>::quiet_NaN()), 16);
  EXPECT_EQ(max_tokens_for("en", std::numeric_limits<double>::infinity()), 16 + 12 * 86400);
}

}  // namespace
}  // namespace stenod::text
