#include "audio/ffmpeg.h"

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <mutex>

#include "base/log.h"

extern "C" {
#include <libavutil/log.h>
}

namespace stenod::audio {
namespace {

void log_from_ffmpeg(void*, int, const char* format, va_list arguments) {
  if (!log::should_log(spdlog::level::debug)) return;
  std::array<char, 512> text;
  std::vsnprintf(text.data(), text.size(), format, arguments);
  std::string line(text.data());
  // The text quotes the file, which must not be able to write escape sequences to a terminal.
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  log::debug("ffmpeg: {}", line);
}

}  // namespace

void catch_ffmpeg_log() {
  static std::once_flag once;
  std::call_once(once, [] { av_log_set_callback(&log_from_ffmpeg); });
}

std::string ffmpeg_message(int status) {
  std::array<char, AV_ERROR_MAX_STRING_SIZE> text = {};
  av_strerror(status, text.data(), text.size());
  return text.data();
}

}  // namespace stenod::audio
