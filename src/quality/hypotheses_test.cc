#include "quality/hypotheses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>

namespace stenod::quality {
namespace {

using ::testing::HasSubstr;

const std::vector<Recording>& recordings() {
  static const std::vector<Recording> all = {{"a", "set/a.wav", "x", "en", "read"},
                                             {"b", "/set/b.wav", "y", "en", "read"},
                                             {"c", "set/c.wav", "z", "en", "read"}};
  return all;
}

TEST(Hypotheses, AreFoundByIdAndByFile) {
  const std::string contents = R"({"file": "set/../set/a.wav", "text": "one", "segments": [
      {"words": [{"word": " one", "start": 0.5, "end": 0.75}]}, {"text": ""}]})";
  std::string one_line = contents;
  std::replace(one_line.begin(), one_line.end(), '\n', ' ');
  const auto read = parse_hypotheses(
      one_line + "\n{\"id\": \"b\", \"text\": \"\"}\n{\"id\": \"other\", \"text\": \"\"}\n", "h", recordings());
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->of_recordings.size(), 3u);
  const Hypothesis& a = read->of_recordings[0];
  EXPECT_EQ(a.text, "one");
  ASSERT_EQ(a.words.size(), 1u);
  EXPECT_EQ(a.words[0].word, " one");
  EXPECT_EQ(a.words[0].start, 0.5);
  EXPECT_EQ(a.words[0].end, 0.75);
  EXPECT_FALSE(a.failure);
  EXPECT_EQ(read->of_recordings[1].text, "");
  EXPECT_FALSE(read->of_recordings[1].failure);
  EXPECT_EQ(read->of_recordings[2].failure, "no line in the file");
  EXPECT_EQ(read->num_unknown, 1u);
}

TEST(Hypotheses, AbsolutePathsAreTheSameAsRelativeOnes) {
  const std::string file = std::filesystem::absolute("set/c.wav").string();
  const auto read = parse_hypotheses(R"({"file": ")" + file + R"(", "text": "three"})", "h", recordings());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->of_recordings[2].text, "three");
}

TEST(Hypotheses, FailuresAreKeptWithTheTextThereIs) {
  const auto read = parse_hypotheses(R"({"id": "a", "error": {"code": "audio_corrupt", "message": "damaged"}}
{"id": "b", "text": "half", "error": {"message": "cut off"}}
{"id": "c", "error": "no"})",
                                     "h", recordings());
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->of_recordings[0].failure, "damaged");
  EXPECT_EQ(read->of_recordings[1].failure, "cut off");
  EXPECT_EQ(read->of_recordings[1].text, "half");
  EXPECT_EQ(read->of_recordings[2].failure, "failed");
}

TEST(Hypotheses, SayWhatIsWrongAndWhere) {
  const auto expect = [](std::string_view contents, ErrorCode code, const std::string& message) {
    const auto read = parse_hypotheses(contents, "h.jsonl", recordings());
    ASSERT_FALSE(read) << contents;
    EXPECT_EQ(read.error().code, code);
    EXPECT_THAT(read.error().message, HasSubstr(message));
  };
  expect("x", ErrorCode::kJsonMalformed, "h.jsonl, line 1: at byte");
  expect("{}", ErrorCode::kHypothesesMalformed, "h.jsonl, line 1: text: is missing");
  expect(R"({"text": "a"})", ErrorCode::kHypothesesMalformed, R"(line 1: id: is missing, expected "id" or "file")");
  expect(R"({"id": 1, "text": "a"})", ErrorCode::kHypothesesMalformed, "line 1: id: expected a text");
  expect(R"({"id": "a", "text": 1})", ErrorCode::kHypothesesMalformed, "line 1: text: expected a text");
  expect(R"({"id": "a", "text": "", "segments": 1})", ErrorCode::kHypothesesMalformed, "segments: expected an array");
  expect(R"({"id": "a", "text": "", "segments": [{"words": [{"word": "x", "start": -1}]}]})",
         ErrorCode::kHypothesesMalformed, "line 1: segments[0]: words[0]: start: -1 is out of range");
  expect("{\"id\":\"a\",\"text\":\"\"}\n{\"id\":\"a\",\"text\":\"\"}", ErrorCode::kHypothesesMalformed,
         "line 2: id: is a second line about 'a'");
}

}  // namespace
}  // namespace stenod::quality
