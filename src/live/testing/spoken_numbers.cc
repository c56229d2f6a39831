#include "live/testing/spoken_numbers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "audio/log_mel.h"

namespace stenod::live::testing {
namespace {

constexpr double kStep = 1.01;
constexpr double kQuietest = 0.05;
constexpr int kMinFrames = 14;  // of the 30 that a number takes: less of it is not understood

constexpr int kFullStop = 1000;  // a token

double amplitude(int number) { return kQuietest * std::pow(kStep, number); }

/// The loudest mel band of each frame.
std::vector<float> loudness(const audio::LogMel& mel) {
  std::vector<float> levels;
  for (int f = 0; f < mel.num_frames; ++f) {
    const auto first = mel.values.begin() + static_cast<std::ptrdiff_t>(f) * mel.num_mels;
    levels.push_back(*std::max_element(first, first + mel.num_mels));
  }
  return levels;
}

/// The level that a tone of amplitude 1 has.
float level_of_one() {
  static const float level = [] {
    std::vector<std::int16_t> samples;
    say(samples, 0);
    audio::LogMelExtractor extractor(80);
    audio::LogMel mel;
    extractor.append(std::span<const std::int16_t>(samples), mel);
    return loudness(mel)[15] - static_cast<float>(2 * std::log10(amplitude(0)));
  }();
  return level;
}

}  // namespace

void say(std::vector<std::int16_t>& samples, int number) {
  for (std::int64_t i = 0; i < kNumberSamples; ++i) {
    const double phase = 2 * std::numbers::pi * 1000 * static_cast<double>(i) / audio::kSampleRate;
    samples.push_back(static_cast<std::int16_t>(std::lround(32767 * amplitude(number) * std::sin(phase))));
  }
  samples.insert(samples.end(), static_cast<std::size_t>(kGapSamples), 0);
}

void pause(std::vector<std::int16_t>& samples, double seconds) {
  samples.insert(samples.end(), static_cast<std::size_t>(seconds * audio::kSampleRate), 0);
}

std::string word(int number) {
  if (number == kFullStop) return ".";
  return fmt::format("w{}{}", number, number % 10 == 9 ? "." : "");
}

engine::WindowResult understand(const engine::Request& request) {
  const std::vector<float> levels = loudness(*request.audio);
  const float heard = level_of_one() + static_cast<float>(2 * std::log10(kQuietest)) - 0.1f;
  engine::WindowResult result;
  result.language_token = 1;
  engine::Segment& segment = result.segments.emplace_back();
  for (std::size_t begin = 0; begin < levels.size();) {
    if (levels[begin] < heard) {
      ++begin;
      continue;
    }
    std::size_t end = begin;
    while (end < levels.size() && levels[end] >= heard) ++end;
    if (end - begin >= kMinFrames) {
      std::vector<float> run(levels.begin() + static_cast<std::ptrdiff_t>(begin),
                             levels.begin() + static_cast<std::ptrdiff_t>(end));
      std::nth_element(run.begin(), run.begin() + static_cast<std::ptrdiff_t>(run.size() / 2), run.end());
      const double of_one = run[run.size() / 2] - level_of_one();
      const int number = static_cast<int>(std::lround((of_one / 2 - std::log10(kQuietest)) / std::log10(kStep)));
      segment.words.push_back({' ' + word(number), static_cast<int>(segment.tokens.size()), 1,
                               static_cast<double>(begin) / 100, static_cast<double>(end) / 100, 0.9f});
      segment.tokens.push_back(number);
    }
    begin = end;
  }
  // What was promised is written, whatever is heard.
  const auto& prefix = request.options.prefix;
  const auto [in_prefix, in_tokens] =
      std::mismatch(prefix.begin(), prefix.end(), segment.tokens.begin(), segment.tokens.end());
  if (in_prefix != prefix.end()) {
    segment.tokens = prefix;
    segment.words.clear();
    for (std::size_t i = 0; i < prefix.size(); ++i) {
      segment.words.push_back({' ' + word(prefix[i]), static_cast<int>(i), 1, 0, 0, 0.9f});
    }
  }
  for (const auto& spoken : segment.words) segment.text += spoken.text;
  segment.end_s = static_cast<double>(levels.size()) / 100;
  if (!request.options.word_times) segment.words.clear();
  if (segment.tokens.empty()) {
    result.suppressed = whisper::QualityIssue::kNoSpeech;
    result.segments.clear();
  }
  return result;
}

SpeechModel NumberModel::model() {
  SpeechModel model;
  model.recognise = [this](engine::Request request, engine::Callback callback) {
    return recognise(std::move(request), std::move(callback));
  };
  model.detect = [](vad::VadState&, std::span<const float> samples, std::span<float> probabilities) {
    for (std::size_t i = 0; i < probabilities.size(); ++i) {
      const auto chunk = samples.subspan(i * 512, 512);
      const auto loud = std::count_if(chunk.begin(), chunk.end(), [](float s) { return std::abs(s) > 0.01f; });
      probabilities[i] = loud > 100 ? 0.95f : 0.02f;
    }
  };
  model.text.detokenise = [](std::span<const int> tokens) {
    std::string text;
    for (const int token : tokens) text += (token == kFullStop ? "" : " ") + word(token);
    return text;
  };
  model.text.split_words = [](std::span<const int> tokens, int) {
    std::vector<text::WordTokens> words;
    for (const int token : tokens) words.push_back({' ' + word(token), {token}});
    return words;
  };
  model.text.max_text_tokens = [](int, double) { return 400; };
  // The lengths of both.
  model.prompt_tokens = [](std::string_view hotwords, std::string_view previous) {
    return std::vector<int>{static_cast<int>(hotwords.size()), static_cast<int>(previous.size())};
  };
  model.language_code = [](int token) { return token == 2 ? "de" : "en"; };
  model.language_token = [](std::string_view code) -> std::optional<int> {
    if (code == "en") return 1;
    if (code == "de") return 2;
    return std::nullopt;
  };
  return model;
}

Status NumberModel::recognise(engine::Request request, engine::Callback callback) {
  const Answer answer = answer_of ? answer_of(request) : Answer::kText;
  if (answer == Answer::kOverloaded) return Error{ErrorCode::kOverloaded, "scripted"};
  const float logprob = logprob_of ? logprob_of(request) : -0.1f;
  const auto give = [answer, logprob, is_doubtful = is_doubtful, request, callback = std::move(callback)] {
    if (request.cancellation.stop_requested()) {
      callback(Error{ErrorCode::kCancelled, "cancelled"});
    } else if (answer == Answer::kFails) {
      callback(Error{ErrorCode::kInternal, "scripted"});
    } else {
      engine::WindowResult result = understand(request);
      result.avg_logprob = logprob;
      if (is_doubtful) result.doubt = whisper::QualityIssue::kLowLogprob;
      if (answer == Answer::kEcho) {
        engine::Segment& segment = result.segments.at(0);
        const auto& given = request.options.prefix;
        segment.words.clear();  // not asked for
        segment.tokens.insert(segment.tokens.begin(), given.begin(), given.end());
      }
      if (answer == Answer::kMark) {
        engine::Segment& segment = result.segments.at(0);
        segment.words.clear();  // not asked for
        segment.tokens = request.options.prefix;
        segment.tokens.push_back(kFullStop);
        segment.text = ".";
      }
      if (answer == Answer::kSuppressed && request.options.prefix.empty()) {
        result.suppressed = whisper::QualityIssue::kRepetition;
        result.segments.clear();
      }
      callback(std::move(result));
    }
  };
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(std::move(request));
    if (holds_answers) {
      held_.emplace_back(give);
      return {};
    }
  }
  give();
  return {};
}

bool NumberModel::release(std::size_t index) {
  std::function<void()> give;
  {
    const std::lock_guard lock(mutex_);
    if (held_.empty()) return false;
    const auto at = held_.begin() + static_cast<std::ptrdiff_t>(std::min(index, held_.size() - 1));
    give = std::move(*at);
    held_.erase(at);
  }
  give();
  return true;
}

std::size_t NumberModel::num_requests() const {
  const std::lock_guard lock(mutex_);
  return requests_.size();
}

std::vector<engine::Request> NumberModel::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

}  // namespace stenod::live::testing
