#pragma once

#include <memory>

#include "compute/backend.h"

namespace stenod::compute {

/// Every operation written as plainly as it can be, in one thread: what the other back ends are held to. Products and
/// sums in double precision; int8 quantises as the CPU back end does, but sums in 64-bit integers.
std::unique_ptr<Backend> make_reference_backend();

}  // namespace stenod::compute
