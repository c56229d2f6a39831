#include "models/pull_record.h"

#include <span>
#include <utility>

#include "base/file.h"
#include "base/json.h"
#include "models/folder_lock.h"

namespace stenod::models {
namespace {

constexpr std::size_t kMaxRecord = 1 << 20;

const char* key_of(Checksum::Kind kind) { return kind == Checksum::Kind::kSha256 ? "sha256" : "git_blob_sha1"; }

std::string text_member(const json::object& object, std::string_view name) {
  const auto* const value = object.if_contains(name);
  const auto* const text = value != nullptr ? value->if_string() : nullptr;
  return text != nullptr ? std::string(*text) : std::string();
}

std::optional<HubFile> parse_file(const json::value& value) {
  const auto* const object = value.if_object();
  if (object == nullptr) return std::nullopt;
  HubFile file{text_member(*object, "name"), 0, {}};
  const auto* const size = object->if_contains("size");
  for (const auto kind : {Checksum::Kind::kGitBlob, Checksum::Kind::kSha256}) {
    if (object->contains(key_of(kind))) file.checksum = {kind, text_member(*object, key_of(kind))};
  }
  if (!check_model_name(file.name) || size == nullptr || !size->is_int64() || size->get_int64() < 0 ||
      !is_well_formed(file.checksum)) {
    return std::nullopt;
  }
  file.size = static_cast<std::uint64_t>(size->get_int64());
  return file;
}

}  // namespace

std::optional<PullRecord> read_pull_record(const std::filesystem::path& folder) {
  const auto text = read_file(folder / kPullRecordFile, kMaxRecord);
  if (!text) return std::nullopt;
  const auto root = parse_json(*text);
  const auto* const object = root ? root->if_object() : nullptr;
  const auto* const files = object != nullptr ? object->if_contains("files") : nullptr;
  if (files == nullptr || !files->is_array() || files->get_array().empty()) return std::nullopt;
  PullRecord record{text_member(*object, "url"),
                    text_member(*object, "revision"),
                    {text_member(*object, "repository"), text_member(*object, "commit"), false, {}},
                    text_member(*object, "pulled_at")};
  for (const json::value& value : files->get_array()) {
    auto file = parse_file(value);
    if (!file) return std::nullopt;
    record.snapshot.files.push_back(*std::move(file));
  }
  return record;
}

Status write_pull_record(const std::filesystem::path& folder, const PullRecord& record) {
  json::array files;
  for (const HubFile& file : record.snapshot.files) {
    files.push_back({{"name", file.name}, {"size", file.size}, {key_of(file.checksum.kind), file.checksum.hex}});
  }
  const json::object object{
      {"repository", record.snapshot.repository}, {"url", record.url},        {"revision", record.revision},
      {"commit", record.snapshot.commit},         {"pulled_at", record.time}, {"files", std::move(files)}};
  const std::string text = json::serialize(object) + '\n';
  return write_file_atomic(folder / kPullRecordFile, std::as_bytes(std::span(text)));
}

}  // namespace stenod::models
