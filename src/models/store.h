#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "models/pull_record.h"
#include "models/whisper_reader.h"
#include "models/whisper_weights.h"

namespace stenod::models {

/// One line of `stenod model list`.
struct ModelSummary {
  std::string name;
  bool is_installed = false;
  /// Its files are there, those of the catalogue or of a pull's record with their sizes; contents are not read.
  bool is_complete = false;
  std::uint64_t size = 0;   ///< bytes on disk, or to expect there
  std::string description;  ///< empty for a folder that the catalogue doesn't know, as is what follows
  std::string licence;
  std::string hint = {};
  std::vector<std::string> aliases = {};
  std::string hub_repository = {};
  std::uint64_t server_memory = 0;  ///< as server_memory() has it; 0: not known
};

struct ModelFileInfo {
  std::string name;
  std::uint64_t size = 0;
  std::string sha256;
  std::optional<bool> is_as_published;  ///< nothing if neither catalogue nor record knows the file
};

/// What `stenod model info` prints.
struct ModelInfo {
  ModelSummary summary;
  std::filesystem::path path;  ///< its folder, or itself where it is one file
  std::string source;          ///< where the catalogue has it from; empty if it doesn't know it
  std::optional<PullRecord> record;
  std::vector<ModelFileInfo> files;
  // Nothing if it is no Whisper model:
  std::optional<WhisperForm> form;
  std::optional<WhisperDims> dims;
  std::optional<DataType> type;  ///< of the matrices
};

/// The models below one folder, one folder each. Keeps no state: each call looks at the disk. Safe from several
/// threads.
class Store {
 public:
  /// The default is stenod::model_dir().
  Store();
  explicit Store(std::filesystem::path folder);

  const std::filesystem::path& folder() const { return folder_; }

  /// What is in the catalogue, then other installed folders by name.
  Result<std::vector<ModelSummary>> list() const;

  /// Reads and checks the model, and every file's checksum. Errors: those of path() and of reading the model.
  Result<ModelInfo> info(std::string_view name_or_path) const;

  /// The folder or file that a setting names: the name of an installed model, else a path, if it has a '/' or names an
  /// existing folder or file. OWNER/NAME is a pulled repository where no such path exists. Errors:
  /// kNotFound (no such path), kModelNotInstalled, kModelUnknown, kInvalidArgument, kModelMissingFile (the folder holds
  /// no weights).
  Result<std::filesystem::path> path(std::string_view name_or_path) const;

  /// Deletes an installed model, and what is left of an unfinished pull. Errors: kModelNotInstalled, kModelUnknown,
  /// kModelBusy, kModelMissingFile (the folder holds nothing of a model), kInvalidArgument, kPermissionDenied.
  Status remove(std::string_view name) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace stenod::models
