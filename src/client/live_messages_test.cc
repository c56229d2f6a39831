#include "client/live_messages.h"

#include <gtest/gtest.h>

namespace stenod::client {
namespace {

template <typename T>
T parse(std::string_view text) {
  const auto message = parse_live_message(text);
  EXPECT_TRUE(message.ok()) << text;
  const T* wanted = message.ok() ? std::get_if<T>(&*message) : nullptr;
  EXPECT_NE(wanted, nullptr) << text;
  return wanted == nullptr ? T() : *wanted;
}

TEST(LiveMessages, Reads) {
  EXPECT_EQ(parse<Ready>(R"({"type":"ready","session_id":"abc","words":true})").session_id, "abc");
  const auto partial = parse<Partial>(R"({"type":"partial","text":" so it","stable":" so","channel":1,"start":0.5})");
  EXPECT_EQ(partial.text, " so it");
  EXPECT_EQ(partial.stable, " so");
  EXPECT_EQ(partial.channel, 1);
  const auto final = parse<Final>(
      R"({"type":"final","text":"x","start":1,"end":2.25,"language":"en",
          "words":[{"word":"x","start":1,"end":1.5,"probability":0.75}]})");
  EXPECT_EQ(final.text, "x");
  EXPECT_EQ(final.start, 1);
  EXPECT_EQ(final.end, 2.25);
  EXPECT_EQ(final.language, "en");
  ASSERT_EQ(final.words.size(), 1U);
  EXPECT_EQ(final.words[0].word, "x");
  EXPECT_EQ(final.words[0].end, 1.5);
  EXPECT_EQ(final.words[0].probability, 0.75);
  const auto error = parse<Trouble>(R"({"type":"error","code":"overloaded","message":"full"})");
  EXPECT_TRUE(error.is_error);
  EXPECT_EQ(error.code, "overloaded");
  EXPECT_EQ(error.message, "full");
  EXPECT_FALSE(parse<Trouble>(R"({"type":"warning"})").is_error);
  EXPECT_EQ(parse<End>(R"({"type":"end","reason":"session_limit"})").reason, "session_limit");
  parse<Other>(R"({"type":"pong"})");
  parse<Other>(R"({"type":"of the future"})");
}

TEST(LiveMessages, WrongMembersCountAsEmpty) {
  const auto final = parse<Final>(
      R"({"type":"final","text":7,"start":"x","end":null,"channel":-1,"words":[1,{"word":[]},{"start":1e999}]})");
  EXPECT_EQ(final.text, "");
  EXPECT_EQ(final.start, 0);
  EXPECT_EQ(final.end, 0);
  EXPECT_EQ(final.channel, 0);
  ASSERT_EQ(final.words.size(), 2U);
  EXPECT_EQ(final.words[0].word, "");
  EXPECT_EQ(final.words[1].start, 0);
  EXPECT_EQ(parse<Final>(R"({"type":"final","words":{}})").words.size(), 0U);
  EXPECT_EQ(parse<Partial>(R"({"type":"partial","channel":1e18})").channel, 0);
}

TEST(LiveMessages, RefusesOtherProtocols) {
  for (const char* text : {"", "hello", "{", "[]", "{}", R"({"type":1})", R"({"text":"x"})", "null"}) {
    const auto message = parse_live_message(text);
    ASSERT_FALSE(message.ok()) << text;
    EXPECT_EQ(message.error().code, ErrorCode::kJsonMalformed);
  }
}

}  // namespace
}  // namespace stenod::client
