// Real weights against figures of an independent implementation (plain numpy in double and single precision) for the
// same 2.8 s of speech: /usr/share/pocketsphinx/test/data/goforward.raw of Debian's pocketsphinx-testdata.
// STENOD_TEST_MODEL_DIR names the folder that holds "base" and "tiny.en".
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <vector>

#include "audio/log_mel.h"
#include "base/file.h"
#include "compute/cpu/cpu_backend.h"
#include "models/ctranslate2_reader.h"
#include "whisper/backend_runner.h"

namespace stenod::whisper {
namespace {

constexpr int kFrames = 256;
constexpr const char* kSpeech = "/usr/share/pocketsphinx/test/data/goforward.raw";
// Where the encoder's output was sampled: every pair of these, frames outside.
constexpr int kSampledFrames[] = {0, 1, 7, 64, 100, 150, 200, 255};
constexpr int kSampledColumns[] = {0, 17, 101, 311};

struct Expected {
  const char* model;
  double encoder_rms;
  std::vector<float> encoder;
  std::vector<int> prompt;
  std::vector<int> tokens;  ///< greedy, without timestamps
  std::vector<float> logits;
};

void PrintTo(const Expected& expected, std::ostream* out) { *out << expected.model; }

class RealModel : public testing::TestWithParam<Expected> {};

TEST_P(RealModel, MatchesTheOracleInFloat32) {
  const char* folder = std::getenv("STENOD_TEST_MODEL_DIR");
  if (folder == nullptr) GTEST_SKIP() << "STENOD_TEST_MODEL_DIR is not set";
  const Expected& expected = GetParam();
  const auto model = std::filesystem::path(folder) / expected.model;
  if (!std::filesystem::exists(model)) GTEST_SKIP() << model << " is not there";
  const auto speech = read_file(kSpeech, 1 << 20);
  if (!speech) GTEST_SKIP() << kSpeech << " is not there (package pocketsphinx-testdata)";

  std::vector<std::int16_t> samples(speech->size() / 2);
  std::memcpy(samples.data(), speech->data(), samples.size() * 2);
  audio::LogMel mel;
  audio::LogMelExtractor extractor(80);
  extractor.append(samples, mel);
  extractor.flush(mel);
  std::vector<float> features(2 * kFrames * 80);
  audio::normalised_window(mel, 0, std::min(mel.num_frames, 2 * kFrames), 2 * kFrames, features);

  const char* isa = std::getenv("STENOD_MAX_ISA");
  auto backend = compute::cpu::CpuBackend::create(2, *compute::parse_isa(isa != nullptr ? isa : "auto"));
  ASSERT_TRUE(backend) << backend.error().message;
  auto weights = models::read_ctranslate2(model);
  ASSERT_TRUE(weights) << weights.error().message;
  const int d = weights->dims.d_model;
  const auto runner =
      BackendRunner::create(*std::move(backend), *std::move(weights), compute::ComputeType::kFloat32, {1, 8, 1500});
  ASSERT_TRUE(runner) << runner.error().message;

  const EncodeWindow window[] = {{0, features, kFrames}};
  ASSERT_TRUE((*runner)->encode(window).ok());
  const std::vector<float> encoded = (*runner)->encoder_output();
  std::size_t at = 0;
  for (const int frame : kSampledFrames) {
    for (const int column : kSampledColumns) {
      EXPECT_NEAR(encoded[static_cast<std::size_t>(frame * d + column)], expected.encoder[at],
                  1e-4 * expected.encoder_rms)
          << "frame " << frame << " column " << column;
      ++at;
    }
  }

  std::vector<StepRow> rows;
  int position = 0;
  for (const int token : expected.prompt) rows.push_back({0, position++, token, false});
  rows.back().wants_logits = true;
  for (std::size_t i = 0; i < expected.tokens.size(); ++i) {
    ASSERT_TRUE((*runner)->step(rows).ok());
    const auto logits = (*runner)->logits(static_cast<int>(rows.size()) - 1);
    const auto text = logits.first(static_cast<std::size_t>(expected.prompt.back()));  // no timestamps
    std::size_t best = static_cast<std::size_t>(std::max_element(text.begin(), text.end()) - text.begin());
    EXPECT_EQ(best, static_cast<std::size_t>(expected.tokens[i])) << "token " << i;
    EXPECT_NEAR(logits[static_cast<std::size_t>(expected.tokens[i])], expected.logits[i], 2e-3) << "token " << i;
    rows = {{0, position++, expected.tokens[i], true}};
  }
}

INSTANTIATE_TEST_SUITE_P(
    Models, RealModel,
    testing::Values(
        Expected{"base",
                 1.3596919,
                 {-1.999137f, 0.485509f,  -0.785026f, 0.218966f,  -1.260066f, 1.234400f,  0.470919f,  0.773826f,
                  0.052636f,  1.263155f,  -0.303586f, 0.526790f,  -0.210753f, 2.444201f,  0.024040f,  -1.019863f,
                  0.791026f,  -0.948876f, 0.972286f,  -0.374207f, -0.782731f, -0.594472f, -0.597254f, 0.332909f,
                  -0.541515f, 0.939894f,  -0.539447f, 0.226439f,  -1.264682f, -0.304460f, -0.469786f, 0.761555f},
                 {50258, 50259, 50359, 50363},
                 {1037, 2128, 1266, 8146, 13},
                 {22.2997f, 25.2879f, 41.7948f, 16.6790f, 28.5075f}},
        Expected{"tiny.en",
                 1.1384066,
                 {-0.388865f, 0.276707f,  -0.180470f, 0.311797f,  -0.736847f, 0.702310f,  -0.787159f, -0.203416f,
                  -0.067035f, 0.332661f,  0.216859f,  0.229526f,  -0.403111f, -0.524747f, 1.647246f,  0.811633f,
                  0.912102f,  0.894403f,  -1.866324f, -0.050077f, 0.706562f,  -0.697579f, 1.955682f,  0.475533f,
                  0.383777f,  -0.816128f, 0.100457f,  0.074924f,  -0.786994f, 0.584375f,  0.858886f,  -0.217829f},
                 {50257, 50362},
                 {467, 2651, 838, 10700, 13},
                 {18.6123f, 25.9168f, 24.3182f, 16.3311f, 28.1366f}}),
    [](const auto& test) { return test.param.model == std::string("base") ? "base" : "tiny_en"; });

}  // namespace
}  // namespace stenod::whisper
