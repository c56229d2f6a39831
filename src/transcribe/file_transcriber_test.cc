#include "transcribe/file_transcriber.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <future>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "audio/testing/audio_files.h"
#include "base/file.h"
#include "models/testing/generated_model.h"
#include "text/language.h"
#include "transcribe/testing/scripted_recogniser.h"
#include "vad/testing/loudness_vad.h"
#include "whisper/quality.h"

namespace stenod::transcribe {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
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

std::unique_ptr<Recogniser> load(const std::filesystem::path& model, const std::filesystem::path& vad,
                                 int num_slots = 16) {
  auto recogniser = Recogniser::load({.model_path = model, .vad_file = vad, .num_threads = 2, .num_slots = num_slots});
  EXPECT_TRUE(recogniser) << recogniser.error().message;
  return recogniser ? *std::move(recogniser) : nullptr;
}

/// A window's text or the lack of it; what a random model says is as good as any.
struct Stretch {
  double start_s, end_s;
  std::optional<int> channel;
};

/// Many windows of little audio: the first second of each second and a half.
std::vector<double> clips_of_a_second(std::size_t count) {
  std::vector<double> clips;
  for (std::size_t i = 0; i < count; ++i) {
    clips.push_back(1.5 * static_cast<double>(i));
    clips.push_back(1.5 * static_cast<double>(i) + 1);
  }
  return clips;
}

std::vector<Stretch> stretches(const text::Transcript& transcript) {
  std::vector<Stretch> all;
  for (const auto& segment : transcript.segments) all.push_back({segment.start, segment.end, segment.channel});
  for (const auto& dropped : transcript.dropped) all.push_back({dropped.start, dropped.end, dropped.channel});
  std::stable_sort(all.begin(), all.end(), [](const Stretch& a, const Stretch& b) { return a.start_s < b.start_s; });
  return all;
}

void expect_same(const text::Transcript& a, const text::Transcript& b) {
  EXPECT_EQ(a.text, b.text);
  EXPECT_EQ(a.language, b.language);
  EXPECT_EQ(a.duration, b.duration);
  ASSERT_EQ(a.segments.size(), b.segments.size());
  for (std::size_t i = 0; i < a.segments.size(); ++i) {
    EXPECT_EQ(a.segments[i].text, b.segments[i].text);
    EXPECT_EQ(a.segments[i].start, b.segments[i].start);
    EXPECT_EQ(a.segments[i].end, b.segments[i].end);
    EXPECT_EQ(a.segments[i].avg_logprob, b.segments[i].avg_logprob);
  }
  ASSERT_EQ(a.dropped.size(), b.dropped.size());
  for (std::size_t i = 0; i < a.dropped.size(); ++i) {
    EXPECT_EQ(a.dropped[i].text, b.dropped[i].text);
    EXPECT_EQ(a.dropped[i].reason, b.dropped[i].reason);
    EXPECT_EQ(a.dropped[i].start, b.dropped[i].start);
  }
}

/// Models with random weights, and a detector that takes what is loud for speech.
class FileTranscriberTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<audio::testing::TempFolder>();
    vad_file_ = folder_->write("loudness.onnx", vad::testing::loudness_vad_file());
    ASSERT_TRUE(
        models::testing::write_generated_model(english_folder(), {.vocab_size = models::testing::kMinVocabSize}));
    ASSERT_TRUE(models::testing::write_generated_model(folder_->path() / "multilingual", {.vocab_size = 51865}));
    english_ = load(english_folder(), vad_file_);
    multilingual_ = load(folder_->path() / "multilingual", vad_file_);
    ASSERT_TRUE(english_ && multilingual_);
  }
  static void TearDownTestSuite() {
    english_.reset();
    multilingual_.reset();
    folder_.reset();
  }

  static std::filesystem::path english_folder() { return folder_->path() / "english"; }
  static std::filesystem::path write(const std::string& name, const Samples& samples, std::uint16_t num_channels = 1) {
    return folder_->write(name, audio::testing::wav({.num_channels = num_channels}, samples));
  }
  static Result<FileResult> transcribe(const std::filesystem::path& file, const FileOptions& options = {},
                                       Recogniser& recogniser = *english_) {
    return FileTranscriber(recogniser).transcribe(file, options);
  }

  static std::unique_ptr<audio::testing::TempFolder> folder_;
  static std::filesystem::path vad_file_;
  static std::unique_ptr<Recogniser> english_;
  static std::unique_ptr<Recogniser> multilingual_;
};
std::unique_ptr<audio::testing::TempFolder> FileTranscriberTest::folder_;
std::filesystem::path FileTranscriberTest::vad_file_;
std::unique_ptr<Recogniser> FileTranscriberTest::english_;
std::unique_ptr<Recogniser> FileTranscriberTest::multilingual_;

TEST_F(FileTranscriberTest, TimesAreThoseOfTheRecording) {
  const auto file = write("two.wav", join({silence(5), noise(3, 1), silence(15), noise(2, 2), silence(1)}));
  const auto result = transcribe(file, {.segmentation = whisper::Segmentation::kWhole});
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_FALSE(result->transcript.interrupted);
  EXPECT_EQ(result->num_skipped_packets, 0);
  EXPECT_NEAR(result->transcript.duration, 26, 1e-9);
  EXPECT_EQ(result->transcript.language, "en");
  EXPECT_EQ(result->transcript.language_probability, 1);
  const auto found = stretches(result->transcript);
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_NEAR(found[0].start_s, 4.6, 0.05);
  EXPECT_NEAR(found[0].end_s, 8.4, 0.05);
  EXPECT_NEAR(found[1].start_s, 22.6, 0.05);
  EXPECT_NEAR(found[1].end_s, 25.4, 0.05);
  for (const Stretch& stretch : found) EXPECT_FALSE(stretch.channel);
}

TEST_F(FileTranscriberTest, ProgressNeverFallsAndEndsWithTheFile) {
  const auto file = write("progress.wav", join({noise(40, 3), silence(12), noise(45, 4)}));
  std::vector<FileProgress> progress;
  const auto result =
      FileTranscriber(*english_).transcribe(file, {}, [&progress](const FileProgress& at) { progress.push_back(at); });
  ASSERT_TRUE(result) << result.error().message;
  ASSERT_THAT(progress, Not(IsEmpty()));
  for (std::size_t i = 1; i < progress.size(); ++i) {
    EXPECT_GE(progress[i].done_s, progress[i - 1].done_s);
    EXPECT_GE(progress[i].work_done_s, progress[i - 1].work_done_s);
    EXPECT_GE(progress[i].work_done_s, progress[i].done_s);
    EXPECT_GE(progress[i].decoded_s, progress[i - 1].decoded_s);
    EXPECT_LE(progress[i].done_s, progress[i].decoded_s);
  }
  EXPECT_NEAR(progress.back().done_s, 97, 1e-6);
  EXPECT_NEAR(progress.back().decoded_s, 97, 1e-6);
  EXPECT_NEAR(progress.back().total_s.value_or(0), 97, 1e-6);
}

TEST_F(FileTranscriberTest, SilenceAndEmptyFilesGiveNoText) {
  for (const double seconds : {0.0, 20.0}) {
    const auto result = transcribe(write("silent.wav", silence(seconds)));
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(result->transcript.text, "");
    EXPECT_THAT(stretches(result->transcript), IsEmpty());
    EXPECT_NEAR(result->transcript.duration, seconds, 1e-9);
    EXPECT_FALSE(result->transcript.interrupted);
  }
  const auto without_vad = transcribe(write("empty.wav", {}), {.vad = false});
  ASSERT_TRUE(without_vad) << without_vad.error().message;
  EXPECT_EQ(without_vad->transcript.text, "");
}

TEST_F(FileTranscriberTest, WithoutTheDetectorSilenceIsTranscribedToo) {
  for (const double seconds : {1.0 / audio::kSampleRate, 0.5, 20.0}) {
    const auto result = transcribe(write("silent.wav", silence(seconds)),
                                   {.vad = false, .segmentation = whisper::Segmentation::kWhole});
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_THAT(stretches(result->transcript), SizeIs(1)) << seconds;
  }
}

TEST_F(FileTranscriberTest, SplitChannelsAreToldApart) {
  // Left speaks first, right later, then both.
  const Samples left = join({noise(2, 5), silence(16), noise(2, 6)});
  const Samples right = join({silence(4), noise(2, 7), silence(12), noise(2, 8)});
  Samples stereo;
  for (std::size_t i = 0; i < left.size(); ++i) {
    stereo.push_back(left[i]);
    stereo.push_back(right[i]);
  }
  const auto file = write("stereo.wav", stereo, 2);
  const auto split = transcribe(file, {.segmentation = whisper::Segmentation::kWhole, .split_channels = true});
  ASSERT_TRUE(split) << split.error().message;
  const auto found = stretches(split->transcript);
  ASSERT_THAT(found, SizeIs(4));
  EXPECT_EQ(found[0].channel, 0);
  EXPECT_EQ(found[1].channel, 1);
  EXPECT_NEAR(found[1].start_s, 3.6, 0.05);
  EXPECT_NE(found[2].channel, found[3].channel);
  EXPECT_TRUE(std::is_sorted(split->transcript.segments.begin(), split->transcript.segments.end(),
                             [](const auto& a, const auto& b) { return a.start < b.start; }));

  const auto mixed = transcribe(file, {.segmentation = whisper::Segmentation::kWhole});
  ASSERT_TRUE(mixed) << mixed.error().message;
  for (const Stretch& stretch : stretches(mixed->transcript)) EXPECT_FALSE(stretch.channel);
}

TEST_F(FileTranscriberTest, SegmentsComeInTheOrderOfTheResultAsTheyGetReady) {
  const auto recogniser = testing::scripted_recogniser(folder_->path());
  ASSERT_TRUE(recogniser);
  // A right channel that is silent for long must not hold up the left one for ever; where both speak, the left one's
  // long windows end after the right one's short ones have begun.
  const Samples left = join({noise(29, 40), noise(29, 41), noise(29, 42), noise(29, 43), silence(12), noise(3, 44)});
  const Samples right = join({silence(80), noise(2, 45), silence(12), noise(2, 46), silence(20), noise(15, 47)});
  ASSERT_EQ(left.size(), right.size());
  Samples stereo;
  for (std::size_t i = 0; i < left.size(); ++i) {
    stereo.push_back(left[i]);
    stereo.push_back(right[i]);
  }
  const auto file = write("segments.wav", stereo, 2);
  for (const bool split : {false, true}) {
    std::vector<text::Segment> segments;
    double done_s = 0;
    std::size_t num_before_the_end = 0;
    const auto result = FileTranscriber(*recogniser)
                            .transcribe(
                                file, {.split_channels = split},
                                [&](const FileProgress& progress) {
                                  done_s = progress.done_s;
                                  if (done_s < 100) num_before_the_end = segments.size();
                                },
                                {}, [&](const text::Segment& segment) { segments.push_back(segment); });
    ASSERT_TRUE(result) << result.error().message;
    const auto& expected = result->transcript.segments;
    ASSERT_EQ(segments.size(), expected.size());
    EXPECT_GT(segments.size(), 4u);
    EXPECT_GT(num_before_the_end, 0u);
    for (std::size_t i = 0; i < segments.size(); ++i) {
      EXPECT_EQ(segments[i].start, expected[i].start);
      EXPECT_EQ(segments[i].channel, expected[i].channel);
      EXPECT_GE(segments[i].start, i > 0 ? segments[i - 1].start : 0);
    }
  }
}

TEST_F(FileTranscriberTest, MessagesUseTheNameGiven) {
  const auto broken = transcribe(folder_->write("spooled", "this is no sound at all"), {.name = "talk.mp3"});
  ASSERT_FALSE(broken);
  EXPECT_THAT(broken.error().message, AllOf(HasSubstr("talk.mp3"), Not(HasSubstr("spooled"))));
  EXPECT_EQ(broken.error().param, "talk.mp3");
  const auto missing = transcribe(folder_->path() / "no_such.wav", {.name = "talk.mp3"});
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, AllOf(HasSubstr("talk.mp3"), Not(HasSubstr("no_such"))));
}

TEST_F(FileTranscriberTest, LanguagesAreCheckedDetectedAndTaken) {
  const auto file = write("language.wav", noise(2, 9));
  const auto code_of = [&](Recogniser& recogniser, const std::string& language) {
    const auto result = transcribe(file, {.language = language, .vad = false}, recogniser);
    if (result) return result->transcript.language;
    EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(result.error().param, "language");
    EXPECT_THAT(result.error().message, HasSubstr("'" + language + "'"));
    return std::string();
  };
  EXPECT_EQ(code_of(*multilingual_, "klingon"), "");
  EXPECT_EQ(code_of(*multilingual_, ""), "");
  EXPECT_EQ(code_of(*multilingual_, "yue"), "");  // a language of Whisper, but not of this model
  EXPECT_EQ(code_of(*multilingual_, "de"), "de");
  EXPECT_EQ(code_of(*multilingual_, "German"), "de");
  EXPECT_EQ(code_of(*english_, "de"), "");
  EXPECT_EQ(code_of(*english_, "klingon"), "");
  EXPECT_EQ(code_of(*english_, "en"), "en");
  EXPECT_EQ(code_of(*english_, "English"), "en");

  const auto detected = transcribe(file, {.vad = false}, *multilingual_);
  ASSERT_TRUE(detected) << detected.error().message;
  EXPECT_NE(text::find_language(detected->transcript.language), nullptr) << detected->transcript.language;
  EXPECT_GT(detected->transcript.language_probability, 0);
  EXPECT_LT(detected->transcript.language_probability, 1);
}

TEST_F(FileTranscriberTest, FilesThatCannotBeReadSayWhy) {
  const auto missing = transcribe(folder_->path() / "no_such.wav");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().message, HasSubstr("no_such.wav"));
  const auto broken = transcribe(folder_->write("broken.wav", "this is no sound at all"));
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code, ErrorCode::kAudioUnknownFormat);
  EXPECT_THAT(broken.error().message, HasSubstr("broken.wav"));
}

TEST_F(FileTranscriberTest, FilesAtOnceGiveWhatTheyGiveAlone) {
  const std::array files = {write("a.wav", noise(75, 10)),
                            write("b.wav", join({noise(20, 11), silence(11), noise(33, 12)}))};
  const auto run = [](const std::filesystem::path& file) { return transcribe(file); };
  std::vector<Result<FileResult>> alone;
  for (const auto& file : files) alone.push_back(run(file));
  std::vector<std::future<Result<FileResult>>> at_once;
  for (const auto& file : files) at_once.push_back(std::async(std::launch::async, run, file));
  for (std::size_t i = 0; i < files.size(); ++i) {
    const auto among = at_once[i].get();
    ASSERT_TRUE(among && alone[i]);
    EXPECT_THAT(stretches(among->transcript), Not(IsEmpty()));
    expect_same(among->transcript, alone[i]->transcript);
  }
}

TEST_F(FileTranscriberTest, AFullEngineIsWaitedFor) {
  const auto file = write("windows.wav", noise(12, 13));
  const auto narrow = load(english_folder(), vad_file_, 1);  // one window waits at most
  ASSERT_TRUE(narrow);
  const FileOptions options = {.vad = false,
                               .clip_timestamps = clips_of_a_second(8),
                               .segmentation = whisper::Segmentation::kWhole,
                               .decoding = {}};
  // Holds up the engine until it has refused a window of the file.
  engine::Request first;
  first.audio = std::make_shared<audio::LogMel>(
      audio::LogMel{.num_mels = 80, .num_frames = 10, .values = std::vector<float>(800, -5.0f)});
  const auto wait_until_full = [&narrow](const Result<engine::WindowResult>&) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (narrow->engine().statistics().overloaded == 0 && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  };
  ASSERT_TRUE(narrow->engine().submit(first, wait_until_full));
  const auto waited = transcribe(file, options, *narrow);
  const auto expected = transcribe(file, options);
  ASSERT_TRUE(waited && expected);
  EXPECT_THAT(stretches(waited->transcript), SizeIs(8));
  EXPECT_GT(narrow->engine().statistics().overloaded, 0u);
  expect_same(waited->transcript, expected->transcript);
}

TEST_F(FileTranscriberTest, AStopKeepsWhatIsFinished) {
  // More windows than may be in flight, so that the first is finished before the last is read.
  const auto file = write("stopped.wav", noise(60, 14));
  std::stop_source stop;
  double done_s = 0;
  const auto result = FileTranscriber(*english_).transcribe(
      file,
      {.vad = false,
       .clip_timestamps = clips_of_a_second(40),
       .segmentation = whisper::Segmentation::kWhole,
       .decoding = {}},
      [&](const FileProgress& progress) {
        done_s = progress.done_s;
        if (done_s > 0) stop.request_stop();
      },
      stop.get_token());
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_TRUE(result->transcript.interrupted);
  const auto found = stretches(result->transcript);
  for (std::size_t i = 0; i < found.size(); ++i)
    EXPECT_NEAR(found[i].start_s, 1.5 * static_cast<double>(i), 1e-6) << "a gap";
  ASSERT_FALSE(found.empty());
  EXPECT_GE(found.back().end_s, done_s - 0.52);
  EXPECT_LT(found.size(), 40u);
  // The engine is free for others.
  EXPECT_TRUE(transcribe(write("next.wav", noise(1, 15))));
}

TEST_F(FileTranscriberTest, AStopBeforeTheFirstWindowLeavesNoText) {
  std::stop_source stop;
  const auto file = write("early.wav", noise(60, 16));
  const auto result = FileTranscriber(*english_).transcribe(
      file, {}, [&stop](const FileProgress&) { stop.request_stop(); }, stop.get_token());
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_TRUE(result->transcript.interrupted);
  EXPECT_THAT(stretches(result->transcript), IsEmpty());

  const auto not_started = FileTranscriber(*english_).transcribe(file, {}, {}, stop.get_token());
  ASSERT_FALSE(not_started);
  EXPECT_EQ(not_started.error().code, ErrorCode::kCancelled);
}

TEST_F(FileTranscriberTest, AStoppedEngineIsAnError) {
  const auto recogniser = load(english_folder(), vad_file_);
  ASSERT_TRUE(recogniser);
  recogniser->engine().stop(engine::StopMode::kCancel);
  const auto result = transcribe(write("stopped_engine.wav", noise(2, 17)), {}, *recogniser);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kShuttingDown);
}

TEST_F(FileTranscriberTest, ShortWindowsHaveRoomAndTimestamps) {
  std::vector<int> num_frames;
  std::vector<bool> with_timestamps;
  testing::Script script;
  script.windows = {{.text = "<|0.50|> One.<|2.00|>"}, {.text = " Two."}};
  script.before_encode = [&](int frames) {
    num_frames.push_back(frames);
    return Status();
  };
  std::unique_ptr<Recogniser> recogniser;
  script.on_prompt = [&](const std::vector<int>& prompt) {
    const int text_alone = recogniser->tokenizer().special().notimestamps;
    with_timestamps.push_back(std::find(prompt.begin(), prompt.end(), text_alone) == prompt.end());
  };
  recogniser = testing::scripted_recogniser(folder_->path(), std::move(script));
  const auto file = write("short_and_long.wav", join({noise(3, 30), silence(15), noise(12, 31)}));
  const auto result = transcribe(file, {}, *recogniser);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->transcript.text, "One. Two.");
  EXPECT_THAT(with_timestamps, ElementsAre(true, false));
  ASSERT_THAT(num_frames, SizeIs(2));
  EXPECT_EQ(num_frames[0], whisper::kTenSecondsFrames);
  EXPECT_GT(num_frames[1], whisper::kTenSecondsFrames);
}

TEST_F(FileTranscriberTest, AWindowThatFailsCostsNoOtherWindowsText) {
  const auto scripted = [](bool fails) {
    testing::Script script;
    if (fails) {
      script.before_encode = [](int num_frames) -> Status {
        if (num_frames < 600) return Error{ErrorCode::kOutOfMemory, "no memory for a short window"};
        return {};
      };
    }
    return testing::scripted_recogniser(folder_->path(), std::move(script));
  };
  const FileOptions options{.segmentation = whisper::Segmentation::kWhole};
  const auto file = write("both.wav", join({noise(3, 30), silence(15), noise(12, 31)}));
  const auto all = transcribe(file, options, *scripted(false));
  const auto failing = scripted(true);
  const auto most = transcribe(file, options, *failing);
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_FALSE(all->failure);
  ASSERT_THAT(all->transcript.segments, SizeIs(2));
  ASSERT_TRUE(most) << most.error().message;
  ASSERT_TRUE(most->failure);
  EXPECT_EQ(most->failure->code, ErrorCode::kOutOfMemory);
  EXPECT_FALSE(most->transcript.interrupted);
  ASSERT_THAT(most->transcript.segments, SizeIs(1));
  EXPECT_EQ(most->transcript.segments[0].text, all->transcript.segments[1].text);
  ASSERT_THAT(most->transcript.dropped, SizeIs(1));
  EXPECT_EQ(most->transcript.dropped[0].reason, "out_of_memory");
  EXPECT_LT(most->transcript.dropped[0].end, 4);

  const auto nothing = transcribe(write("short.wav", noise(3, 30)), options, *failing);
  ASSERT_FALSE(nothing) << "without any text it is an error";
  EXPECT_EQ(nothing.error().code, ErrorCode::kOutOfMemory);
}

TEST_F(FileTranscriberTest, PartsThatAreMissingAreNamed) {
  const auto code_of = [](const std::filesystem::path& model, const std::filesystem::path& vad) {
    const auto loaded = Recogniser::load({.model_path = model, .vad_file = vad, .num_threads = 1});
    return loaded ? std::string() : loaded.error().message;
  };
  EXPECT_THAT(code_of(folder_->path() / "no_model", vad_file_), HasSubstr("no_model"));
  EXPECT_THAT(code_of(english_folder(), folder_->path() / "no_vad.onnx"), HasSubstr("no_vad.onnx"));
}

// --- The published weights

TEST(FileTranscriberModelTest, WritesDownSpeech) {
  const char* models = std::getenv("STENOD_TEST_MODEL_DIR");
  if (models == nullptr) GTEST_SKIP() << "STENOD_TEST_MODEL_DIR is not set";
  const auto model = std::filesystem::path(models) / "base";
  const auto vad = std::filesystem::path(models) / "silero-vad" / "silero_vad_16k_op15.onnx";
  for (const auto& path : {model, vad}) {
    if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " does not exist";
  }
  const auto recording = read_file("/usr/share/pocketsphinx/test/data/goforward.raw", 1 << 20);
  if (!recording) GTEST_SKIP() << recording.error().message << " (Debian package pocketsphinx-testdata)";
  Samples speech(recording->size() / 2);
  std::memcpy(speech.data(), recording->data(), speech.size() * 2);
  const audio::testing::TempFolder folder;
  const auto file =
      folder.write("goforward.wav", audio::testing::wav({}, join({silence(2), speech, silence(12), speech})));

  const auto recogniser = load(model, vad);
  ASSERT_TRUE(recogniser);
  const auto result = FileTranscriber(*recogniser).transcribe(file, {.word_timestamps = true});
  ASSERT_TRUE(result) << result.error().message;
  const text::Transcript& transcript = result->transcript;
  EXPECT_EQ(transcript.language, "en");
  ASSERT_THAT(transcript.segments, SizeIs(2));
  const double speech_s = static_cast<double>(speech.size()) / audio::kSampleRate;
  EXPECT_EQ(transcript.text, transcript.segments[0].text.substr(1) + transcript.segments[1].text);
  EXPECT_THAT(transcript.dropped, IsEmpty());
  double spoken_s = 2;  // where the speech starts
  for (const auto& segment : transcript.segments) {
    std::string text = segment.text;
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
    EXPECT_THAT(text, HasSubstr("go forward"));
    EXPECT_THAT(text, HasSubstr("meters"));
    // faster-whisper with the same weights in float32 ends it at 1.8 s; its sound fades until 2.4 s.
    EXPECT_NEAR(segment.start, spoken_s + 0.5, 0.4);
    EXPECT_NEAR(segment.end, spoken_s + 1.8, 0.4);
    double before = 0;
    ASSERT_THAT(segment.words, SizeIs(4));
    for (const auto& word : segment.words) {
      EXPECT_GE(word.start, before);
      EXPECT_GE(word.end, word.start);
      before = word.end;
    }
    EXPECT_LE(before, transcript.duration);
    spoken_s += speech_s + 12;
  }
}

}  // namespace
}  // namespace stenod::transcribe
