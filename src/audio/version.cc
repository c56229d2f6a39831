#include "audio/version.h"

extern "C" {
#include <libavutil/avutil.h>
}

namespace stenod::audio {

std::string ffmpeg_version() { return av_version_info(); }

}  // namespace stenod::audio
