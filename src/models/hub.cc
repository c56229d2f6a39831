#include "models/hub.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <optional>
#include <set>
#include <utility>

#include "base/json.h"
#include "models/folder_lock.h"
#include "net/http_client.h"
#include "net/url.h"

namespace stenod::models {
namespace {

constexpr std::size_t kMaxListing = 16 << 20;
constexpr std::size_t kMaxFiles = 100'000;
constexpr std::size_t kMaxName = 96;  // as the hub has it
/// None of Whisper's is near that.
constexpr std::uint64_t kMaxFileSize = std::uint64_t{64} << 30;

Error bad_listing(const std::string& repository, const std::string& what) {
  return {ErrorCode::kModelBadListing, fmt::format("{}: {}", repository, what), repository};
}

bool is_part_of_name(std::string_view text) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_';
  };
  return !text.empty() && text.size() <= kMaxName && text.front() != '.' && text.front() != '-' &&
         text.front() != '_' && std::all_of(text.begin(), text.end(), allowed) && text.find("..") == text.npos &&
         text.find("--") == text.npos;
}

bool is_revision(std::string_view text) {
  const auto is_printable = [](char c) { return c > ' ' && c < '\x7f'; };
  return !text.empty() && text.size() <= 255 && std::all_of(text.begin(), text.end(), is_printable);
}

const json::value* member(const json::object& object, std::string_view name) {
  const auto* const value = object.if_contains(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

std::string text_of(const json::value* value) {
  const auto* const text = value != nullptr ? value->if_string() : nullptr;
  return text != nullptr ? std::string(*text) : std::string();
}

/// {"rfilename": …, "size": …, "blobId": …, "lfs": {"sha256": …, "size": …}}, the last one for large files only. The
/// checksum stays empty where the hub gives no size and checksum.
HubFile parse_file(const json::object& object) {
  HubFile file;
  file.name = text_of(member(object, "rfilename"));
  const json::value* size = member(object, "size");
  const json::value* const lfs = member(object, "lfs");
  if (lfs != nullptr && lfs->is_object()) {
    file.checksum = {Checksum::Kind::kSha256, text_of(member(lfs->get_object(), "sha256"))};
    if (const json::value* const lfs_size = member(lfs->get_object(), "size")) size = lfs_size;
  } else {
    file.checksum = {Checksum::Kind::kGitBlob, text_of(member(object, "blobId"))};
  }
  const auto* const number = size != nullptr ? size->if_int64() : nullptr;
  const bool has_size = number != nullptr && *number >= 0 && static_cast<std::uint64_t>(*number) <= kMaxFileSize;
  if (has_size) file.size = static_cast<std::uint64_t>(*number);
  if (!has_size || !is_well_formed(file.checksum)) file.checksum.hex.clear();
  return file;
}

/// (index, count) of "model-00001-of-00002.safetensors".
std::optional<std::pair<int, int>> shard_of(std::string_view name) {
  constexpr std::string_view kStart = "model-", kMiddle = "-of-", kEnd = ".safetensors";
  constexpr std::size_t kDigits = 5;
  if (name.size() != kStart.size() + kMiddle.size() + kEnd.size() + 2 * kDigits || !name.starts_with(kStart) ||
      !name.ends_with(kEnd) || name.substr(kStart.size() + kDigits, kMiddle.size()) != kMiddle) {
    return std::nullopt;
  }
  const auto number = [](std::string_view digits) {
    int value = -1;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc() && end == digits.data() + digits.size() ? value : -1;
  };
  const int index = number(name.substr(kStart.size(), kDigits));
  const int count = number(name.substr(kStart.size() + kDigits + kMiddle.size(), kDigits));
  if (index < 1 || index > count) return std::nullopt;
  return std::pair(index, count);
}

bool is_described(std::string_view name) {
  static constexpr std::string_view kNames[] = {"config.json",    "generation_config.json", "preprocessor_config.json",
                                                "tokenizer.json", "vocabulary.json",        "vocabulary.txt",
                                                "vocab.json"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

const char* about_token(const Hub& hub) {
  return hub.token.empty() ? "set HF_TOKEN to a token that has access" : "the token in HF_TOKEN has no access";
}

/// What the hub meant by an error status. It says which in X-Error-Code; a repository that may not be seen looks as if
/// it weren't there, and one that isn't there like one that may not be seen (status 401).
Error explain(Error error, const net::HttpHead& answer, const Hub& hub, const HubReference& reference) {
  if (error.code != ErrorCode::kNetHttpStatus) return error;
  const std::string code = answer.header("x-error-code");
  const std::string& name = reference.repository;
  if (code == "GatedRepo") return gated(hub, name);
  if (code == "RevisionNotFound") {
    return {ErrorCode::kNotFound, fmt::format("{} has no revision '{}'", name, reference.revision), name};
  }
  if (answer.status == 401 || answer.status == 403) {
    return {ErrorCode::kModelAccessDenied,
            fmt::format("{} doesn't exist at {}, or is private: check the name; {}", name, hub.url, about_token(hub)),
            name};
  }
  if (answer.status == 404) {
    return {ErrorCode::kNotFound, fmt::format("{} doesn't exist at {}: check the name", name, hub.url), name};
  }
  return error;
}

}  // namespace

Error gated(const Hub& hub, const std::string& repository) {
  return {
      ErrorCode::kModelAccessDenied,
      fmt::format("{} is gated: accept its conditions at {}/{}; {}", repository, hub.url, repository, about_token(hub)),
      repository};
}

Result<HubReference> HubReference::parse(std::string_view text) {
  HubReference reference;
  const auto at = text.find('@');
  reference.repository = text.substr(0, at);
  if (at != text.npos) reference.revision = text.substr(at + 1);
  const auto slash = reference.repository.find('/');
  const std::string_view repository = reference.repository;
  if (slash == repository.npos || !is_part_of_name(repository.substr(0, slash)) ||
      !is_part_of_name(repository.substr(slash + 1)) || !is_revision(reference.revision)) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("'{}' names no repository of the hub: expected OWNER/NAME or OWNER/NAME@REVISION", text),
                 "model"};
  }
  return reference;
}

std::string HubReference::folder_name() const {
  std::string name = repository;
  if (const auto slash = name.find('/'); slash != name.npos) name.replace(slash, 1, "--");
  return name;
}

std::string HubSnapshot::file_url(const Hub& hub, const std::string& file) const {
  return fmt::format("{}/{}/resolve/{}/{}", hub.url, repository, commit, file);
}

Result<HubSnapshot> parse_hub_listing(std::string_view text, const std::string& repository) {
  STENOD_ASSIGN_OR_RETURN(const json::value root, parse_json(text));
  const auto* const object = root.if_object();
  const json::value* const siblings = object != nullptr ? member(*object, "siblings") : nullptr;
  if (siblings == nullptr || !siblings->is_array()) return bad_listing(repository, "the hub's answer lists no files");
  const json::array& files = siblings->get_array();
  if (files.size() > kMaxFiles) return bad_listing(repository, fmt::format("{} files", files.size()));
  HubSnapshot snapshot{repository, text_of(member(*object, "sha")), false, {}};
  const json::value* const gated = member(*object, "gated");
  snapshot.is_gated = gated != nullptr && *gated != json::value(false);
  if (!is_well_formed({Checksum::Kind::kGitBlob, snapshot.commit})) {
    return bad_listing(repository, "the hub's answer names no commit");
  }
  std::set<std::string> names;
  for (const json::value& value : files) {
    const auto* const file = value.if_object();
    if (file == nullptr) return bad_listing(repository, "the hub's answer holds something else than files");
    const std::string name = text_of(member(*file, "rfilename"));
    // No file that matters has another name than a model may have, and so none leaves its folder.
    if (!check_model_name(name)) continue;
    if (!names.insert(name).second) return bad_listing(repository, fmt::format("the hub lists {} twice", name));
    snapshot.files.push_back(parse_file(*file));
  }
  return snapshot;
}

Status keep_model_files(HubSnapshot& snapshot) {
  const auto holds = [&](std::string_view name) {
    return std::any_of(snapshot.files.begin(), snapshot.files.end(), [&](const HubFile& f) { return f.name == name; });
  };
  if (!holds("config.json"))
    return bad_listing(snapshot.repository, "no model that can be read: there is no config.json");
  if (!holds("tokenizer.json") && !holds("vocabulary.json") && !holds("vocabulary.txt") && !holds("vocab.json")) {
    return bad_listing(
        snapshot.repository,
        "no model that can be read: there is no tokenizer.json, vocabulary.json, vocabulary.txt or vocab.json");
  }
  std::function<bool(std::string_view)> is_weights;
  if (holds("model.bin")) {
    is_weights = [](std::string_view name) { return name == "model.bin"; };
  } else if (holds("model.safetensors")) {
    is_weights = [](std::string_view name) { return name == "model.safetensors"; };
  } else if (holds("model.safetensors.index.json")) {
    int count = 0, num_shards = 0;
    for (const HubFile& file : snapshot.files) {
      const auto shard = shard_of(file.name);
      if (!shard) continue;
      if (count != 0 && shard->second != count) {
        return bad_listing(snapshot.repository, "there are shards of two divisions of model.safetensors");
      }
      count = shard->second;
      ++num_shards;
    }
    if (num_shards == 0 || num_shards != count) {
      return bad_listing(snapshot.repository,
                         fmt::format("{} of {} shards of model.safetensors are there", num_shards, count));
    }
    is_weights = [](std::string_view name) {
      return name == "model.safetensors.index.json" || shard_of(name).has_value();
    };
  } else {
    return bad_listing(snapshot.repository,
                       "no model that can be read: there is neither model.bin (CTranslate2) nor model.safetensors");
  }
  std::erase_if(snapshot.files,
                [&](const HubFile& file) { return !is_described(file.name) && !is_weights(file.name); });
  for (const HubFile& file : snapshot.files) {
    if (!file.checksum.hex.empty()) continue;
    return bad_listing(snapshot.repository, fmt::format("the hub gives no size or no checksum of {}", file.name));
  }
  return {};
}

Result<HubSnapshot> list_hub_files(const Hub& hub, const HubReference& reference, const net::BackoffOptions& options,
                                   std::stop_token stop) {
  net::HttpRequest request;
  request.url = fmt::format("{}/api/models/{}/revision/{}?blobs=true", hub.url, reference.repository,
                            net::encode_query(reference.revision));
  request.accept = "application/json";
  request.bearer_token = hub.token;
  request.max_bytes = kMaxListing;
  net::Backoff backoff(options);
  for (;;) {
    net::HttpHead answer;
    const auto text = net::http_get_text(request, stop, &answer);
    if (text) {
      auto listing = parse_hub_listing(text->body, reference.repository);
      if (listing || listing.error().code != ErrorCode::kJsonMalformed) return listing;
      return Error{listing.error().code,
                   fmt::format("{}: no hub answers there: {}", request.url, listing.error().message), request.url};
    }
    Status again = backoff.wait(text.error(), answer, false, stop);
    if (!again) return explain(std::move(again).error(), answer, hub, reference);
  }
}

}  // namespace stenod::models
