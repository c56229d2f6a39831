#include <gtest/gtest.h>

#include <filesystem>

#include "app/commands.h"

namespace stenod::app {
namespace {

TEST(OfferedName, IsTheLastComponent) {
  EXPECT_EQ(offered_name("base"), "base");
  EXPECT_EQ(offered_name("base/"), "base");
  EXPECT_EQ(offered_name("/srv/private/x"), "x");
  EXPECT_EQ(offered_name("../private/x.y//"), "x.y");
  EXPECT_EQ(offered_name("."), std::filesystem::current_path().filename());
}

}  // namespace
}  // namespace stenod::app
