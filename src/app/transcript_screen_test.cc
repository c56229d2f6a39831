#include "app/transcript_screen.h"

#include <gtest/gtest.h>

#include <boost/algorithm/string/replace.hpp>

#include "app/terminal_text.h"

namespace stenod::app {
namespace {

/// With <…> around what is dimmed.
std::string shown(const std::string& rendered) {
  using boost::algorithm::replace_all_copy;
  return replace_all_copy(replace_all_copy(replace_all_copy(rendered, "\x1b[2m", "<"), "\x1b[0m", ">"), "<>", "");
}

TEST(RenderPartial, DimsWhatIsNotSettled) {
  EXPECT_EQ(shown(render_partial(75, "so it goes", "so it", 80)), "<[1:15]> so it< goes>");
  EXPECT_EQ(shown(render_partial(75, "so it goes", "", 80)), "<[1:15]> <so it goes>");
  EXPECT_EQ(shown(render_partial(75, "so it", "so it", 80)), "<[1:15]> so it");
  EXPECT_EQ(shown(render_partial(75, "so it goes", "but", 80)), "<[1:15]> <so it goes>") << "a promise broken";
  EXPECT_EQ(shown(render_partial(75, "", "", 80)), "<[1:15]>");
  EXPECT_EQ(shown(render_partial(0, "so", "", 80)), " <so>") << "no clock without a time";
}

TEST(RenderPartial, ShowsTheEndOfLongText) {
  EXPECT_EQ(shown(render_partial(5, "one two three four", "one two three", 20)), "<[0:05]> …o three< four>");
  EXPECT_EQ(shown(render_partial(5, "one two three four", "one two", 20)), "<[0:05]> …o< three four>");
  EXPECT_EQ(shown(render_partial(5, "語音識別語音識別", "語音識別語", 20)), "<[0:05]> …識別語<音識別>");
}

TEST(RenderPartial, NeverIsWiderThanAllowed) {
  const std::string text = "Er sagte: 語音識別 ist e\xcc\x81trange\x1b[31m und\tso \xff weiter";
  for (std::size_t stable = 0; stable <= text.size(); ++stable) {
    for (int columns = 20; columns < 70; ++columns) {
      const std::string rendered = shown(render_partial(3723, text, text.substr(0, stable), columns));
      std::string visible = rendered;
      std::erase_if(visible, [](char c) { return c == '<' || c == '>'; });
      EXPECT_LE(count_columns(visible), columns) << visible;
      EXPECT_EQ(visible.find('\x1b'), std::string::npos) << "a server must not control the terminal";
    }
  }
}

}  // namespace
}  // namespace stenod::app
