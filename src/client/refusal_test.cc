#include "client/refusal.h"

#include <gtest/gtest.h>

namespace stenod::client {
namespace {

TEST(Refusal, TellsWhatTheServerSaidAndWhenToComeBack) {
  EXPECT_EQ(describe_refusal({503, R"({"error":{"code":"overloaded","message":"all places are taken"}})", "5"}),
            "the server refused the connection with status 503: all places are taken; try again in 5 s");
  EXPECT_EQ(describe_refusal({429, "", ""}), "the server refused the connection with status 429");
}

TEST(Refusal, SaysWhatToDo) {
  EXPECT_NE(describe_refusal({401, "", ""}).find("--key"), std::string::npos);
  EXPECT_NE(describe_refusal({404, "<html>", ""}).find("/ws/transcribe"), std::string::npos);
}

TEST(Refusal, ShowsNoOtherBodies) {
  for (const char* body : {"<html>boo</html>", "{", "[]", R"({"error":"boo"})", R"({"error":{"message":["boo"]}})"}) {
    EXPECT_EQ(describe_refusal({500, body, "boo"}), "the server refused the connection with status 500");
  }
  const std::string huge = R"({"error":{"message":")" + std::string(100'000, 'x') + R"("}})";
  EXPECT_LT(describe_refusal({500, huge, "123456789012345"}).size(), 500U);
}

}  // namespace
}  // namespace stenod::client
