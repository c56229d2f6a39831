#include "base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "base/json.h"

namespace stenod {
namespace {

using ::testing::MatchesRegex;

class LogTest : public ::testing::Test {
 protected:
  ~LogTest() override { init_log("info"); }

  /// What `write` logs.
  template <typename Write>
  static std::string logged(LogFormat format, const Write& write) {
    ::testing::internal::CaptureStderr();
    init_log("info", format);
    write();
    return ::testing::internal::GetCapturedStderr();
  }
  static constexpr const char* kTime = "[0-9]+-[0-9]+-[0-9]+T[0-9]+:[0-9]+:[0-9]+[.][0-9][0-9][0-9]Z ";
};

TEST_F(LogTest, MessagesAreForPeople) {
  EXPECT_EQ(logged(LogFormat::kMessages, [] { log::warn("odd"); }), "warning: odd\n");
  EXPECT_EQ(logged(LogFormat::kMessages, [] { log::debug("odd"); }), "");
}

TEST_F(LogTest, TextHasFields) {
  const std::string line = logged(LogFormat::kText, [] {
    log_event(log::level::info, "session_ended",
              {{"session_id", "4f2a"},
               {"audio_s", 3.2},
               {"num_finals", 7},
               {"bytes", 18446744073709551615U},
               {"is_tls", true},
               {"reason", "went \"away\"\nlevel=error"},
               {"empty", ""}});
  });
  EXPECT_THAT(line, MatchesRegex(std::string(kTime) +
                                 "info session_ended session_id=4f2a audio_s=3.2 num_finals=7 "
                                 "bytes=18446744073709551615 is_tls=true reason=\"went .\"away.\".nlevel=error\" "
                                 "empty=\"\"\n"));
}

TEST_F(LogTest, TextMessagesStayOneLine) {
  EXPECT_THAT(logged(LogFormat::kText, [] { log::error("cannot: {}", "no"); }),
              MatchesRegex(std::string(kTime) + "error cannot: no\n"));
  EXPECT_THAT(logged(LogFormat::kText, [] { log::error("a\nb\x1b[0m"); }),
              MatchesRegex(std::string(kTime) + "error \"a.nb.u001[bB].0m\"\n"));
}

TEST_F(LogTest, JsonIsValidWhateverTheTextHolds) {
  const std::string line = logged(LogFormat::kJson, [] {
    log_event(
        log::level::warn, "odd",
        {{"bytes", "\xFF\xFE\"\n\x01"}, {"umlaut", "ä"}, {"n", -1}, {"nan", std::numeric_limits<double>::quiet_NaN()}});
  });
  ASSERT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  const auto value = parse_json(line);
  ASSERT_TRUE(value.ok()) << line;
  const auto& object = value->as_object();
  EXPECT_EQ(object.at("level"), "warning");
  EXPECT_EQ(object.at("event"), "odd");
  EXPECT_EQ(object.at("bytes"), "\uFFFD\uFFFD\"\n\x01");
  EXPECT_EQ(object.at("umlaut"), "ä");
  EXPECT_EQ(object.at("n"), -1);
  EXPECT_TRUE(object.at("nan").is_null());
  EXPECT_EQ(object.at("time").as_string().size(), std::string("2027-01-31T12:00:00.123Z").size());

  const auto message = parse_json(logged(LogFormat::kJson, [] { log::info("say \"{}\"", "\x80"); }));
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(message->at("message"), "say \"\uFFFD\"");
}

TEST_F(LogTest, EventsBelowTheLevelAreLeftOut) {
  EXPECT_EQ(logged(LogFormat::kJson, [] { log_event(log::level::debug, "detail"); }), "");
}

}  // namespace
}  // namespace stenod
