#include "access/credentials.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <limits>
#include <set>

namespace stenod::access {
namespace {

constexpr std::string_view kSecret = "a secret of the server";
const TokenClaims kClaims = {"abcdefgh", "23456723", TimePoint(std::chrono::seconds(1800000000)), 3};

TEST(Keys, AreLongAndRandomAndCarryTheirId) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const auto key = make_key();
    ASSERT_TRUE(key.ok());
    EXPECT_EQ(key->size(), 3U + 8 + 1 + 32) << "32 characters of base 32 are 160 bits";
    ASSERT_TRUE(key_id_of(*key)) << *key;
    EXPECT_EQ(*key_id_of(*key), key->substr(3, 8));
    EXPECT_TRUE(seen.insert(*key).second);
    // Of an HTTP token (RFC 9110, section 5.6.2), which a WebSocket subprotocol has to be.
    EXPECT_EQ(key->find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_"), std::string::npos);
  }
}

TEST(Keys, OtherTextsHaveNoId) {
  const std::string secret(32, 'a');
  ASSERT_TRUE(key_id_of("sk_abcdefgh_" + secret));
  for (const std::string& text :
       {std::string(), std::string("sk_"), "sk_abcdefgh" + secret, "sk_abcdefgh_" + secret + "a",
        "sk_abcdefgh_" + secret + "_", "sk_abcdefgh_" + secret.substr(1), "sk_abcdefg_" + secret,
        "sk_abcdefghi_" + secret, "sk_ABCDEFGH_" + secret, "sk_abcdefg1_" + secret, "st_abcdefgh_" + secret,
        " sk_abcdefgh_" + secret, "sk_abcdefgh_" + secret.substr(1) + "\n"}) {
    EXPECT_FALSE(key_id_of(text)) << text;
  }
}

TEST(Tokens, CarryTheirClaims) {
  EXPECT_EQ(verify_token(sign_token(kClaims, kSecret), kSecret), kClaims);
  TokenClaims extreme = kClaims;
  extreme.streams = std::numeric_limits<int>::max();
  extreme.expires_at = TimePoint(std::chrono::seconds(std::numeric_limits<std::int64_t>::max()));
  EXPECT_EQ(verify_token(sign_token(extreme, kSecret), kSecret), extreme);
}

TEST(Tokens, AnyChangedCharacterIsNoticed) {
  const std::string token = sign_token(kClaims, kSecret);
  for (std::size_t i = 0; i < token.size(); ++i) {
    for (const char c : {'a', 'b', '0', '_', '\0'}) {
      std::string changed = token;
      changed[i] = c;
      EXPECT_EQ(verify_token(changed, kSecret).has_value(), changed == token) << changed;
    }
    EXPECT_FALSE(verify_token(token.substr(0, i), kSecret)) << i;
  }
  EXPECT_FALSE(verify_token(token + "a", kSecret));
  EXPECT_FALSE(verify_token(token, "another secret"));
  EXPECT_FALSE(verify_token(token, ""));
}

TEST(Tokens, SignedTextsOfAnotherFormAreRefused) {
  const auto reads = [](std::string_view text) { return verify_token(sign_text(std::string(text), kSecret), kSecret); };
  ASSERT_TRUE(reads("st_abcdefgh_23456723_1800000000_3"));
  for (const char* text :
       {"st", "st_", "st__", "st_abcdefgh", "st_abcdefgh_23456723", "st_abcdefgh_23456723_1800000000",
        "st_abcdefgh_23456723_1800000000_", "st_abcdefgh_23456723__3", "st_abcdefgh_23456723_-1_3",
        "st_abcdefgh_23456723_1800000000_-3", "st_abcdefgh_23456723_1800000000_3_4",
        "st_abcdefgh_23456723_1800000000x_3", "st_abcdefgh_23456723_99999999999999999999_3",
        "st_abcdefgh_23456723_1800000000_4294967296", "st_abcdefg_23456723_1800000000_3",
        "st_abcdefgh_2345672_1800000000_3", "st_abcdefg1_23456723_1800000000_3", "st_abcdefgh_2345672._1800000000_3",
        "sk_abcdefgh_23456723_1800000000_3"}) {
    EXPECT_FALSE(reads(text)) << text;
  }
  EXPECT_FALSE(reads("st_abcdefgh_23456723_1800000000_" + std::string(300, '0') + "3")) << "longer than any of ours";
}

TEST(RandomText, HasFiveBitsInEachCharacter) {
  EXPECT_EQ(random_text(0)->size(), 0U);
  EXPECT_EQ(random_text(1)->size(), 2U);
  EXPECT_EQ(random_text(5)->size(), 8U);
  EXPECT_EQ(random_text(32)->size(), 52U);
}

}  // namespace
}  // namespace stenod::access
