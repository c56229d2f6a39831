#include "live/warm_up.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "audio/features.h"

namespace stenod::live {
namespace {

constexpr int kFramesPerSecond = audio::kSampleRate / audio::kHopSamples;
// A group of windows of a length that finals often have.
constexpr int kGroup = 4, kGroupSeconds = 8;
// What a stream that speaks takes when partials are as rare as they get, in times of encoding its audio once: its audio
// is encoded 2.7 times, its text takes a third of that, and the rest of the server and of the machine needs cores as
// well (measured with 64 streams, and 16 held to AVX2).
constexpr double kTimesEncoded = 4;

/// Runs windows of silence of these lengths, all at once.
Status run(const SpeechModel& model, const std::vector<int>& lengths_s) {
  std::vector<std::future<Result<engine::WindowResult>>> answers;
  for (const int seconds : lengths_s) {
    auto silence = std::make_shared<audio::LogMel>();
    silence->num_mels = model.num_mels;
    silence->num_frames = seconds * kFramesPerSecond;
    silence->values.assign(static_cast<std::size_t>(silence->num_frames) * model.num_mels, -10.0f);
    engine::Request request;
    request.audio = std::move(silence);
    request.options.segmentation = whisper::Segmentation::kWhole;
    request.options.suppressed = model.suppressed;
    request.options.may_repeat = false;
    auto answer = std::make_shared<std::promise<Result<engine::WindowResult>>>();
    answers.push_back(answer->get_future());
    STENOD_RETURN_IF_ERROR(model.recognise(
        std::move(request), [answer](Result<engine::WindowResult> result) { answer->set_value(std::move(result)); }));
  }
  for (auto& answer : answers) {
    if (const auto result = answer.get(); !result) return result.error();
  }
  return {};
}

}  // namespace

Result<double> warm_up(const SpeechModel& model) {
  STENOD_RETURN_IF_ERROR(run(model, {1, 2, 4, 8, 16, 30}));
  double fastest_s = std::numeric_limits<double>::infinity();  // the machine may be busy with something else
  for (int i = 0; i < 3; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    STENOD_RETURN_IF_ERROR(run(model, std::vector<int>(kGroup, kGroupSeconds)));
    fastest_s = std::min(fastest_s, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return kTimesEncoded * fastest_s / (kGroup * kGroupSeconds);
}

}  // namespace stenod::live
