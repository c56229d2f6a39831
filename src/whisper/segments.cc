#include "whisper/segments.h"

#include <algorithm>

#include "whisper/decoding_options.h"

namespace stenod::whisper {

std::vector<SegmentSpan> split_segments(const SpecialTokens& tokens, std::span<const int> decoded, int real_frames) {
  std::vector<SegmentSpan> segments;
  int begin_frame = 0;
  int first_token = -1;  // of the open segment
  const auto close = [&](int end_frame, int end_token) {
    if (first_token >= 0) {
      segments.push_back({begin_frame * kSecondsPerEncoderFrame, end_frame * kSecondsPerEncoderFrame, first_token,
                          end_token - first_token});
    }
    first_token = -1;
    begin_frame = end_frame;
  };

  const int num_decoded = static_cast<int>(decoded.size());
  for (int i = 0; i < num_decoded; ++i) {
    if (tokens.is_timestamp(decoded[i])) {
      close(std::clamp(decoded[i] - tokens.timestamp_begin, std::min(begin_frame, real_frames), real_frames), i);
    } else if (tokens.is_text(decoded[i]) && first_token < 0) {
      first_token = i;
    }
  }
  close(real_frames, num_decoded);
  return segments;
}

}  // namespace stenod::whisper
