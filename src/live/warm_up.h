#pragma once

#include "base/result.h"
#include "live/speech_model.h"

namespace stenod::live {

/// Runs windows of several lengths through the engine, so that the first client does not pay for what is made on first
/// use. Blocks until they are done; errors are the engine's.
///
/// The engine must have a queue for six. Returns what a session is likely to need of the engine's time, as a share,
/// before any was measured: finals are encoded at least, and written down takes about as long again.
Result<double> warm_up(const SpeechModel& model);

}  // namespace stenod::live
