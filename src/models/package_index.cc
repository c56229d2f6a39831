#include "models/package_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "base/file.h"
#include "net/http_client.h"

namespace stenod::models {
namespace {

constexpr const char* kDefaultIndex = "https://pypi.org/simple";
constexpr std::size_t kMaxConfigSize = 1 << 20;
constexpr std::string_view kSpace = " \t\r\n\f";

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(kSpace);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::string_view without_leading_space(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of(kSpace), text.size()));
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), [](unsigned char c) { return std::tolower(c); });
  return result;
}

/// The few character references that occur in addresses.
std::string unescaped(std::string_view text) {
  static constexpr std::pair<std::string_view, char> kReferences[] = {{"&amp;", '&'}, {"&#38;", '&'},  {"&lt;", '<'},
                                                                      {"&gt;", '>'},  {"&quot;", '"'}, {"&#39;", '\''}};
  std::string result;
  while (!text.empty()) {
    const auto* const end = std::end(kReferences);
    const auto* const it =
        std::find_if(std::begin(kReferences), end, [&](const auto& r) { return text.starts_with(r.first); });
    result += it == end ? text.front() : it->second;
    text.remove_prefix(it == end ? 1 : it->first.size());
  }
  return result;
}

/// The value of href of the tag whose inside `tag` is ("a href=…"); empty if there is none.
std::string_view href_of(std::string_view tag) {
  const std::string folded = lower(tag);
  for (auto at = folded.find("href"); at != folded.npos; at = folded.find("href", at + 1)) {
    if (at == 0 || kSpace.find(folded[at - 1]) == kSpace.npos) continue;
    std::string_view rest = without_leading_space(tag.substr(at + 4));
    if (!rest.starts_with('=')) continue;
    rest = without_leading_space(rest.substr(1));
    if (rest.empty()) return {};
    if (rest.front() != '"' && rest.front() != '\'') return rest.substr(0, rest.find_first_of(kSpace));
    const auto end = rest.find(rest.front(), 1);
    return end == rest.npos ? std::string_view() : rest.substr(1, end - 1);
  }
  return {};
}

/// Addresses of all links of a page, in time proportional to its length.
std::vector<std::string> links(std::string_view page) {
  std::vector<std::string> result;
  std::size_t close = 0;
  for (auto open = page.find('<'); open != page.npos; open = page.find('<', close)) {
    close = page.find('>', open);
    if (close == page.npos) break;
    const std::string_view tag = page.substr(open + 1, close - open - 1);
    if (tag.size() < 2 || (tag[0] != 'a' && tag[0] != 'A') || kSpace.find(tag[1]) == kSpace.npos) continue;
    if (const auto href = href_of(tag); !href.empty()) result.push_back(unescaped(href));
  }
  return result;
}

std::string sha256_of_fragment(std::string_view fragment) {
  constexpr std::string_view kKey = "sha256=";
  if (!fragment.starts_with(kKey)) return {};
  std::string digest = lower(fragment.substr(kKey.size()));
  const bool is_digest = digest.size() == 64 && digest.find_first_not_of("0123456789abcdef") == std::string::npos;
  return is_digest ? digest : std::string();
}

std::string without_final_slashes(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

}  // namespace

Result<IndexedFile> find_wheel(std::string_view page, const std::string& page_url, std::string_view package,
                               std::string_view version) {
  // Wheels' names have '_' where packages' have '-' (PEP 427).
  std::string name(package);
  std::replace(name.begin(), name.end(), '-', '_');
  const std::string wanted = fmt::format("{}-{}-py3-none-any.whl", name, version);
  for (const std::string& link : links(page)) {
    const auto hash = std::min(link.find('#'), link.size());
    const std::string_view address = std::string_view(link).substr(0, hash);
    const std::string_view path = address.substr(0, address.find('?'));
    if (path.substr(path.rfind('/') + 1) != wanted) continue;
    IndexedFile file;
    STENOD_ASSIGN_OR_RETURN(file.url, net::resolve_url(page_url, std::string(address)));
    if (hash < link.size()) file.sha256 = sha256_of_fragment(std::string_view(link).substr(hash + 1));
    return file;
  }
  return Error{ErrorCode::kNotFound, fmt::format("the package index does not offer {}", wanted)};
}

std::optional<std::string> pip_config_index_url(std::string_view text) {
  std::optional<std::string> url;
  bool in_global = false;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '[') {
      in_global = line == "[global]";
      continue;
    }
    const auto separator = line.find_first_of("=:");
    if (!in_global || separator == line.npos) continue;
    std::string key = lower(trimmed(line.substr(0, separator)));
    std::replace(key.begin(), key.end(), '_', '-');
    const std::string_view value = trimmed(line.substr(separator + 1));
    if (key == "index-url" && !value.empty()) url = value;
  }
  return url;
}

std::string package_index_url() {
  for (const char* variable : {"STENOD_PYPI_URL", "PIP_INDEX_URL"}) {
    const char* value = std::getenv(variable);
    if (value != nullptr && *value != '\0') return without_final_slashes(value);
  }
  std::vector<std::filesystem::path> files;
  if (const char* file = std::getenv("PIP_CONFIG_FILE")) files.emplace_back(file);
  if (const char* home = std::getenv("HOME")) {
    const char* config = std::getenv("XDG_CONFIG_HOME");
    files.push_back((config != nullptr && *config != '\0' ? std::filesystem::path(config)
                                                          : std::filesystem::path(home) / ".config") /
                    "pip/pip.conf");
    files.push_back(std::filesystem::path(home) / ".pip/pip.conf");
  }
  files.emplace_back("/etc/xdg/pip/pip.conf");
  files.emplace_back("/etc/pip.conf");
  for (const auto& file : files) {
    const auto text = read_file(file, kMaxConfigSize);
    if (!text) continue;  // not there, as usual
    if (const auto url = pip_config_index_url(*text)) return without_final_slashes(*url);
  }
  return kDefaultIndex;
}

}  // namespace stenod::models
