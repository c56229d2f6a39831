#pragma once

#include <chrono>
#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "models/checksum.h"
#include "net/backoff.h"

namespace stenod::models {

/// A repository on the Hugging Face hub at one of its revisions.
struct HubReference {
  std::string repository;         ///< "owner/name"
  std::string revision = "main";  ///< a branch, tag or commit

  /// From "OWNER/NAME" or "OWNER/NAME@REVISION". Error: kInvalidArgument.
  static Result<HubReference> parse(std::string_view text);
  /// What a folder of models calls it: "OWNER--NAME".
  std::string folder_name() const;
};

/// A hub, or a mirror of it.
struct Hub {
  std::string url;         ///< without a slash at the end
  std::string token = {};  ///< sent to that origin alone; empty: none
};

struct HubFile {
  std::string name;
  std::uint64_t size = 0;
  Checksum checksum;

  bool operator==(const HubFile&) const = default;
};

/// What a repository holds at one commit. Files in folders are left out.
struct HubSnapshot {
  std::string repository;
  std::string commit;     ///< 40 hexadecimal digits
  bool is_gated = false;  ///< files are only for those who have accepted conditions, though everybody may list them
  std::vector<HubFile> files;

  /// Where a file of this commit, and of no other, is.
  std::string file_url(const Hub& hub, const std::string& file) const;
};

/// What the hub says about a revision: GET /api/models/OWNER/NAME/revision/REVISION?blobs=true, one answer and so of
/// one commit; the form is that of huggingface_hub's HfApi.model_info(files_metadata=True). Blocks. Errors:
/// kModelAccessDenied (private, gated or unknown), kNotFound (no such repository or revision), kJsonMalformed,
/// kModelBadListing, those of http_get.
Result<HubSnapshot> list_hub_files(const Hub& hub, const HubReference& reference, const net::BackoffOptions& backoff,
                                   std::stop_token stop);

/// The same from the answer's text. Errors: kJsonMalformed, kModelBadListing.
Result<HubSnapshot> parse_hub_listing(std::string_view text, const std::string& repository);

/// kModelAccessDenied, with what to do about it.
Error gated(const Hub& hub, const std::string& repository);

/// Leaves the files that a Whisper model consists of: configuration, vocabulary, and either model.bin (CTranslate2) or
/// model.safetensors, whole or in shards. Error: kModelBadListing, when these aren't there, or one's size or
/// checksum isn't.
Status keep_model_files(HubSnapshot& snapshot);

}  // namespace stenod::models
