#include "transcribe/sequential_job.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "audio/testing/audio_files.h"
#include "transcribe/file_transcriber.h"
#include "transcribe/testing/scripted_recogniser.h"

namespace stenod::transcribe {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Samples = std::vector<std::int16_t>;

Samples noise(double seconds, std::uint32_t seed) {
  std::mt19937 random(seed);
  Samples samples(static_cast<std::size_t>(seconds * audio::kSampleRate));
  for (std::int16_t& sample : samples) sample = static_cast<std::int16_t>(static_cast<int>(random() % 20000) - 10000);
  return samples;
}

Samples silence(double seconds) { return Samples(static_cast<std::size_t>(seconds * audio::kSampleRate)); }

Samples join(const std::vector<Samples>& parts) {
  Samples all;
  for (const Samples& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

/// "0.0-2.0 Hello"
std::vector<std::string> spelled(const text::Transcript& transcript) {
  std::vector<std::string> all;
  for (const text::Segment& segment : transcript.segments) {
    all.push_back(fmt::format("{:.1f}-{:.1f}{}", segment.start, segment.end, segment.text));
  }
  return all;
}

/// A model that says what a test wants of each window, and keeps what it was given as said before.
class SequentialJobTest : public ::testing::Test {
 protected:
  SequentialJobTest() {
    options_.sequential = true;
    options_.vad = false;
    options_.decoding.search.beam_size = 1;
    options_.decoding.search.temperatures = {0};
  }

  void load(std::vector<testing::ScriptedWindow> windows, bool multilingual = false) {
    recogniser_.reset();
    prompts_.clear();
    recogniser_ = testing::scripted_recogniser(
        folder_.path(),
        {.windows = std::move(windows),
         .on_prompt = [this](const std::vector<int>& prompt) { prompts_.push_back(said_before(prompt)); },
         .multilingual = multilingual});
    ASSERT_TRUE(recogniser_);
  }

  /// Tokens before <|startoftranscript|>, with timestamps as "<1.00>".
  std::string said_before(const std::vector<int>& prompt) const {
    const text::Tokenizer& tokenizer = recogniser_->tokenizer();
    std::string said;
    for (const int token : prompt) {
      if (token == tokenizer.special().sot) break;
      if (token >= tokenizer.special().timestamp_begin) {
        said += fmt::format("<{:.2f}>", (token - tokenizer.special().timestamp_begin) * 0.02);
      } else if (token < tokenizer.special().eot) {
        said += tokenizer.token_bytes(token);
      }
    }
    return said;
  }

  Result<FileResult> transcribe(const Samples& samples, std::uint16_t num_channels = 1) {
    const auto file = folder_.write("file.wav", audio::testing::wav({.num_channels = num_channels}, samples));
    return FileTranscriber(*recogniser_).transcribe(file, options_);
  }
  text::Transcript transcript_of(const Samples& samples, std::uint16_t num_channels = 1) {
    auto result = transcribe(samples, num_channels);
    EXPECT_TRUE(result) << result.error().message;
    return result ? std::move(result->transcript) : text::Transcript{};
  }

  audio::testing::TempFolder folder_;
  FileOptions options_;
  std::vector<std::string> prompts_;
  std::unique_ptr<Recogniser> recogniser_;
};

TEST_F(SequentialJobTest, TheNextWindowBeginsWithTheLastPairOfTimestamps) {
  load({{.text = "<|0.00|> One.<|10.00|><|12.00|> Two.<|20.00|><|20.00|> Unfin"}, {.text = "<|0.00|> Three.<|5.00|>"}});
  const auto transcript = transcript_of(noise(40, 1));
  EXPECT_THAT(spelled(transcript), ElementsAre("0.0-10.0 One.", "12.0-20.0 Two.", "20.0-25.0 Three."));
  EXPECT_EQ(transcript.text, "One. Two. Three.");
  EXPECT_THAT(prompts_, ElementsAre("", "<0.00> One.<10.00><12.00> Two.<20.00>"));
}

TEST_F(SequentialJobTest, ASingleTimestampAtTheEndEndsTheWindow) {
  load({{.text = "<|0.00|> One.<|10.00|>"}, {.text = "<|1.00|> Two.<|5.00|>"}});
  EXPECT_THAT(spelled(transcript_of(noise(40, 1))), ElementsAre("0.0-10.0 One.", "31.0-35.0 Two."));
}

TEST_F(SequentialJobTest, WithoutTimestampsAWindowIsOneSegment) {
  load({{.text = "<|0.00|> One"}, {.text = "<|0.00|> Two"}});
  EXPECT_THAT(spelled(transcript_of(noise(40, 1))), ElementsAre("0.0-30.0 One", "30.0-40.0 Two"));
}

TEST_F(SequentialJobTest, WindowsWithoutSpeechAreSkippedAndHideNothing) {
  load({{.text = "<|0.00|> One.<|10.00|>"},
        {.text = "<|0.00|> Nobody.<|2.00|>", .certainty = 4, .no_speech = true},
        {.text = "<|0.00|> Two.<|5.00|>"}});
  const auto transcript = transcript_of(noise(70, 1));
  EXPECT_THAT(spelled(transcript), ElementsAre("0.0-10.0 One.", "60.0-65.0 Two."));
  ASSERT_THAT(transcript.dropped, SizeIs(1));
  EXPECT_EQ(transcript.dropped[0].reason, "no_speech");
  EXPECT_EQ(transcript.dropped[0].start, 30);
  EXPECT_EQ(transcript.dropped[0].end, 60);
  EXPECT_THAT(prompts_, ElementsAre("", "<0.00> One.<10.00>", "<0.00> One.<10.00>"));
}

TEST_F(SequentialJobTest, TextBeforeIsGivenUnlessItIsNotWanted) {
  load({{.text = "<|0.00|> One"}, {.text = "<|0.00|> Two"}, {.text = "<|0.00|> Three"}});
  options_.decoding.initial_prompt = "Names";
  options_.decoding.hotwords = "hot";
  transcript_of(noise(65, 1));
  EXPECT_THAT(prompts_, ElementsAre(" hot Names", " hot Names<0.00> One", " hot Names<0.00> One<0.00> Two"));

  load({{.text = "<|0.00|> One"}, {.text = "<|0.00|> Two"}, {.text = "<|0.00|> Three"}});
  options_.condition_on_previous_text = false;
  transcript_of(noise(65, 1));
  EXPECT_THAT(prompts_, ElementsAre(" hot Names", " hot", " hot"));
}

TEST_F(SequentialJobTest, TextBeforeIsNoLongerThanTheModelTakes) {
  std::mt19937 random(1);
  std::string first = " ", second = " ";
  for (int i = 0; i < 150; ++i) first += static_cast<char>('a' + random() % 26);
  for (int i = 0; i < 119; ++i) second += static_cast<char>('a' + random() % 26);
  load({{.text = "<|0.00|>" + first}, {.text = "<|0.00|>" + second}, {.text = "<|0.00|> Three"}});
  transcript_of(noise(65, 1));
  // 223 tokens: a timestamp and 120 of the second window, and the last 102 of the first one.
  EXPECT_THAT(prompts_, ElementsAre("", "<0.00>" + first, first.substr(first.size() - 102) + "<0.00>" + second));
}

TEST_F(SequentialJobTest, TextOfAHighTemperatureIsForgotten) {
  for (const double reset : {0.5, 1.0}) {
    load({{.text = "<|0.00|> One", .certainty = 5}, {.text = "<|0.00|> Two"}});
    options_.decoding.search.temperatures = {0, 0.2f, 0.8f};
    options_.decoding.search.best_of = 1;
    options_.prompt_reset_on_temperature = reset;
    transcript_of(noise(40, 1));
    ASSERT_THAT(prompts_, SizeIs(2));
    EXPECT_EQ(prompts_[1].empty(), reset < 0.8) << reset;
  }
}

TEST_F(SequentialJobTest, APrefixBeginsTheFirstWindowAlone) {
  load({{.text = "<|0.00|> So<|10.00|>"}});
  options_.decoding.prefix = "So";
  const auto transcript = transcript_of(noise(40, 1));
  EXPECT_THAT(spelled(transcript), ElementsAre("0.0-10.0 So", "30.0-40.0 So"));
  options_.decoding.prefix = "Yes";
  EXPECT_THAT(transcript_of(noise(40, 1)).segments[0].text, HasSubstr(" Yes"));
}

TEST_F(SequentialJobTest, APrefixThatIsTooLongIsAnErrorAndNoLostWindow) {
  load({{.text = "<|0.00|> One"}, {.text = "<|0.00|> Two"}});
  options_.decoding.prefix = std::string(300, 'x');
  const auto result = transcribe(noise(40, 1));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(result.error().param, "prefix");
}

TEST_F(SequentialJobTest, ManyShortSegmentsDoNotCostAWindowEach) {
  // A file that is made so could otherwise ask for 50 windows a second.
  load(std::vector<testing::ScriptedWindow>(100, {.text = "<|0.00|> x<|0.02|><|0.02|> y<|0.04|><|0.04|>"}));
  transcript_of(noise(5, 1));
  EXPECT_LE(prompts_.size(), 11u);
}

TEST_F(SequentialJobTest, SilenceIsCutOutAndTimesAreThoseOfTheRecording) {
  options_.vad = true;
  load({{.text = "<|0.40|> One.<|3.40|><|4.20|> Two.<|6.20|>"}});
  const auto transcript = transcript_of(join({silence(5), noise(3, 1), silence(15), noise(2, 2), silence(9)}));
  ASSERT_THAT(transcript.segments, SizeIs(2)) << "one window";
  // The detector looks at 32 ms at once, and pieces begin and end with them.
  EXPECT_NEAR(transcript.segments[0].start, 5, 0.1);
  EXPECT_NEAR(transcript.segments[0].end, 8, 0.1);
  EXPECT_NEAR(transcript.segments[1].start, 23, 0.1);
  EXPECT_NEAR(transcript.segments[1].end, 25, 0.1);
  EXPECT_NEAR(transcript.duration, 34, 1e-9);
  EXPECT_THAT(transcript_of(silence(20)).segments, IsEmpty());
  EXPECT_THAT(transcript_of({}).segments, IsEmpty());
}

TEST_F(SequentialJobTest, ChannelsHaveTheirOwnTextBefore) {
  load({{.text = "<|0.00|> L"}, {.text = "<|0.00|> R"}, {.text = "<|0.00|> End"}});
  options_.split_channels = true;
  Samples stereo;
  for (const std::int16_t sample : noise(40, 1)) stereo.insert(stereo.end(), {sample, sample});
  const auto transcript = transcript_of(stereo, 2);
  EXPECT_THAT(spelled(transcript), ElementsAre("0.0-30.0 L", "0.0-30.0 R", "30.0-40.0 End", "30.0-40.0 End"));
  EXPECT_THAT(prompts_, ElementsAre("", "", "<0.00> L", "<0.00> R"));
  EXPECT_EQ(transcript.segments[1].channel, 1);
}

TEST_F(SequentialJobTest, AWindowThatFailsIsPassedOver) {
  auto num_encoded = std::make_shared<int>(0);
  recogniser_ = testing::scripted_recogniser(
      folder_.path(), {.windows = {{.text = "<|0.00|> One"}}, .before_encode = [num_encoded](int) -> Status {
                         if (++*num_encoded == 1) return Error{ErrorCode::kOutOfMemory, "no memory"};
                         return {};
                       }});
  ASSERT_TRUE(recogniser_);
  const auto result = transcribe(noise(65, 1));
  ASSERT_TRUE(result) << result.error().message;
  ASSERT_TRUE(result->failure);
  EXPECT_EQ(result->failure->code, ErrorCode::kOutOfMemory);
  EXPECT_THAT(result->transcript.dropped, SizeIs(1));
  EXPECT_THAT(spelled(result->transcript), ElementsAre("30.0-60.0 One", "60.0-65.0 One"));
}

TEST_F(SequentialJobTest, AStopKeepsWhatIsFinished) {
  load({{.text = "<|0.00|> One"}});
  const auto file = folder_.write("stop.wav", audio::testing::wav({}, noise(200, 1)));
  std::stop_source stop;
  const auto result =
      FileTranscriber(*recogniser_).transcribe(file, options_, {}, stop.get_token(), [&](const text::Segment&) {
        stop.request_stop();
      });
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_TRUE(result->transcript.interrupted);
  EXPECT_THAT(spelled(result->transcript), ElementsAre("0.0-30.0 One"));
}

TEST_F(SequentialJobTest, OnlyClipsAreTranscribed) {
  load({{.text = "<|0.00|> One.<|4.00|>"}, {.text = "<|0.00|> Two.<|1.00|>"}});
  options_.clip_timestamps = {5, 10, 20, 22};
  const auto transcript = transcript_of(noise(40, 1));
  EXPECT_THAT(spelled(transcript), ElementsAre("5.0-9.0 One.", "20.0-21.0 Two."));
  EXPECT_NEAR(transcript.duration, 40, 0.1);
  EXPECT_THAT(prompts_, ElementsAre("", "<0.00> One.<4.00>"));
}

TEST_F(SequentialJobTest, OnlyClipsAreTranscribedAtTheSameTimeToo) {
  load({{.text = " One."}, {.text = " Two."}});
  options_.sequential = false;
  options_.segmentation = whisper::Segmentation::kWhole;
  options_.clip_timestamps = {5, 10, 20, 22};
  EXPECT_THAT(transcript_of(noise(40, 1)).segments, SizeIs(2));
  const auto transcript = transcript_of(join({noise(8, 1), silence(2), noise(20, 2)}));
  ASSERT_THAT(transcript.segments, SizeIs(2));
  EXPECT_NEAR(transcript.segments[0].start, 5, 0.01);
  EXPECT_NEAR(transcript.segments[0].end, 10, 0.01);
  EXPECT_NEAR(transcript.segments[1].start, 20, 0.01);
  EXPECT_NEAR(transcript.segments[1].end, 22, 0.01);
}

TEST_F(SequentialJobTest, ClipsBehindTheEndAreAnErrorWhereThereIsNothingElse) {
  for (const bool sequential : {true, false}) {
    options_.sequential = sequential;
    options_.segmentation = whisper::Segmentation::kWhole;
    load({{.text = sequential ? "<|0.00|> One.<|4.00|>" : " One."}});
    options_.clip_timestamps = {50, 60};
    const auto result = transcribe(noise(10, 1));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(result.error().param, "clip_timestamps");
    EXPECT_THAT(result.error().message, HasSubstr("ends at 10.000 s"));
    options_.clip_timestamps = {5, 60, 70};
    EXPECT_THAT(transcript_of(noise(10, 1)).segments, SizeIs(1));
    options_.clip_timestamps = {5, 3};
    EXPECT_FALSE(transcribe(noise(10, 1)));
  }
}

TEST_F(SequentialJobTest, EveryWindowMayHaveItsLanguage) {
  const std::vector<testing::ScriptedWindow> windows = {{.text = "<|0.00|> Hello"},
                                                        {.text = "<|0.00|> Hallo", .language = "de"},
                                                        {.text = "<|0.00|> Tag", .language = "de"}};
  load(windows, true);
  options_.multilingual = true;
  auto transcript = transcript_of(noise(85, 1));
  ASSERT_THAT(transcript.segments, SizeIs(3));
  EXPECT_EQ(transcript.segments[0].language, "en");
  EXPECT_EQ(transcript.segments[1].language, "de");
  EXPECT_EQ(transcript.language, "de");
  EXPECT_GT(transcript.language_probability, 0.9);

  load(windows, true);
  options_.multilingual = false;
  transcript = transcript_of(noise(85, 1));
  EXPECT_FALSE(transcript.segments[0].language);
  EXPECT_EQ(transcript.language, "en") << "the first window decides";

  load(windows);
  options_.multilingual = true;
  const auto english_only = transcribe(noise(10, 1));
  ASSERT_FALSE(english_only);
  EXPECT_EQ(english_only.error().param, "multilingual");
}

TEST_F(SequentialJobTest, OptionsWithoutEffectAreRefused) {
  const auto refused = [](const FileOptions& options) {
    const Status checked = check_options(options);
    return checked ? "" : checked.error().param;
  };
  FileOptions options;
  EXPECT_EQ(refused(options), "");
  const auto needs_sequential = [&](const char* name) {
    options.word_timestamps = true;
    EXPECT_EQ(refused(options), name);
    options.sequential = true;
    EXPECT_EQ(refused(options), "") << name;
    options = {};
  };
  options.condition_on_previous_text = true;
  needs_sequential("condition_on_previous_text");
  options.prompt_reset_on_temperature = kDefaultPromptResetTemperature;
  needs_sequential("prompt_reset_on_temperature");
  options.decoding.max_initial_timestamp_s = 1;
  needs_sequential("max_initial_timestamp");
  options.hallucination_silence_threshold_s = 2;
  needs_sequential("hallucination_silence_threshold");

  options = {.segmentation = whisper::Segmentation::kTimestamps};
  options.decoding.max_initial_timestamp_s = 1;
  EXPECT_EQ(refused(options), "") << "timestamps are written";
  options = {.sequential = true, .prompt_reset_on_temperature = -1};
  EXPECT_EQ(refused(options), "prompt_reset_on_temperature");
  options = {.condition_on_previous_text = false};
  EXPECT_EQ(refused(options), "") << "as it is anyway";
}

TEST_F(SequentialJobTest, WindowsVoteOnTheLanguage) {
  load({{.text = "<|0.00|> x", .language = "fr", .of_language = 3},
        {.text = "<|0.00|> x", .language = "de", .of_language = 3},
        {.text = "<|0.00|> x", .language = "de", .of_language = 3},
        {.text = "<|0.00|> Hallo", .language = "fr"}},
       true);
  options_.language_detection_segments = 3;
  const auto transcript = transcript_of(noise(100, 1));
  EXPECT_EQ(transcript.language, "de");
  EXPECT_NEAR(transcript.language_probability, 0.17, 0.05);
  EXPECT_EQ(transcript.segments[0].text, " Hallo");
}

}  // namespace
}  // namespace stenod::transcribe
