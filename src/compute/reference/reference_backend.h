#pragma once

#include <memory>

#include "compute/backend.h"

namespace stenod::compute {

/// Every operation written as plainly as it can be, in one thread: what the other back ends are held to. Products and
/// sums in double precision. int8 quantises inputs to [0, max_quantised], as the CPU back end does: 127 without VNNI.
std::unique_ptr<Backend> make_reference_backend(int max_quantised = 255);

}  // namespace stenod::compute
