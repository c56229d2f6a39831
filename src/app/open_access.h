#pragma once

#include <memory>

#include "access/access.h"
#include "app/settings/serve_settings.h"
#include "base/result.h"

namespace stenod::app {

/// Opens the keys of the data folder. Error kInvalidArgument when other machines could use the server and nobody needs
/// a key for it, unless the settings say that this is meant.
Result<std::unique_ptr<access::Access>> open_access(const ServeSettings& settings);

}  // namespace stenod::app
