#include "app/settings/toml_file.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <sstream>
#include <utility>

namespace stenod::app {
namespace {

/// A list is taken when it holds texts alone.
std::optional<std::vector<std::string>> texts_of(const toml::array& array) {
  std::vector<std::string> texts;
  for (const toml::node& node : array) {
    if (!node.is_string()) return std::nullopt;
    texts.push_back(node.as_string()->get());
  }
  return texts;
}

std::string text_of(const toml::node& node) {
  std::ostringstream out;
  node.visit([&](const auto& actual) { out << actual; });
  return std::move(out).str();
}

TomlEntry entry_of(std::string section, std::string name, const toml::node& node) {
  TomlEntry entry{std::move(section), std::move(name), {}, false, static_cast<int>(node.source().begin.line)};
  std::optional<std::vector<std::string>> texts;
  if (const auto* array = node.as_array()) texts = texts_of(*array);
  if (node.is_boolean()) {
    entry.value = node.as_boolean()->get();
  } else if (node.is_integer()) {
    entry.value = node.as_integer()->get();
  } else if (node.is_floating_point()) {
    entry.value = node.as_floating_point()->get();
  } else if (node.is_string()) {
    entry.value = node.as_string()->get();
  } else if (texts) {
    entry.value = *std::move(texts);
  } else {
    entry.value = text_of(node);
    entry.is_other = true;
  }
  return entry;
}

}  // namespace

Result<std::vector<TomlEntry>> parse_toml(std::string_view text, const std::string& file) try {
  const toml::table root = toml::parse(text);
  std::vector<TomlEntry> entries;
  for (const auto& [key, node] : root) {
    const toml::table* section = node.as_table();
    if (section == nullptr) {
      entries.push_back(entry_of("", std::string(key.str()), node));
      continue;
    }
    entries.push_back({std::string(key.str()), "", {}, false, static_cast<int>(node.source().begin.line)});
    for (const auto& [name, value] : *section) {
      entries.push_back(entry_of(std::string(key.str()), std::string(name.str()), value));
    }
  }
  std::stable_sort(entries.begin(), entries.end(),
                   [](const TomlEntry& a, const TomlEntry& b) { return a.line < b.line; });
  return entries;
} catch (const toml::parse_error& error) {
  return Error{ErrorCode::kInvalidArgument,
               fmt::format("{}:{}: {}", file, error.source().begin.line, error.description()), file};
}

}  // namespace stenod::app
