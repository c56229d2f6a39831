#include "quality/compared_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace stenod::quality {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ComparedText, EnglishHasItsOwnRules) {
  const ComparedText text = compared_text(" It's twenty-five, Mr. Colour! ", "en");
  EXPECT_THAT(text.words, ElementsAre("it", "is", "25", "mister", "color"));
  EXPECT_EQ(text.characters, U"it is 25 mister color");
}

TEST(ComparedText, OtherLanguagesHaveTheBasicOnes) {
  const ComparedText text = compared_text("¡Está a las cinco, it's!", "es");
  EXPECT_THAT(text.words, ElementsAre("está", "a", "las", "cinco", "it", "s"));
  EXPECT_EQ(text.characters, U"está a las cinco it s");
}

TEST(ComparedText, SomeLanguagesAreComparedByCharacter) {
  for (const char* language : {"zh", "ja", "ko"}) {
    const ComparedText text = compared_text("你好， 世界 ok。", language);
    EXPECT_THAT(text.words, ElementsAre("你", "好", "世", "界", "o", "k"));
    EXPECT_EQ(text.characters, U"你好世界ok");
  }
  EXPECT_THAT(compared_text("你好", "fr").words, ElementsAre("你好"));
}

TEST(ComparedText, MayBeEmpty) {
  EXPECT_THAT(compared_text("Uh. [noise]", "en").words, IsEmpty());
  EXPECT_EQ(compared_text("Uh. [noise]", "en").characters, U"");
  EXPECT_THAT(compared_text("", "zh").words, IsEmpty());
}

TEST(ComparedText, ErrorsAreCountedInWordsAndCharacters) {
  const TextErrors errors =
      compare(compared_text("the cat sat on the mat", "en"), compared_text("a cat sat the mats", "en"));
  EXPECT_EQ(errors.words, (EditCounts{3, 2, 1, 0}));
  EXPECT_EQ(errors.characters, 22u);
  EXPECT_EQ(errors.character_errors, 7u);  // "the" -> "a": 3, "on ": 3, "s": 1
}

}  // namespace
}  // namespace stenod::quality
