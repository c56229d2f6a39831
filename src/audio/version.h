#pragma once

#include <string>

namespace stenod::audio {

/// Of the FFmpeg libraries that were loaded.
std::string ffmpeg_version();

}  // namespace stenod::audio
