#include "api/authorise.h"

#include <gtest/gtest.h>

#include "access/testing/access_folder.h"

namespace stenod::api {
namespace {

class AuthoriseTest : public ::testing::Test {
 protected:
  std::unique_ptr<access::Access> open(bool anybody_is_admin = false) {
    access::Options options;
    options.folder = folder_.path();
    options.anybody_is_admin = anybody_is_admin;
    return *access::Access::open(std::move(options));
  }
  std::string create_key(bool is_admin) {
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    return folder_.create_key({"a", is_admin}, now).text;
  }
  /// The error's name, or the key's name, or "anybody".
  static std::string_view outcome(access::Access& access, Route::Access needed, std::string_view credential) {
    HttpRequest request;
    request.client_address = "192.0.2.1";
    request.principal.key_id = "not set yet";
    const Status status = authorise(access, request, needed, credential);
    if (!status) return error_name(status.error().code);
    return request.principal.key_id.empty() ? "anybody" : "key";
  }

  access::AccessFolder folder_;
};

TEST_F(AuthoriseTest, WithoutKeys) {
  const auto access = open();
  EXPECT_EQ(outcome(*access, Route::Access::kPublic, ""), "anybody");
  EXPECT_EQ(outcome(*access, Route::Access::kKey, ""), "anybody");
  EXPECT_EQ(outcome(*access, Route::Access::kKey, "x"), "anybody");
  EXPECT_EQ(outcome(*access, Route::Access::kAdmin, ""), "forbidden");
  EXPECT_EQ(outcome(*open(true), Route::Access::kAdmin, ""), "anybody");
}

TEST_F(AuthoriseTest, WithKeys) {
  const std::string user = create_key(false);
  const std::string admin = create_key(true);
  const auto access = open(true);
  const std::string token = access->mint_token(*access->authenticate(admin, ""), {})->text;
  EXPECT_EQ(outcome(*access, Route::Access::kPublic, ""), "anybody");
  EXPECT_EQ(outcome(*access, Route::Access::kPublic, "wrong"), "anybody");
  EXPECT_EQ(outcome(*access, Route::Access::kKey, ""), "unauthorized");
  EXPECT_EQ(outcome(*access, Route::Access::kKey, "wrong"), "unauthorized");
  EXPECT_EQ(outcome(*access, Route::Access::kKey, user), "key");
  EXPECT_EQ(outcome(*access, Route::Access::kKey, token), "key");
  EXPECT_EQ(outcome(*access, Route::Access::kAdmin, ""), "unauthorized");
  EXPECT_EQ(outcome(*access, Route::Access::kAdmin, user), "forbidden");
  EXPECT_EQ(outcome(*access, Route::Access::kAdmin, token), "forbidden") << "tokens are for browsers";
  EXPECT_EQ(outcome(*access, Route::Access::kAdmin, admin), "key");
}

}  // namespace
}  // namespace stenod::api
