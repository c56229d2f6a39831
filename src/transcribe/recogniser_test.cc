#include "transcribe/recogniser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <future>
#include <memory>
#include <random>
#include <vector>

#include "audio/testing/audio_files.h"
#include "models/testing/generated_model.h"
#include "vad/testing/loudness_vad.h"

namespace stenod::transcribe {
namespace {

std::shared_ptr<const audio::LogMel> random_audio(int num_frames, std::uint32_t seed) {
  std::mt19937 random(seed);
  auto mel = std::make_shared<audio::LogMel>();
  mel->num_mels = 80;
  mel->num_frames = num_frames;
  for (int i = 0; i < num_frames * 80; ++i) mel->values.push_back(static_cast<float>(random() % 2000) / 1000 - 1);
  return mel;
}

// What decides whether a server of many speakers gives the text that each of them alone would get: encoder groups,
// steps with rows of other sequences, and slots that others have used before.
TEST(Recogniser, ARequestGivesTheSameTokensAloneAndAmong31Others) {
  const audio::testing::TempFolder folder;
  const auto vad = folder.write("loudness.onnx", vad::testing::loudness_vad_file());
  const auto model = folder.path() / "model";
  ASSERT_TRUE(models::testing::write_generated_model(model, {.vocab_size = models::testing::kMinVocabSize}));
  RecogniserOptions options{.model_path = model, .vad_file = vad, .num_threads = 2, .num_slots = 32};
  const char* const isa = std::getenv("STENOD_MAX_ISA");
  if (isa != nullptr) options.max_isa = *compute::parse_isa(isa);
  const auto recogniser = Recogniser::load(options);
  ASSERT_TRUE(recogniser) << recogniser.error().message;

  const auto submit = [&](int num_frames, std::uint32_t seed) {
    engine::Request request;
    request.audio = random_audio(num_frames, seed);
    request.options.max_tokens = 60;
    request.options.may_repeat = false;
    request.options.segmentation = whisper::Segmentation::kWhole;
    // What random weights say is doubtful in every way.
    request.options.thresholds = {.no_speech_prob = 1, .avg_logprob = -100, .compression_ratio = 100};
    auto promise = std::make_shared<std::promise<Result<engine::WindowResult>>>();
    auto future = promise->get_future();
    const Status submitted =
        (*recogniser)->engine().submit(std::move(request), [promise](Result<engine::WindowResult> result) {
          promise->set_value(std::move(result));
        });
    EXPECT_TRUE(submitted) << submitted.error().message;
    return future;
  };
  struct Given {
    std::vector<int> tokens;
    float avg_logprob = 0;
    bool operator==(const Given&) const = default;
  };
  const auto given = [](std::future<Result<engine::WindowResult>> future) {
    const auto result = future.get();
    EXPECT_TRUE(result) << result.error().message;
    Given all{.tokens = {}, .avg_logprob = result->avg_logprob};
    for (const auto& segment : result->segments) {
      all.tokens.insert(all.tokens.end(), segment.tokens.begin(), segment.tokens.end());
    }
    return all;
  };

  const auto num_frames = [](std::uint32_t seed) { return 40 + static_cast<int>(seed * 271 % 1200); };
  std::vector<Given> alone;
  for (std::uint32_t seed = 0; seed < 4; ++seed) alone.push_back(given(submit(num_frames(seed), seed)));
  std::size_t most = 0;
  for (const Given& one : alone) most = std::max(most, one.tokens.size());
  ASSERT_GT(most, 10u) << "random weights that say next to nothing show nothing";

  std::vector<std::future<Result<engine::WindowResult>>> together;
  for (std::uint32_t seed = 0; seed < 32; ++seed) together.push_back(submit(num_frames(seed), seed));
  for (std::size_t i = 0; i < together.size(); ++i) {
    const Given one = given(std::move(together[i]));
    if (i >= alone.size()) continue;
    EXPECT_EQ(one, alone[i]) << i;
  }
  EXPECT_GT((*recogniser)->engine().statistics().steps_by_rows.size(), 16u);
}

}  // namespace
}  // namespace stenod::transcribe
