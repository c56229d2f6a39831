#include "engine/window_task.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <unordered_map>

#include "text/compression_ratio.h"
#include "text/normaliser.h"
#include "whisper/alignment.h"
#include "whisper/quality.h"
#include "whisper/segments.h"

namespace stenod::engine {
namespace {

/// The words of all segments, with their times; punctuation is not joined to them yet.
struct TimedWords {
  std::vector<whisper::WordSpan> words;
  std::vector<text::WordTokens> texts;    ///< of each word
  std::vector<std::size_t> segment_ends;  ///< index after each segment's last word
  double typical_s = 0;                   ///< see whisper::typical_word_duration()
};

Result<TimedWords> time_words(const WindowTask& task, const Model& model, whisper::Runner& runner,
                              const whisper::DecodedWindow& decoded, std::span<const whisper::SegmentSpan> spans,
                              std::span<const Segment> segments) {
  whisper::RowAligner aligner(decoded.num_rows, task.real_frames, decoded.prompt_length - 1);
  const int num_heads = runner.num_alignment_heads();
  for (int head = 0; head < num_heads; head += whisper::kMaxAlignmentHeads) {
    STENOD_ASSIGN_OR_RETURN(const auto weights,
                            runner.alignment_weights(task.slot.index, decoded.branch, head,
                                                     std::min(num_heads - head, whisper::kMaxAlignmentHeads),
                                                     decoded.num_rows, task.real_frames));
    aligner.add_heads(weights);
  }
  const std::vector<int> row_frames = aligner.align();

  TimedWords timed;
  for (std::size_t s = 0; s < segments.size(); ++s) {
    int token = spans[s].first_token;
    for (auto& word : model.text.split_words(segments[s].tokens, decoded.language_token)) {
      const int num_tokens = static_cast<int>(word.tokens.size());
      timed.words.push_back({word.word, token, num_tokens, 0, 0, 0});
      token += num_tokens;
      timed.texts.push_back(std::move(word));
    }
    timed.segment_ends.push_back(timed.words.size());
  }
  whisper::set_word_times(row_frames, decoded.logprobs, timed.words);
  timed.typical_s = whisper::typical_word_duration(timed.words);
  whisper::shorten_words_at_sentence_ends(timed.words, timed.typical_s);
  return timed;
}

/// Gives the segments their words, and settles the segments' times with them.
void set_words(TimedWords timed, std::span<const whisper::SegmentSpan> spans, const text::Punctuations& punctuations,
               std::span<Segment> segments) {
  std::size_t begin = 0;
  double previous_end_s = 0;
  for (std::size_t s = 0; s < segments.size(); begin = timed.segment_ends[s++]) {
    const std::size_t count = timed.segment_ends[s] - begin;
    const auto merged = std::span(timed.texts).subspan(begin, count);
    text::merge_punctuations(merged, punctuations.prepended, punctuations.appended);
    int token = spans[s].first_token;
    for (std::size_t i = 0; i < count; ++i) {
      if (merged[i].word.empty()) continue;  // joined to a neighbour, which keeps its own times
      auto& word = segments[s].words.emplace_back(timed.words[begin + i]);
      word.text = merged[i].word;
      word.first_token = token;
      word.num_tokens = static_cast<int>(merged[i].tokens.size());
      token += word.num_tokens;
    }
    whisper::settle_segment_times(segments[s].words, timed.typical_s, previous_end_s, segments[s].start_s,
                                  segments[s].end_s);
    previous_end_s = segments[s].end_s;
  }
}

/// The first token behind each sentence.
std::vector<int> sentence_ends(std::span<const whisper::WordSpan> words) {
  std::vector<int> ends;
  for (const std::size_t end : whisper::cut_at_sentences(words)) {
    ends.push_back(words[end - 1].first_token + words[end - 1].num_tokens);
  }
  return ends;
}

/// Replaces the only segment, whose words are known, by the sentences that end before the tokens `ends`.
void cut_into_sentences(std::span<const int> ends, std::vector<Segment>& segments) {
  Segment whole = std::move(segments.front());
  segments.clear();
  auto word = whole.words.begin();
  auto token = whole.tokens.begin();
  for (const int end : ends) {
    const auto begin = word;
    while (word != whole.words.end() && (end == ends.back() || word->first_token < end)) ++word;
    if (begin == word) continue;
    Segment& segment = segments.emplace_back();
    segment.words.assign(begin, word);
    segment.start_s = segment.words.front().start_s;
    segment.end_s = segment.words.back().end_s;
    for (const whisper::WordSpan& part : segment.words) {
      segment.text += part.text;
      const auto last = token + std::min<std::ptrdiff_t>(part.num_tokens, whole.tokens.end() - token);
      segment.tokens.insert(segment.tokens.end(), token, last);
      token = last;
    }
  }
}

/// Words for the caller, and segments that are sentences, as far as they are wanted.
Status add_words(const WindowTask& task, const Model& model, whisper::Runner& runner,
                 const whisper::DecodedWindow& decoded, std::span<const whisper::SegmentSpan> spans, bool cut_sentences,
                 std::vector<Segment>& segments) {
  const auto& options = task.request.options;
  STENOD_ASSIGN_OR_RETURN(const TimedWords timed, time_words(task, model, runner, decoded, spans, segments));
  std::vector<Segment> usual = segments;
  set_words(timed, spans, {}, usual);
  // Where sentences end does not depend on what the caller joins to words.
  const bool cut = cut_sentences && !usual.front().words.empty();
  const std::vector<int> ends = cut ? sentence_ends(usual.front().words) : std::vector<int>();
  if (options.word_times && options.punctuations) {
    set_words(timed, spans, *options.punctuations, segments);
  } else {
    segments = std::move(usual);
  }
  if (cut) cut_into_sentences(ends, segments);
  return {};
}

/// Gives the segments words and sentences, as far as the request asks for them.
Status cut_and_time(const WindowTask& task, const Model& model, whisper::Runner& runner,
                    const whisper::DecodedWindow& decoded, std::span<const whisper::SegmentSpan> spans,
                    std::vector<Segment>& segments) {
  const auto& options = task.request.options;
  const bool sentences = options.segmentation == whisper::Segmentation::kSentences && runner.num_alignment_heads() > 0;
  if (segments.empty() || (!options.word_times && !sentences)) return {};
  STENOD_RETURN_IF_ERROR(add_words(task, model, runner, decoded, spans, sentences, segments));
  if (!options.word_times) {
    for (Segment& segment : segments) segment.words.clear();
  }
  return {};
}

Continuation continuation_of(const Model& model, const whisper::DecodedWindow& decoded,
                             std::span<const whisper::SegmentSpan> spans, int real_frames) {
  const auto point = whisper::find_seek_point(model.tokens, decoded.tokens, real_frames, decoded.finish);
  const auto is_complete = [&](const whisper::SegmentSpan& span) { return span.first_token < point.num_tokens; };
  return {.frame = point.frame,
          .num_segments = static_cast<std::size_t>(std::count_if(spans.begin(), spans.end(), is_complete)),
          .ends_with_single_timestamp = point.ends_with_single_timestamp,
          .tokens = {decoded.tokens.begin(), decoded.tokens.begin() + point.num_tokens}};
}

/// A number for each word, the same for "No," and "no".
std::vector<int> number_words(std::string_view text) {
  const std::string normal = text::normalise_basic(text);
  std::vector<int> numbers;
  std::unordered_map<std::string_view, int> known;
  for (std::string_view rest = normal; !rest.empty();) {
    const std::string_view word = rest.substr(0, rest.find(' '));
    if (!word.empty()) numbers.push_back(known.emplace(word, static_cast<int>(known.size())).first->second);
    rest.remove_prefix(std::min(rest.size(), word.size() + 1));
  }
  return numbers;
}

bool has_text(const WindowResult& result) { return !result.segments.empty() || !result.suppressed_text.empty(); }

/// Of two doubtful results of a window: the one with text, else the one that does not repeat itself, else the likelier.
bool is_better(const WindowResult& a, const WindowResult& b, const whisper::QualityThresholds& thresholds) {
  const auto repeats = [&](const WindowResult& result) {
    return result.doubt == whisper::QualityIssue::kRepetition ||
           result.suppressed == whisper::QualityIssue::kRepetition ||
           result.compression_ratio > thresholds.compression_ratio;
  };
  if (has_text(a) != has_text(b)) return has_text(a);
  return repeats(a) != repeats(b) ? repeats(b) : a.avg_logprob > b.avg_logprob;
}

}  // namespace

void WindowTask::set_attempt(int n) {
  attempt = n;
  num_frames = whisper::window_frames(real_frames, attempt, request.options.window);
}

std::optional<Error> reason_to_end(const WindowTask& task, Clock::time_point now) {
  if (task.request.cancellation.stop_requested()) return Error{ErrorCode::kCancelled, "the request was cancelled"};
  if (task.request.deadline && now >= *task.request.deadline) {
    return Error{ErrorCode::kDeadlineExceeded, "the window was not written down by its deadline"};
  }
  return std::nullopt;
}

void WindowTask::start_decoding(const Model& model, int max_text_positions) {
  decoder.emplace(model.tokens, request.options, max_text_positions, real_frames, temperature());
  is_limited = false;
  turns_waited = 0;
}

Result<NextAttempt> conclude(WindowTask& task, const Model& model, whisper::Runner& runner,
                             const whisper::DecodedWindow& decoded) {
  const auto& options = task.request.options;
  ++task.num_decoded;
  WindowResult result;
  const auto spans = whisper::split_segments(model.tokens, decoded.tokens, task.real_frames);
  std::string text;
  int num_text_tokens = 0;
  for (const auto& span : spans) {
    Segment segment{.start_s = span.start_s, .end_s = span.end_s, .text = {}, .tokens = {}, .words = {}};
    const auto first = decoded.tokens.begin() + span.first_token;
    segment.tokens.assign(first, first + span.num_tokens);
    segment.text = model.text.detokenise(segment.tokens);
    text += segment.text;
    num_text_tokens += span.num_tokens;
    result.segments.push_back(std::move(segment));
  }

  if (options.segmentation == whisper::Segmentation::kTimestamps) {
    result.continuation = continuation_of(model, decoded, spans, task.real_frames);
  }
  result.language_token = decoded.language_token;
  result.language_probability = decoded.language_probability;
  result.avg_logprob = decoded.avg_logprob;
  result.no_speech_prob = decoded.no_speech_prob;
  result.compression_ratio = static_cast<float>(text::compression_ratio(text));
  result.temperature = task.temperature();
  result.finish = decoded.finish;
  result.window_frames = task.num_frames;

  std::vector<int> text_tokens;
  std::copy_if(decoded.tokens.begin(), decoded.tokens.end(), std::back_inserter(text_tokens),
               [&](int token) { return model.tokens.is_text(token); });
  const double seconds = task.real_frames * whisper::kSecondsPerEncoderFrame;
  const bool blank = text.find_first_not_of(" \n") == std::string::npos;
  const whisper::QualityFigures figures = {
      .avg_logprob = decoded.avg_logprob,
      .no_speech_prob = decoded.no_speech_prob,
      .compression_ratio = result.compression_ratio,
      .language_probability = decoded.language_probability,
      .num_text_tokens = blank ? 0 : num_text_tokens,
      .max_text_tokens = model.text.max_text_tokens(decoded.language_token, seconds),
      .is_repeated = whisper::is_repeated(text_tokens, options.prefix.size()) ||
                     (options.prefix.empty() && whisper::has_suspicious_copies(number_words(text))),
      .finish = decoded.finish};
  const auto verdict =
      whisper::assess(figures, options.thresholds, {task.may_be_longer(), task.may_be_warmer()}).verdict;
  if (verdict == whisper::Verdict::kLongerWindow) return NextAttempt::kLongerWindow;

  // What this attempt would give, should the warmer ones be no better.
  const auto assessment = whisper::assess(figures, options.thresholds, {});
  if (assessment.verdict == whisper::Verdict::kSuppress && !options.prefix_is_promised) {
    result.suppressed = assessment.issue;
    result.suppressed_text = std::move(text);
    result.segments.clear();
    result.continuation = {.frame = task.real_frames, .tokens = {}};
  } else {
    result.doubt = assessment.issue;
  }
  if (!assessment.issue || !task.best || is_better(result, *task.best, options.thresholds)) {
    STENOD_RETURN_IF_ERROR(cut_and_time(task, model, runner, decoded, spans, result.segments));
    task.best = std::move(result);
  }
  // Samples may have no text where the others had some: that is a choice as well.
  const bool no_text =
      assessment.issue == whisper::QualityIssue::kEmpty && task.may_be_warmer() && has_text(*task.best);
  return verdict == whisper::Verdict::kWarmer || no_text ? NextAttempt::kWarmer : NextAttempt::kNone;
}

}  // namespace stenod::engine
