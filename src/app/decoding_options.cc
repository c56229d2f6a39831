#include "app/decoding_options.h"

#include <limits>

#include "app/option_checks.h"
#include "whisper/decoding_options.h"

namespace stenod::app {

void add_decoding_options(CLI::App& app, transcribe::DecodingSettings& settings) {
  constexpr const char* kGroup = "Decoding";
  const auto add = [&](const char* name, auto& value, const char* what, const char* type) {
    return app.add_option(name, value, what)->type_name(type)->capture_default_str()->group(kGroup);
  };
  auto& search = settings.search;
  auto& thresholds = settings.thresholds;
  add("--beam-size", search.beam_size, "Hypotheses that are followed at once; 1: greedy, fastest", "N")
      ->check(whole_number(1, whisper::kMaxBranches));
  add("--patience", search.patience, "A beam search is over after this times beam-size ended hypotheses", "X")
      ->check(number(0.01, 100));
  add("--length-penalty", search.length_penalty, "Hypotheses compare by log-probability / length ^ this", "X")
      ->check(number(-10, 10));
  add("--repetition-penalty", search.repetition_penalty, "Above 1: words that were said become less likely", "X")
      ->check(number(0.01, 100));
  add("--no-repeat-ngram-size", search.no_repeat_ngram_size, "No window holds so many tokens in a row twice; 0: it may",
      "N")
      ->check(whole_number(0, whisper::kMaxNgramSize));
  add("--temperature", search.temperatures, "Tried one after the other while a text is doubtful", "T,...")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(number(0, whisper::kMaxTemperature));
  add("--best-of", search.best_of, "Samples of which the best counts, at temperatures above 0", "N")
      ->check(whole_number(1, whisper::kMaxBranches));
  add("--seed", search.seed, "Of the samples: the same seed gives the same text", "N")
      ->check(whole_number(0, std::numeric_limits<int>::max()));
  add("--compression-ratio-threshold", thresholds.compression_ratio, "Text that repeats itself more is doubtful", "X")
      ->check(number(0, 1000));
  add("--log-prob-threshold", thresholds.avg_logprob, "Text with a lower mean log-probability is doubtful", "X")
      ->check(number(-100, 0));
  add("--no-speech-threshold", thresholds.no_speech_prob,
      "Doubtful text is dropped at a higher probability of no speech", "P")
      ->check(number(0, 1));
  add("--initial-prompt", settings.initial_prompt, "Taken for what was said before: names, style, punctuation", "TEXT");
  add("--hotwords", settings.hotwords, "Words that are likely to be said", "TEXT");
  add("--prefix", settings.prefix, "What the text of a window begins with", "TEXT");
  add("--suppress-tokens", settings.suppress_tokens, "Never written; -1: the model's own list", "ID,...")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(whole_number(-1, std::numeric_limits<int>::max()));
  app.add_flag("!--no-suppress-blank", settings.suppress_blank, "A window's text may begin with a blank or be empty")
      ->group(kGroup);
  add("--max-initial-timestamp", settings.max_initial_timestamp_s,
      "With --sequential: latest first timestamp of a window", "SECONDS")
      ->check(number(0, 30))
      ->default_str("1");
}

}  // namespace stenod::app
