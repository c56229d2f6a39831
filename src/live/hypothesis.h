#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "engine/window_result.h"

namespace stenod::live {

/// One word of a hypothesis, as the model wrote it.
struct HypothesisWord {
  std::string text;  ///< with its leading space and the punctuation that belongs to it
  std::vector<int> tokens;
  double start_s = 0, end_s = 0;  ///< from the start of the audio; 0 where no times were asked for
  float probability = 0;
};

/// What the engine has made of an utterance's audio.
struct Hypothesis {
  std::vector<HypothesisWord> words;
  bool has_times = false;

  /// The texts and tokens of the words [first, last).
  std::string text(std::size_t first, std::size_t last) const;
  std::string text() const { return text(0, words.size()); }
  std::vector<int> tokens(std::size_t first, std::size_t last) const;
  std::vector<int> tokens() const { return tokens(0, words.size()); }
};

/// The words of a result that was decoded as a whole (whisper::Segmentation::kWhole); none when it was suppressed.
/// Marks that belong to what was said before are left out.
Hypothesis make_hypothesis(const engine::WindowResult& result, const engine::TextFunctions& text);

/// Letters and digits alone, lower case in ASCII: what two hypotheses are compared by, since marks and capitals change
/// with what follows.
std::string bare_word(std::string_view word);

/// How many words two hypotheses share from the start, but for marks and capitals of ASCII (LocalAgreement-2: Macháček
/// et al., arXiv 2307.14743).
std::size_t num_agreed_words(const Hypothesis& a, const Hypothesis& b);

/// Whether text is nothing but marks that belong to what comes before them, such as a comma.
bool is_trailing_punctuation(std::string_view text);

/// Whether a sentence ends with the text's end, as far as its punctuation says.
bool ends_sentence(std::string_view text);

/// Where to end an utterance that goes on: the number of words, from `min_words` to `max_words`, behind which the cut
/// does the least harm, and that end at most at `latest_end_s`. At the end of a sentence, else where a pause of at
/// least `min_pause_s` is; the longest pause wins. Precondition: the words have times.
std::optional<std::size_t> choose_cut(const Hypothesis& hypothesis, std::size_t min_words, std::size_t max_words,
                                      double latest_end_s, double min_pause_s);

}  // namespace stenod::live
