#include "quality/word_timing.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "quality/compared_text.h"

namespace stenod::quality {
namespace {

/// Words in comparable form; each with where it comes from.
template <typename Origin>
struct Words {
  std::vector<std::string> words;
  std::vector<Origin> origins;

  void add(std::string_view text, std::string_view language, const Origin& origin) {
    for (std::string& word : compared_text(text, language).words) {
      words.push_back(std::move(word));
      origins.push_back(origin);
    }
  }
};

struct Place {
  const Part* part = nullptr;
  bool is_first = false;  ///< word of the part
};

}  // namespace

std::vector<double> part_start_errors(const std::vector<Part>& parts, const std::vector<text::Word>& words,
                                      std::string_view language) {
  Words<Place> reference;
  for (const Part& part : parts) {
    std::size_t begin = 0;
    const std::size_t first = reference.words.size();
    while (begin < part.text.size()) {
      const std::size_t end = std::min(part.text.find(' ', begin), part.text.size());
      reference.add(std::string_view(part.text).substr(begin, end - begin), language, {&part, false});
      begin = end + 1;
    }
    if (first < reference.words.size()) reference.origins[first].is_first = true;
  }
  Words<double> hypothesis;
  for (const text::Word& word : words) hypothesis.add(word.word, language, word.start);

  std::vector<double> errors;
  std::size_t i = 0, j = 0;
  for (const Edit edit : align_words(reference.words, hypothesis.words)) {
    if (edit == Edit::kMatch && reference.origins[i].is_first) {
      errors.push_back(std::abs(hypothesis.origins[j] - reference.origins[i].part->start_s));
    }
    if (edit != Edit::kInsertion) ++i;
    if (edit != Edit::kDeletion) ++j;
  }
  return errors;
}

}  // namespace stenod::quality
