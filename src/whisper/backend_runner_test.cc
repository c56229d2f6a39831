#include "whisper/backend_runner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "compute/cpu/cpu_backend.h"
#include "compute/reference/reference_backend.h"
#include "models/ctranslate2_reader.h"
#include "models/testing/generated_model.h"

namespace stenod::whisper {
namespace {

using compute::ComputeType;

constexpr int kFrames = 48;

/// A small random model on disk, for all tests of this file.
const std::filesystem::path& model_folder() {
  static const std::filesystem::path folder = [] {
    std::string name = std::filesystem::temp_directory_path() / "stenod_runner_XXXXXX";
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    models::testing::GeneratedModel model;
    model.d_model = 128;
    model.vocab_size = 51865;
    EXPECT_TRUE(models::testing::write_generated_model(name, model).ok());
    return std::filesystem::path(name);
  }();
  return folder;
}

class RemoveModelFolder : public testing::Environment {
  void TearDown() override { std::filesystem::remove_all(model_folder()); }
};
const auto* const kRemove = testing::AddGlobalTestEnvironment(new RemoveModelFolder);

std::unique_ptr<BackendRunner> make_runner(std::unique_ptr<compute::Backend> backend, ComputeType type,
                                           RunnerLimits limits = {32, 128, 3000}) {
  auto weights = models::read_ctranslate2(model_folder());
  EXPECT_TRUE(weights.ok()) << weights.error().message;
  auto runner = BackendRunner::create(std::move(backend), *std::move(weights), type, limits);
  EXPECT_TRUE(runner.ok()) << runner.error().message;
  return *std::move(runner);
}

compute::Isa test_isa() {
  const char* name = std::getenv("STENOD_MAX_ISA");
  return *compute::parse_isa(name != nullptr ? name : "auto");
}

std::unique_ptr<BackendRunner> cpu_runner(ComputeType type, RunnerLimits limits = {32, 128, 3000}) {
  return make_runner(*compute::cpu::CpuBackend::create(2, test_isa()), type, limits);
}

std::vector<float> random_features(int num_frames, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, 0.5f);
  std::vector<float> features(static_cast<std::size_t>(num_frames) * 2 * 80);
  for (float& x : features) x = normal(random);
  return features;
}

/// Logits of each of `tokens` written one after another into `slot`, behind a prompt of three tokens in one step.
std::vector<std::vector<float>> decode(Runner& runner, int slot, const std::vector<int>& tokens) {
  std::vector<std::vector<float>> all;
  const auto keep = [&](int row) {
    const auto logits = runner.logits(row);
    all.emplace_back(logits.begin(), logits.end());
  };
  const StepRow prompt[] = {{slot, 0, 50258, true}, {slot, 1, 50259, false}, {slot, 2, 50359, true}};
  EXPECT_TRUE(runner.step(prompt).ok());
  keep(0);
  keep(2);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const StepRow row[] = {{slot, 3 + static_cast<int>(i), tokens[i], true}};
    EXPECT_TRUE(runner.step(row).ok());
    keep(0);
  }
  return all;
}

double relative_rms(std::span<const float> a, std::span<const float> b) {
  double error = 0, power = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    error += (a[i] - b[i]) * (a[i] - b[i]);
    power += b[i] * b[i];
  }
  return std::sqrt(error / power);
}

TEST(BackendRunner, AgreesWithTheReferenceBackend) {
  const auto reference = make_runner(compute::make_reference_backend(), ComputeType::kFloat32, {2, 8, 1500});
  const auto cpu = make_runner(*compute::cpu::CpuBackend::create(2, test_isa()), ComputeType::kFloat32, {2, 8, 1500});
  const auto first = random_features(kFrames, 1), second = random_features(33, 2);
  const EncodeWindow windows[] = {{0, first, kFrames}, {1, second, 33}};
  ASSERT_TRUE(reference->encode(windows).ok());
  ASSERT_TRUE(cpu->encode(windows).ok());
  EXPECT_LT(relative_rms(cpu->encoder_output(), reference->encoder_output()), 1e-5);

  const std::vector<int> tokens = {400, 50364, 7};
  for (const int slot : {1, 0}) {
    const auto expected = decode(*reference, slot, tokens), actual = decode(*cpu, slot, tokens);
    for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_LT(relative_rms(actual[i], expected[i]), 1e-5) << slot;
  }
  const int heads = cpu->num_alignment_heads();
  ASSERT_GT(heads, 0);
  const auto copied = [](BackendRunner& runner, int first_head, int count) {
    const auto weights = runner.alignment_weights(0, 0, first_head, count, 4, 20);
    EXPECT_TRUE(weights) << weights.error().message;
    return std::vector<float>(weights->begin(), weights->end());
  };
  const auto expected = copied(*reference, 0, heads), actual = copied(*cpu, 0, heads);
  ASSERT_EQ(actual.size(), static_cast<std::size_t>(heads) * 4 * 20);
  EXPECT_LT(relative_rms(actual, expected), 1e-5);
  for (std::size_t row = 0; row < actual.size(); row += 20) {
    float sum = 0;
    for (std::size_t i = 0; i < 20; ++i) sum += actual[row + i];
    EXPECT_NEAR(sum, 1, 1e-5);
  }
  const std::size_t last_head = static_cast<std::size_t>(heads - 1) * 4 * 20;
  EXPECT_EQ(copied(*cpu, heads - 1, 1),
            std::vector<float>(actual.begin() + static_cast<std::ptrdiff_t>(last_head), actual.end()));
}

class BackendRunnerTypes : public testing::TestWithParam<ComputeType> {
 protected:
  void SetUp() override {
    if (GetParam() == ComputeType::kBFloat16 &&
        std::min(test_isa(), *compute::detect_isa()) < compute::Isa::kAvx512Bf16) {
      GTEST_SKIP() << "bfloat16 needs AVX-512 BF16";
    }
  }
};

// Alone, and among 31 others of other lengths in the same groups and steps: the same bits.
TEST_P(BackendRunnerTypes, ResultsDoNotDependOnOthers) {
  const auto runner = cpu_runner(GetParam());
  const auto features = random_features(kFrames, 7);
  const std::vector<int> tokens = {400, 401, 50364, 7, 8, 9};
  const EncodeWindow alone[] = {{5, features, kFrames}};
  ASSERT_TRUE(runner->encode(alone).ok());
  const std::vector<float> encoded = runner->encoder_output();
  const auto expected = decode(*runner, 5, tokens);

  std::vector<std::vector<float>> others;
  std::vector<EncodeWindow> group;
  for (int slot = 0; slot < 32; ++slot) others.push_back(random_features(20 + slot, static_cast<unsigned>(100 + slot)));
  for (int slot = 0; slot < 32; ++slot) {
    group.push_back(slot == 5 ? alone[0] : EncodeWindow{slot, others[static_cast<std::size_t>(slot)], 20 + slot});
  }
  ASSERT_TRUE(runner->encode(group).ok());
  std::int64_t first_row = 0;
  for (int slot = 0; slot < 5; ++slot) first_row += 20 + slot;
  const std::vector<float> all_encoded = runner->encoder_output();
  EXPECT_EQ(std::memcmp(all_encoded.data() + first_row * 128, encoded.data(), encoded.size() * sizeof(float)), 0);

  // The others join and leave: every step has another number of rows.
  std::vector<StepRow> rows;
  std::vector<std::vector<float>> actual;
  const auto step = [&](int others_count, std::vector<StepRow> own) {
    rows.clear();
    for (int slot = 0; slot < others_count; ++slot) {
      if (slot != 5) rows.push_back({slot, 0, 50258, true});
    }
    const std::size_t at = rows.size() / 2;
    rows.insert(rows.begin() + static_cast<std::ptrdiff_t>(at), own.begin(), own.end());
    ASSERT_TRUE(runner->step(rows).ok());
    for (std::size_t i = 0; i < own.size(); ++i) {
      if (!own[i].wants_logits) continue;
      const auto logits = runner->logits(static_cast<int>(at + i));
      actual.emplace_back(logits.begin(), logits.end());
    }
  };
  step(32, {{5, 0, 50258, true}, {5, 1, 50259, false}, {5, 2, 50359, true}});
  const int counts[] = {0, 1, 3, 17, 25, 32};
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    step(counts[i], {{5, 3 + static_cast<int>(i), tokens[i], true}});
  }
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(std::memcmp(actual[i].data(), expected[i].data(), expected[i].size() * sizeof(float)), 0) << "step " << i;
  }
}

TEST_P(BackendRunnerTypes, StaysNearFloat32) {
  const auto features = random_features(kFrames, 3);
  const EncodeWindow window[] = {{0, features, kFrames}};
  const auto exact = cpu_runner(ComputeType::kFloat32), rounded = cpu_runner(GetParam());
  ASSERT_TRUE(exact->encode(window).ok());
  ASSERT_TRUE(rounded->encode(window).ok());
  const double tolerance = GetParam() == ComputeType::kFloat32    ? 1e-7
                           : GetParam() == ComputeType::kBFloat16 ? 0.02
                                                                  : 0.06;
  EXPECT_LE(relative_rms(rounded->encoder_output(), exact->encoder_output()), tolerance);
}

TEST_P(BackendRunnerTypes, MayGoBackAndWriteAnew) {
  const auto runner = cpu_runner(GetParam());
  const auto features = random_features(kFrames, 4);
  const EncodeWindow window[] = {{0, features, kFrames}};
  ASSERT_TRUE(runner->encode(window).ok());
  const auto expected = decode(*runner, 0, {10, 11, 12});
  (void)decode(*runner, 0, {10, 99, 98, 97});
  EXPECT_EQ(decode(*runner, 0, {10, 11, 12}), expected);
}

std::vector<float> logits_of(Runner& runner, const StepRow& row) {
  EXPECT_TRUE(runner.step({&row, 1}).ok());
  const auto logits = runner.logits(0);
  return {logits.begin(), logits.end()};
}

// Each branch of a slot, among others and whatever its parents, gives the bits that its tokens give alone.
TEST_P(BackendRunnerTypes, BranchesAreWhatTheirTokensAre) {
  const auto runner = cpu_runner(GetParam(), {2, 32, 3000, 3});
  const auto features = random_features(kFrames, 4);
  const EncodeWindow windows[] = {{0, features, kFrames}, {1, features, kFrames}};
  ASSERT_TRUE(runner->encode(windows).ok());

  // A beam of three in slot 0: tokens by branch, and each step's parents and tokens.
  const StepRow prompt[] = {{0, 0, 50258, false}, {0, 1, 50259, false}, {0, 2, 50359, true}};
  ASSERT_TRUE(runner->step(prompt).ok());
  std::vector<std::vector<int>> branches = {{}};
  struct Step {
    std::vector<int> parents, tokens;
  };
  const Step steps[] = {{{0, 0, 0}, {11, 12, 13}}, {{2, 0, 0}, {21, 22, 23}}, {{1, 1, 0, 2}, {31, 32, 33}},
                        {{0, 2, 3}, {41, 42}},     {{1, 0, 2}, {51, 52}},     {{2}, {61}}};
  std::vector<std::vector<float>> last;
  for (const Step& step : steps) {
    ASSERT_TRUE(runner->fork(0, step.parents).ok());
    std::vector<std::vector<int>> next;
    for (const int parent : step.parents) next.push_back(branches[static_cast<std::size_t>(parent)]);
    branches = std::move(next);
    std::vector<StepRow> rows;
    for (std::size_t i = 0; i < step.tokens.size(); ++i) {
      rows.push_back({0, 3 + static_cast<int>(branches[i].size()), step.tokens[i], true, static_cast<int>(i)});
      branches[i].push_back(step.tokens[i]);
    }
    ASSERT_TRUE(runner->step(rows).ok());
    std::vector<std::vector<float>> actual;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto logits = runner->logits(static_cast<int>(i));
      actual.emplace_back(logits.begin(), logits.end());
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto expected = decode(*runner, 1, branches[i]).back();
      EXPECT_EQ(std::memcmp(actual[i].data(), expected.data(), expected.size() * sizeof(float)), 0)
          << "branch " << i << " of " << branches[i].size() << " tokens";
    }
    // A branch that does not grow is kept as it is.
    for (std::size_t i = 0; i < branches.size(); ++i) {
      const int written = 3 + static_cast<int>(branches[i].size()), heads = runner->num_alignment_heads();
      (void)decode(*runner, 1, branches[i]);
      const auto weights = runner->alignment_weights(0, static_cast<int>(i), 0, heads, written, kFrames);
      ASSERT_TRUE(weights.ok()) << weights.error().message;
      const std::vector<float> actual_weights(weights->begin(), weights->end());
      const auto expected = runner->alignment_weights(1, 0, 0, heads, written, kFrames);
      ASSERT_TRUE(expected.ok()) << expected.error().message;
      EXPECT_EQ(std::memcmp(actual_weights.data(), expected->data(), actual_weights.size() * sizeof(float)), 0);
    }
  }

  // Left alone, the sequence may start again.
  ASSERT_TRUE(runner->fork(0, std::vector<int>{0}).ok());
  EXPECT_EQ(decode(*runner, 0, {10, 11}), decode(*runner, 1, {10, 11}));
}

// What dead branches have used is enough for windows of any length, one after another in the same slot.
TEST(BackendRunner, BranchesNeverRunOutOfRoom) {
  const auto runner = cpu_runner(ComputeType::kInt8, {1, 8, 1500, 4});
  const auto features = random_features(4, 4);
  const EncodeWindow window[] = {{0, features, 4}};
  ASSERT_TRUE(runner->encode(window).ok());
  for (int attempt = 0; attempt < 3; ++attempt) {
    ASSERT_TRUE(runner->fork(0, std::vector<int>{0}).ok());
    EXPECT_FALSE(logits_of(*runner, {0, 0, 50258, true}).empty());
    for (int position = 1; position < 448; ++position) {
      const std::vector<int> parents(4, position % 3 == 0 && position > 1 ? 1 : 0);
      ASSERT_TRUE(runner->fork(0, parents).ok());
      std::vector<StepRow> rows;
      for (int branch = 0; branch < 4; ++branch) rows.push_back({0, position, position + branch, false, branch});
      const auto status = runner->step(rows);
      ASSERT_TRUE(status.ok()) << status.error().message;
    }
    EXPECT_FALSE(runner->step(std::vector<StepRow>{{0, 448, 1, false, 0}}).ok());
  }
}

INSTANTIATE_TEST_SUITE_P(All, BackendRunnerTypes,
                         testing::Values(ComputeType::kFloat32, ComputeType::kBFloat16, ComputeType::kInt8),
                         [](const auto& test) { return std::string(compute_type_name(test.param)); });

// A row of features is longer than a row of activations here; no published model is like that.
TEST(BackendRunner, NarrowModelsAgreeWithTheReferenceBackendToo) {
  const auto folder = model_folder() / "narrow";
  ASSERT_TRUE(models::testing::write_generated_model(
      folder, {.num_mels = 128, .d_model = 64, .vocab_size = models::testing::kMinVocabSize}));
  std::mt19937 random(5);
  std::vector<float> features(2 * kFrames * 128);
  for (float& x : features) x = static_cast<float>(random() % 2000) / 1000 - 1;
  const auto encode = [&](std::unique_ptr<compute::Backend> backend) {
    auto runner = BackendRunner::create(std::move(backend), *models::read_ctranslate2(folder), ComputeType::kFloat32,
                                        {1, 8, 1500});
    EXPECT_TRUE(runner.ok()) << runner.error().message;
    const EncodeWindow window[] = {{0, features, kFrames}};
    EXPECT_TRUE((*runner)->encode(window).ok());
    return (*runner)->encoder_output();
  };
  EXPECT_LT(
      relative_rms(encode(*compute::cpu::CpuBackend::create(2, test_isa())), encode(compute::make_reference_backend())),
      1e-5);
}

TEST(BackendRunner, RefusesWhatWouldHarmIt) {
  const auto runner =
      make_runner(*compute::cpu::CpuBackend::create(1, test_isa()), ComputeType::kFloat32, {2, 4, 1500});
  const auto features = random_features(kFrames, 1), long_features = random_features(1501, 1);
  const auto encode = [&](int slot, std::span<const float> values, int frames) {
    const EncodeWindow window[] = {{slot, values, frames}};
    return runner->encode(window);
  };
  EXPECT_EQ(encode(2, features, kFrames).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(encode(-1, features, kFrames).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(encode(0, features, kFrames + 1).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(encode(0, {}, 0).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(encode(0, long_features, 1501).error().code, ErrorCode::kInvalidArgument);
  const auto most = random_features(1490, 1);
  const EncodeWindow too_many_frames[] = {{0, most, 1490}, {1, features, kFrames}};
  EXPECT_EQ(runner->encode(too_many_frames).error().code, ErrorCode::kInvalidArgument);

  const auto step = [&](std::vector<StepRow> rows) { return runner->step(rows); };
  EXPECT_FALSE(step({{0, 0, 1, true}}).ok()) << "no audio yet";
  ASSERT_TRUE(encode(0, features, kFrames).ok());
  ASSERT_TRUE(encode(1, features, kFrames).ok());
  EXPECT_FALSE(step({{0, 1, 1, true}}).ok()) << "position 0 was never written";
  EXPECT_FALSE(step({{0, 0, 51865, true}}).ok()) << "no such token";
  EXPECT_FALSE(step({{0, 0, -1, true}}).ok());
  EXPECT_FALSE(step({{0, 448, 1, true}}).ok());
  EXPECT_FALSE(step({{0, 0, 1, true}, {0, 2, 1, true}}).ok()) << "a gap";
  EXPECT_FALSE(step({{0, 0, 1, true}, {1, 0, 1, true}, {0, 1, 1, true}}).ok()) << "not consecutive";
  EXPECT_FALSE(step(std::vector<StepRow>(5, {0, 0, 1, true})).ok()) << "too many rows";
  EXPECT_TRUE(step({{0, 0, 1, true}, {0, 1, 1, false}, {1, 0, 1, true}}).ok());
  EXPECT_FALSE(runner->fork(0, {}).ok());
  EXPECT_FALSE(runner->fork(0, std::vector<int>{1}).ok()) << "there is one branch";
  EXPECT_FALSE(runner->fork(0, std::vector<int>{-1}).ok());
  EXPECT_FALSE(runner->fork(2, std::vector<int>{0}).ok());
  EXPECT_FALSE(runner->fork(0, std::vector<int>(3, 0)).ok()) << "more than there may be";
  EXPECT_FALSE(step({{0, 2, 1, true, 1}}).ok()) << "no such branch";
  ASSERT_TRUE(runner->fork(0, std::vector<int>{0, 0}).ok());
  EXPECT_FALSE(step({{0, 1, 1, true, 1}}).ok()) << "back into what branches share";
  EXPECT_FALSE(step({{0, 2, 1, true, 0}, {1, 1, 1, true}, {0, 2, 1, true, 1}}).ok()) << "not consecutive";
  EXPECT_FALSE(step({{0, 2, 1, true, 0}, {0, 2, 1, true, 1}, {0, 3, 1, true, 0}}).ok()) << "not consecutive";
  EXPECT_TRUE(step({{0, 2, 1, true, 0}, {0, 2, 1, true, 1}}).ok());
  ASSERT_TRUE(runner->fork(0, std::vector<int>{1}).ok());
  EXPECT_TRUE(step({{0, 1, 1, true}}).ok());
  const int heads = runner->num_alignment_heads();
  EXPECT_FALSE(runner->alignment_weights(0, 1, 0, heads, 1, kFrames).ok()) << "no such branch";
  EXPECT_TRUE(runner->alignment_weights(0, 0, 0, heads, 2, kFrames).ok());
  EXPECT_FALSE(runner->alignment_weights(0, 0, 0, heads, 3, 8).ok()) << "only two positions are written";
  EXPECT_FALSE(runner->alignment_weights(0, 0, 0, heads, 2, kFrames + 1).ok());
  EXPECT_FALSE(runner->alignment_weights(0, 0, 1, heads, 2, 8).ok());
  EXPECT_FALSE(runner->alignment_weights(4, 0, 0, heads, 2, 8).ok());
  EXPECT_FALSE(BackendRunner::create(compute::make_reference_backend(), *models::read_ctranslate2(model_folder()),
                                     ComputeType::kFloat32, {4, 2, 1500})
                   .ok());
}

}  // namespace
}  // namespace stenod::whisper
