#include "models/package_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace stenod::models {
namespace {

using ::testing::HasSubstr;

constexpr const char* kPage = "https://example.org/simple/a-b/";
const std::string kDigest(64, 'a');

Result<IndexedFile> find(std::string_view page) { return find_wheel(page, kPage, "a-b", "1.0"); }

std::string repeated(std::string_view text, int count) {
  std::string result;
  for (int i = 0; i < count; ++i) result += text;
  return result;
}

TEST(FindWheel, ReadsLinksInEveryForm) {
  const struct {
    std::string link, url, sha256;
  } cases[] = {
      {"<a href=\"https://f.org/a_b-1.0-py3-none-any.whl#sha256=" + kDigest + "\">x</a>",
       "https://f.org/a_b-1.0-py3-none-any.whl", kDigest},
      {"<a data-x=\"&gt;=3\" href='../../p/a_b-1.0-py3-none-any.whl'>x</a>",
       "https://example.org/p/a_b-1.0-py3-none-any.whl", ""},
      {"<A\n HREF = /p/a_b-1.0-py3-none-any.whl >x</A>", "https://example.org/p/a_b-1.0-py3-none-any.whl", ""},
      {"<a href=\"a_b-1.0-py3-none-any.whl?x=1&amp;y=2#sha256=" + std::string(64, 'A') + "\">",
       "https://example.org/simple/a-b/a_b-1.0-py3-none-any.whl?x=1&y=2", kDigest},
      {"<a href=\"a_b-1.0-py3-none-any.whl#md5=00\">", "https://example.org/simple/a-b/a_b-1.0-py3-none-any.whl", ""},
      {"<a href=\"a_b-1.0-py3-none-any.whl#sha256=zz\">", "https://example.org/simple/a-b/a_b-1.0-py3-none-any.whl",
       ""},
  };
  for (const auto& c : cases) {
    const auto file = find("<html><a href=\"a_b-0.9-py3-none-any.whl\">" + c.link + "<a href=\"a_b-1.0.tar.gz\">");
    ASSERT_TRUE(file.ok()) << c.link << ": " << file.error().message;
    EXPECT_EQ(file->url, c.url);
    EXPECT_EQ(file->sha256, c.sha256);
  }
}

TEST(FindWheel, DamagedOrOtherPagesOfferNothing) {
  const std::string wheel = "a_b-1.0-py3-none-any.whl";
  const std::vector<std::string> pages = {
      std::string(), std::string("<"), std::string("<a"), std::string("<a "), std::string("<a href"),
      std::string("<a href="), std::string("<a href=>"), "<a href=\"" + wheel + ">", "<a href=\"" + wheel,
      "<abbr href=\"" + wheel + "\">", "<a xhref=\"" + wheel + "\">", "<a title=\"" + wheel + "\">",
      "<a href=\"x" + wheel + "\">", "<a href=\"" + wheel + ".asc\">", "<a href=\"x?" + wheel + "\">",
      "<a href=\"x#" + wheel + "\">", std::string("{\"files\": []}"), "<a href=\"a_b-1.0-cp39-none-any.whl\">",
      std::string(100000, '<'), std::string("\0\xff<a \0>", 8),
      // Where careless searching takes quadratic time.
      std::string(3 << 20, '<') + ">", "<a " + repeated("<a ", 1 << 20) + ">",
      "<a " + repeated(" href", 1 << 20) + std::string(1 << 20, ' ') + ">"};
  for (const auto& page : pages) {
    const auto file = find(page);
    ASSERT_FALSE(file.ok()) << page.substr(0, 100);
    EXPECT_EQ(file.error().code, ErrorCode::kNotFound);
    EXPECT_THAT(file.error().message, HasSubstr("a_b-1.0-py3-none-any.whl"));
  }
}

TEST(FindWheel, AnImpossibleLinkIsAnError) {
  const auto file = find("<a href=\"https://[/a_b-1.0-py3-none-any.whl\">");
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.error().code, ErrorCode::kNetBadUrl);
}

TEST(PipConfig, FindsTheGlobalIndex) {
  EXPECT_EQ(pip_config_index_url("[global]\nindex-url = https://a/simple\n"), "https://a/simple");
  EXPECT_EQ(pip_config_index_url("[other]\nindex-url=https://b\n[global]\r\nindex_url:https://a:8/simple\r\n"),
            "https://a:8/simple");
  EXPECT_EQ(pip_config_index_url("# c\n[global]\n; index-url = https://b\nINDEX-URL=https://a"), "https://a");
  EXPECT_EQ(pip_config_index_url("[global]\nindex-url=https://a\nindex-url=https://b"), "https://b");
  for (const char* text :
       {"", "index-url = https://a", "[global]", "[global]\nindex-url", "[global]\nindex-url =  \n",
        "[global\nindex-url=https://a", "[install]\nindex-url=https://a", "[global]\n[x]\nindex-url=https://a",
        "[global]\nextra-index-url=https://a", "=\n:\n[global]\n="}) {
    EXPECT_EQ(pip_config_index_url(text), std::nullopt) << text;
  }
}

class PackageIndexUrl : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "/stenod_index_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    for (const char* variable : {"STENOD_PYPI_URL", "PIP_INDEX_URL", "PIP_CONFIG_FILE", "XDG_CONFIG_HOME", "HOME"}) {
      const char* value = std::getenv(variable);
      saved_.emplace_back(variable, value == nullptr ? std::optional<std::string>() : value);
      ::unsetenv(variable);
    }
    ::setenv("HOME", folder_.c_str(), 1);
  }
  void TearDown() override {
    for (const auto& [variable, value] : saved_) {
      if (value) {
        ::setenv(variable.c_str(), value->c_str(), 1);
      } else {
        ::unsetenv(variable.c_str());
      }
    }
    std::filesystem::remove_all(folder_);
  }

  std::filesystem::path folder_;
  std::vector<std::pair<std::string, std::optional<std::string>>> saved_;
};

TEST_F(PackageIndexUrl, TakesTheNearestSetting) {
  const auto write = [&](const std::filesystem::path& path, const char* url) {
    std::filesystem::create_directories((folder_ / path).parent_path());
    std::ofstream(folder_ / path) << "[global]\nindex-url = " << url << "\n";
  };
  write(".pip/pip.conf", "https://legacy/simple/");
  EXPECT_EQ(package_index_url(), "https://legacy/simple");
  write(".config/pip/pip.conf", "https://user/simple");
  EXPECT_EQ(package_index_url(), "https://user/simple");
  write("named.conf", "https://named/simple");
  ::setenv("PIP_CONFIG_FILE", (folder_ / "named.conf").c_str(), 1);
  EXPECT_EQ(package_index_url(), "https://named/simple");
  ::setenv("PIP_INDEX_URL", "https://environment/simple/", 1);
  EXPECT_EQ(package_index_url(), "https://environment/simple");
  ::setenv("STENOD_PYPI_URL", "https://own/simple", 1);
  EXPECT_EQ(package_index_url(), "https://own/simple");
}

}  // namespace
}  // namespace stenod::models
