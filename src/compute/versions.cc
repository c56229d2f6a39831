#include "compute/versions.h"

#include <fmt/format.h>

#include <hwy/highway.h>
#include <oneapi/dnnl/dnnl.hpp>

namespace stenod::compute {

std::string onednn_version() {
  const dnnl_version_t* version = dnnl::version();
  return fmt::format("{}.{}.{}", version->major, version->minor, version->patch);
}

std::string highway_version() { return fmt::format("{}.{}.{}", HWY_MAJOR, HWY_MINOR, HWY_PATCH); }

}  // namespace stenod::compute
