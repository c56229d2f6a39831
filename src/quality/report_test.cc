#include "quality/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"

namespace stenod::quality {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

Report make_report() {
  Recording spoken{"ls-1", "", "red green blue black", "en", "read"};
  spoken.parts = {{0.0, "red"}, {2.0, "black"}};
  const std::vector<Recording> recordings = {spoken,
                                             {"ls-2", "", "white", "en", "read"},
                                             {"n-1", "", "", "zxx", "noise"},
                                             {"de-1", "", "ja \"nein\"", "de", "read"}};
  const std::vector<Hypothesis> hypotheses = {
      {"red green\n blue", {{"red", 0.25, 1}}}, {"white"}, {"Thanks\x1b[31m for watching"}, {"", {}, "audio: damaged"}};
  Report report;
  report.info = {"stenod 1.2.3",          "set.jsonl", "",         "base",
                 "cpu (avx2, 2 threads)", "int8",      "Some CPU", {{"model", "base"}}};
  report.evaluation = evaluate(recordings, hypotheses);
  report.speed = Speed{100, 4};
  report.against = "before.json";
  report.comparison =
      *compare(evaluate(recordings, std::vector<Hypothesis>(4)).recordings, report.evaluation.recordings);
  return report;
}

TEST(ReportText, HasAllFigures) {
  const std::string text = report_text(make_report());
  EXPECT_THAT(text, HasSubstr("stenod 1.2.3: model base, int8, cpu (avx2, 2 threads)\n4 recordings of set.jsonl\n"));
  EXPECT_THAT(text, ContainsRegex("all en +2 +5 +20\\.00 +0\\.00 to 25\\.00 +0 +1 +0 "));
  EXPECT_THAT(text, ContainsRegex("read de +1 +2 +100\\.00 +- "));
  EXPECT_THAT(text, HasSubstr("Text on 1 of 1 recordings without speech; the longest:\n"));
  EXPECT_THAT(text, HasSubstr("Thanks [31m for watching"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text,
              HasSubstr("Word times: median 0.250 s, 90th percentile 0.250 s off, at the first words of 1 of 2 parts "
                        "of 1 long recording\n"));
  EXPECT_THAT(text, HasSubstr("Speed: 100 s of audio in 4.0 s, 25.0x real time (real-time factor 0.0400)\n"));
  EXPECT_THAT(text, ContainsRegex("Most errors:\n  de-1 +2 errors in +2 words \\(100.00 %\\)"));
  EXPECT_THAT(text, HasSubstr("1 of 4 recordings failed"));
  EXPECT_THAT(text, HasSubstr("audio: damaged"));
  EXPECT_THAT(text, HasSubstr("Against before.json"));
  EXPECT_THAT(text, ContainsRegex("all en +2 +100\\.00 +20\\.00 +-80\\.00 +-100\\.00 to -75\\.00 +0\\.000"));
  EXPECT_THAT(text, HasSubstr("Text on recordings without speech: 0 -> 1\n2 recordings have fewer errors; most:\n"));
}

TEST(ReportText, TextsMadeElsewhereHaveNoModel) {
  Report report = make_report();
  report.info = {"stenod 1.2.3", "set.jsonl", "other.jsonl"};
  report.speed.reset();
  const std::string text = report_text(report);
  EXPECT_THAT(text, HasSubstr("stenod 1.2.3: texts of other.jsonl\n"));
  EXPECT_THAT(text, Not(HasSubstr("Speed")));
}

TEST(ReportJson, HasAllFigures) {
  const auto parsed = parse_json(report_json(make_report()));
  ASSERT_TRUE(parsed) << parsed.error().message;
  const json::object& report = parsed->as_object();
  EXPECT_EQ(report.at("model").as_string(), "base");
  EXPECT_EQ(report.at("options").as_object().at("model").as_string(), "base");
  EXPECT_FALSE(report.contains("hypotheses"));
  const json::object& english = report.at("groups").as_array().at(0).as_object();
  EXPECT_EQ(english.at("group").as_string(), "all en");
  EXPECT_EQ(english.at("words").to_number<int>(), 5);
  EXPECT_EQ(english.at("deletions").to_number<int>(), 1);
  EXPECT_EQ(english.at("word_error_rate").to_number<double>(), 0.2);
  EXPECT_EQ(english.at("word_error_rate_interval").as_object().at("high").to_number<double>(), 0.25);
  EXPECT_TRUE(report.at("groups").as_array().at(1).as_object().at("word_error_rate_interval").is_null());
  EXPECT_EQ(report.at("non_speech").as_object().at("with_text").to_number<int>(), 1);
  EXPECT_EQ(report.at("timing").as_object().at("median_s").to_number<double>(), 0.25);
  EXPECT_EQ(report.at("speed").as_object().at("audio_s_per_wall_s").to_number<double>(), 25);
  EXPECT_EQ(report.at("failed").to_number<int>(), 1);
  const json::object& comparison = report.at("comparison").as_object();
  EXPECT_EQ(comparison.at("groups").as_array().at(0).as_object().at("word_error_rate_difference").to_number<double>(),
            -0.8);
  EXPECT_EQ(comparison.at("num_better").to_number<int>(), 2);
  const json::array& recordings = report.at("recordings").as_array();
  ASSERT_EQ(recordings.size(), 4u);
  EXPECT_EQ(recordings[3].as_object().at("failure").as_string(), "audio: damaged");
  EXPECT_TRUE(recordings[2].as_object().at("reference").is_null());
}

TEST(ReportJson, IsReadAgain) {
  const Report report = make_report();
  const auto read = parse_report(report_json(report), "r.json");
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->size(), report.evaluation.recordings.size());
  for (std::size_t i = 0; i < read->size(); ++i) {
    const RecordingResult& written = report.evaluation.recordings[i];
    EXPECT_EQ((*read)[i].id, written.id);
    EXPECT_EQ((*read)[i].language, written.language);
    EXPECT_EQ((*read)[i].kind, written.kind);
    EXPECT_EQ((*read)[i].reference, written.reference);
    EXPECT_EQ((*read)[i].text, written.text);
    EXPECT_EQ((*read)[i].failure, written.failure);
    EXPECT_EQ((*read)[i].errors.words, written.errors.words);
    EXPECT_EQ((*read)[i].errors.characters, written.errors.characters);
    EXPECT_EQ((*read)[i].errors.character_errors, written.errors.character_errors);
  }
}

TEST(ReportJson, SaysWhatIsWrongAndWhere) {
  constexpr std::string_view kRecording =
      R"({"id":"a","kind":"read","language":"en","text":"","words":2,"substitutions":1,"deletions":1,"insertions":0,)"
      R"("characters":3,"character_errors":1})";
  const auto expect = [](const std::string& contents, ErrorCode code, const std::string& message) {
    const auto read = parse_report(contents, "r.json");
    ASSERT_FALSE(read) << contents;
    EXPECT_EQ(read.error().code, code);
    EXPECT_THAT(read.error().message, HasSubstr(message));
  };
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string text(kRecording);
    return R"({"recordings":[)" + text.replace(text.find(from), from.size(), to) + "]}";
  };
  EXPECT_TRUE(parse_report(with("", ""), "r.json"));
  expect("{", ErrorCode::kJsonMalformed, "r.json: ");
  expect("[]", ErrorCode::kReportMalformed, "r.json: expected a JSON object");
  expect("{}", ErrorCode::kReportMalformed, "r.json: recordings: is missing or empty");
  expect(R"({"recordings":1})", ErrorCode::kReportMalformed, "r.json: recordings: expected an array");
  expect(with(R"("id":"a",)", ""), ErrorCode::kReportMalformed, "r.json: recordings[0]: id: is missing");
  expect(with(R"("words":2)", R"("words":1)"), ErrorCode::kReportMalformed, "words: is less than");
  expect(with(R"("words":2)", R"("words":2.5)"), ErrorCode::kReportMalformed, "words: expected a whole number");
  expect(with(R"("words":2)", R"("words":1e30)"), ErrorCode::kReportMalformed, "words: 1e+30 is out of range");
  expect(with(R"("characters":3,)", ""), ErrorCode::kReportMalformed, "characters: is missing");
  expect(R"({"recordings":[)" + std::string(kRecording) + ',' + std::string(kRecording) + "]}",
         ErrorCode::kReportMalformed, "recordings[1]: id: 'a' is there twice");
}

}  // namespace
}  // namespace stenod::quality
