#pragma once

#include "base/result.h"
#include "live/speech_model.h"

namespace stenod::live {

/// Runs windows of several lengths through the engine, so that the first client does not pay for what is made on first
/// use. Blocks until they are done; errors are the engine's.
Status warm_up(const SpeechModel& model);

}  // namespace stenod::live
