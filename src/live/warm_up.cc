#include "live/warm_up.h"

#include <future>
#include <memory>
#include <utility>
#include <vector>

#include "audio/features.h"

namespace stenod::live {
namespace {

constexpr int kFramesPerSecond = audio::kSampleRate / audio::kHopSamples;

}  // namespace

Status warm_up(const SpeechModel& model) {
  std::vector<std::future<Result<engine::WindowResult>>> answers;
  for (const int seconds : {1, 2, 4, 8, 16, 30}) {
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

}  // namespace stenod::live
