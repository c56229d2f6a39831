// After EnglishNumberNormalizer of openai-whisper (whisper/normalizers/english.py, MIT licence), whose results are
// followed to the letter, also where they are odd: error rates are compared with those of other programs.
#include "text/english_numbers.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "text/unicode.h"
#include "text/utf8.h"

namespace stenod::text {
namespace {

// What words mean

enum class Kind {
  kOther,
  kZero,                ///< "oh"
  kOnes,                ///< 1 to 19
  kOnesSuffixed,        ///< "first", "ones"
  kTens,                ///< 20 to 90
  kTensSuffixed,        ///< "twentieth", "twenties"
  kMultiplier,          ///< a power of ten
  kMultiplierSuffixed,  ///< "thousandth", "thousands"
  kSign,                ///< stands before its number and is written there
  kCurrency,            ///< stands after its number and is written before it
  kPercent,
  kPer,  ///< as in "per cent"
  kAnd,
  kDouble,  ///< how often the next digit is said: also "triple"
  kPoint,
};

struct Meaning {
  Kind kind = Kind::kOther;
  int number = 0;           ///< a value; of a multiplier its number of zeros
  std::string symbol = {};  ///< a suffix, sign or currency
};

using Lexicon = std::map<std::string, Meaning, std::less<>>;

void add_ones(Lexicon& lexicon) {
  constexpr std::array<const char*, 19> kNames = {
      "one",    "two",    "three",    "four",     "five",    "six",     "seven",     "eight",    "nine",    "ten",
      "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
  const std::map<int, std::string> irregular = {
      {1, "first"}, {2, "second"}, {3, "third"}, {5, "fifth"}, {12, "twelfth"}};
  const std::map<int, std::string> suffixes = {{1, "st"}, {2, "nd"}, {3, "rd"}};
  for (int value = 1; value <= static_cast<int>(kNames.size()); ++value) {
    const std::string name = kNames[static_cast<std::size_t>(value - 1)];
    lexicon[name] = {Kind::kOnes, value};
    lexicon[value == 6 ? "sixes" : name + "s"] = {Kind::kOnesSuffixed, value, "s"};
    const auto ordinal = irregular.find(value);
    const auto suffix = suffixes.find(value);
    lexicon[ordinal != irregular.end() ? ordinal->second : name + (name.ends_with('t') ? "h" : "th")] = {
        Kind::kOnesSuffixed, value, suffix != suffixes.end() ? suffix->second : "th"};
  }
  lexicon["zeroth"] = {Kind::kOnesSuffixed, 0, "th"};
}

void add_tens(Lexicon& lexicon) {
  int value = 20;
  for (const std::string stem : {"twent", "thirt", "fort", "fift", "sixt", "sevent", "eight", "ninet"}) {
    lexicon[stem + "y"] = {Kind::kTens, value};
    lexicon[stem + "ies"] = {Kind::kTensSuffixed, value, "s"};
    lexicon[stem + "ieth"] = {Kind::kTensSuffixed, value, "th"};
    value += 10;
  }
}

void add_multipliers(Lexicon& lexicon) {
  const auto add = [&](const std::string& name, int num_zeros) {
    lexicon[name] = {Kind::kMultiplier, num_zeros};
    lexicon[name + "s"] = {Kind::kMultiplierSuffixed, num_zeros, "s"};
    lexicon[name + "th"] = {Kind::kMultiplierSuffixed, num_zeros, "th"};
  };
  add("hundred", 2);
  int num_zeros = 3;
  for (const char* name : {"thousand", "million", "billion", "trillion", "quadrillion", "quintillion", "sextillion",
                           "septillion", "octillion", "nonillion", "decillion"}) {
    add(name, num_zeros);
    num_zeros += 3;
  }
}

Lexicon make_lexicon() {
  Lexicon lexicon = {
      {"o", {Kind::kZero}},
      {"oh", {Kind::kZero}},
      {"zero", {Kind::kZero}},
      {"minus", {Kind::kSign, 0, "-"}},
      {"negative", {Kind::kSign, 0, "-"}},
      {"plus", {Kind::kSign, 0, "+"}},
      {"positive", {Kind::kSign, 0, "+"}},
      {"pound", {Kind::kCurrency, 0, "£"}},
      {"pounds", {Kind::kCurrency, 0, "£"}},
      {"euro", {Kind::kCurrency, 0, "€"}},
      {"euros", {Kind::kCurrency, 0, "€"}},
      {"dollar", {Kind::kCurrency, 0, "$"}},
      {"dollars", {Kind::kCurrency, 0, "$"}},
      {"cent", {Kind::kCurrency, 0, "¢"}},
      {"cents", {Kind::kCurrency, 0, "¢"}},
      {"percent", {Kind::kPercent, 0, "%"}},
      {"per", {Kind::kPer, 0, "%"}},
      {"and", {Kind::kAnd}},
      {"double", {Kind::kDouble, 2}},
      {"triple", {Kind::kDouble, 3}},
      {"point", {Kind::kPoint}},
  };
  add_ones(lexicon);
  add_tens(lexicon);
  add_multipliers(lexicon);
  return lexicon;
}

const Meaning& meaning_of(std::string_view word) {
  static const Lexicon lexicon = make_lexicon();
  static const Meaning other;
  const auto found = lexicon.find(word);
  return found != lexicon.end() ? found->second : other;
}

// Numbers of any length, as texts of ASCII digits without leading zeros

bool ends_in_zeros(std::string_view digits, std::size_t count) {
  return digits == "0" || (digits.size() > count &&
                           digits.substr(digits.size() - count).find_first_not_of('0') == std::string_view::npos);
}

/// The sum of `digits` and a number less than the power of ten whose multiple `digits` is.
std::string with_last_digits(std::string digits, const std::string& last) {
  if (digits == "0") return last;
  return digits.replace(digits.size() - last.size(), last.size(), last);
}

std::string without_leading_zeros(std::string digits) {
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
  return digits.empty() ? "0" : digits;
}

std::string sum_of(std::string_view a, std::string_view b) {
  std::string out;
  int carry = 0;
  for (std::size_t i = 0; i < std::max(a.size(), b.size()) || carry > 0; ++i) {
    const int digit =
        carry + (i < a.size() ? a[a.size() - 1 - i] - '0' : 0) + (i < b.size() ? b[b.size() - 1 - i] - '0' : 0);
    out += static_cast<char>('0' + digit % 10);
    carry = digit / 10;
  }
  std::reverse(out.begin(), out.end());
  return out;
}

/// The part below a thousand times the power of ten, and the rest as it was: "two thousand" and "three" "hundred".
std::string multiplied(const std::string& digits, int num_zeros) {
  const std::size_t split = digits.size() - std::min<std::size_t>(3, digits.size());
  const std::string before = split == 0 ? "" : digits.substr(0, split) + "000";
  const std::string times = digits.substr(split) + std::string(static_cast<std::size_t>(num_zeros), '0');
  return without_leading_zeros(sum_of(before, times));
}

/// Digits of any script in ASCII; nothing where there is something else.
std::optional<std::string> ascii_digits(std::u32string_view text) {
  std::string out;
  for (const char32_t c : text) {
    if (!is_decimal_digit(c)) return std::nullopt;
    out += static_cast<char>('0' + digit_value(c));
  }
  return out;
}

struct Decimal {
  std::string whole, fraction;
};

/// Reads "12", "1.5", and where `strict` is not set also "1." and ".5".
std::optional<Decimal> parse_decimal(std::string_view text, bool strict) {
  const std::u32string characters = to_code_points(text);
  const std::size_t point = std::min(characters.find(U'.'), characters.size());
  const auto whole = ascii_digits(std::u32string_view(characters).substr(0, point));
  const bool has_point = point < characters.size();
  const auto fraction = ascii_digits(std::u32string_view(characters).substr(point + (has_point ? 1 : 0)));
  if (!whole || !fraction || (whole->empty() && fraction->empty())) return std::nullopt;
  if (strict && (whole->empty() || (has_point && fraction->empty()))) return std::nullopt;
  return Decimal{*whole, *fraction};
}

bool is_number(std::string_view word) { return parse_decimal(word, true).has_value(); }

/// The product with a power of ten, where it is a whole number.
std::optional<std::string> whole_product(const Decimal& decimal, int num_zeros) {
  std::string fraction = decimal.fraction;
  fraction.resize(std::max(fraction.size(), static_cast<std::size_t>(num_zeros)), '0');
  if (fraction.find_first_not_of('0', static_cast<std::size_t>(num_zeros)) != fraction.npos) return std::nullopt;
  return without_leading_zeros(decimal.whole + fraction.substr(0, static_cast<std::size_t>(num_zeros)));
}

/// Goes through the words once and holds the number that is being put together.
class NumberReader {
 public:
  std::vector<std::string> read(std::span<const std::string> words);

 private:
  /// A number so far. One that is `spelled` was put together from its digits and goes on so ("nineteen" "oh" "one");
  /// another grows by adding.
  struct Value {
    std::string digits;
    bool spelled = false;
  };

  void read_digits(std::string_view word, std::string_view symbol, const Decimal& decimal);
  std::string with_ones(int ones) const;
  std::string with_tens(int tens) const;
  void read_multiplier(const Meaning& meaning);
  void read_suffixed_multiplier(const Meaning& meaning);
  void read_double(const Meaning& meaning);
  void read_per(const Meaning& meaning);

  bool next_is_numeric() const { return is_number(next_); }
  bool next_belongs_to_numbers() const { return meaning_of(next_).kind != Kind::kOther || next_is_numeric(); }
  bool next_is_decimal() const {
    const Kind kind = meaning_of(next_).kind;
    return kind == Kind::kZero || kind == Kind::kOnes || kind == Kind::kTens || next_is_numeric();
  }
  std::string digits_so_far() const {
    // A zero that did not come from "oh" is no digit of what follows.
    return value_ && (value_->spelled || value_->digits != "0") ? value_->digits : "";
  }
  void put(const std::string& text) {
    out_.push_back(prefix_ + text);
    prefix_.clear();
    value_.reset();
  }
  void put_value() {
    if (value_) put(std::string(value_->digits));
  }
  /// A word that is no part of a number here.
  void put_word() {
    put_value();
    put(std::string(current_));
  }

  std::vector<std::string> out_;
  std::string prefix_;  ///< sign or currency of the next output
  std::optional<Value> value_;
  std::string_view previous_, current_, next_;  ///< words; empty: none
  bool skip_ = false;                           ///< the next word was read already
};

void NumberReader::read_digits(std::string_view word, std::string_view symbol, const Decimal& decimal) {
  if (value_) {
    if (value_->spelled && value_->digits.ends_with('.')) {  // decimals, or parts of an address
      value_->digits += current_;
      return;
    }
    put_value();
  }
  if (!symbol.empty()) prefix_ = symbol;
  const auto whole = whole_product(decimal, 0);
  value_ = whole ? Value{*whole} : Value{std::string(word), true};
}

std::string NumberReader::with_ones(int ones) const {
  const std::string digits = std::to_string(ones);
  if (!value_) return digits;
  if (value_->spelled || meaning_of(previous_).kind == Kind::kOnes) {
    const bool replaces_zero = meaning_of(previous_).kind == Kind::kTens && ones < 10;
    return replaces_zero ? value_->digits.substr(0, value_->digits.size() - 1) + digits : value_->digits + digits;
  }
  const bool can_be_added = ends_in_zeros(value_->digits, ones < 10 ? 1 : 2);
  return can_be_added ? with_last_digits(value_->digits, digits) : value_->digits + digits;
}

std::string NumberReader::with_tens(int tens) const {
  const std::string digits = std::to_string(tens);
  if (!value_) return digits;
  const bool can_be_added = !value_->spelled && ends_in_zeros(value_->digits, 2);
  return can_be_added ? with_last_digits(value_->digits, digits) : value_->digits + digits;
}

void NumberReader::read_multiplier(const Meaning& meaning) {
  const std::string power = '1' + std::string(static_cast<std::size_t>(meaning.number), '0');
  if (!value_) {
    value_ = Value{power};
  } else if (value_->spelled) {
    const auto decimal = parse_decimal(value_->digits, false);
    const auto product = decimal ? whole_product(*decimal, meaning.number) : std::nullopt;
    if (!product) put_value();
    value_ = Value{product ? *product : power};
  } else {
    value_->digits = multiplied(value_->digits, meaning.number);
  }
}

void NumberReader::read_suffixed_multiplier(const Meaning& meaning) {
  const std::string power = '1' + std::string(static_cast<std::size_t>(meaning.number), '0');
  if (!value_) return put(power + meaning.symbol);
  if (!value_->spelled) return put(multiplied(value_->digits, meaning.number) + meaning.symbol);
  const auto decimal = parse_decimal(value_->digits, false);
  const auto product = decimal ? whole_product(*decimal, meaning.number) : std::nullopt;
  if (!product) put_value();
  put((product ? *product : power) + meaning.symbol);
}

void NumberReader::read_double(const Meaning& meaning) {
  const Meaning& next = meaning_of(next_);
  if (next.kind != Kind::kOnes && next.kind != Kind::kZero) return put_word();
  std::string digits = digits_so_far();
  for (int i = 0; i < meaning.number; ++i) digits += std::to_string(next.number);
  value_ = Value{digits, true};
  skip_ = true;
}

void NumberReader::read_per(const Meaning& meaning) {
  if (value_ && next_ == "cent") {
    put(value_->digits + meaning.symbol);
    skip_ = true;
  } else {
    put_word();
  }
}

std::vector<std::string> NumberReader::read(std::span<const std::string> words) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (std::exchange(skip_, false)) continue;
    previous_ = i > 0 ? std::string_view(words[i - 1]) : std::string_view();
    current_ = words[i];
    next_ = i + 1 < words.size() ? std::string_view(words[i + 1]) : std::string_view();

    std::string_view symbol;
    for (const std::string_view each : {"-", "+", "£", "€", "$", "¢"}) {
      if (current_.starts_with(each)) symbol = each;
    }
    const std::string_view unsigned_word = current_.substr(symbol.size());
    if (const auto decimal = parse_decimal(unsigned_word, true)) {
      read_digits(unsigned_word, symbol, *decimal);
      continue;
    }
    const Meaning& meaning = meaning_of(current_);
    switch (meaning.kind) {
      case Kind::kOther:
        put_word();
        break;
      case Kind::kZero:
        value_ = Value{digits_so_far() + '0', true};
        break;
      case Kind::kOnes: {
        // Digits said one after the other are spelled; those that could be added are not.
        const bool adds = !value_ || (!value_->spelled && meaning_of(previous_).kind != Kind::kOnes &&
                                      ends_in_zeros(value_->digits, meaning.number < 10 ? 1 : 2));
        value_ = Value{with_ones(meaning.number), !adds};
        break;
      }
      case Kind::kOnesSuffixed:
        put(with_ones(meaning.number) + meaning.symbol);
        break;
      case Kind::kTens: {
        const bool adds = !value_ || (!value_->spelled && ends_in_zeros(value_->digits, 2));
        value_ = Value{with_tens(meaning.number), !adds};
        break;
      }
      case Kind::kTensSuffixed:
        put(with_tens(meaning.number) + meaning.symbol);
        break;
      case Kind::kMultiplier:
        read_multiplier(meaning);
        break;
      case Kind::kMultiplierSuffixed:
        read_suffixed_multiplier(meaning);
        break;
      case Kind::kSign:
        put_value();
        if (next_belongs_to_numbers()) {
          prefix_ = meaning.symbol;
        } else {
          put_word();
        }
        break;
      case Kind::kCurrency:
        if (value_) {
          prefix_ = meaning.symbol;
          put_value();
        } else {
          put_word();
        }
        break;
      case Kind::kPercent:
        if (value_) {
          put(value_->digits + meaning.symbol);
        } else {
          put_word();
        }
        break;
      case Kind::kPer:
        read_per(meaning);
        break;
      case Kind::kAnd:
        // Within a number only after "hundred", "thousand", …
        if (!next_belongs_to_numbers() || meaning_of(previous_).kind != Kind::kMultiplier) put_word();
        break;
      case Kind::kDouble:
        read_double(meaning);
        break;
      case Kind::kPoint:
        if (!next_belongs_to_numbers()) {
          put_word();
        } else if (next_is_decimal()) {
          value_ = Value{digits_so_far() + '.', true};
        }
        break;
    }
  }
  put_value();
  return std::move(out_);
}

// Around the words

bool is_ascii_digit(char32_t c) { return c >= U'0' && c <= U'9'; }
bool is_ascii_lower(char32_t c) { return c >= U'a' && c <= U'z'; }

std::vector<std::string> split_words(std::u32string_view text) {
  std::vector<std::string> words;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && !is_white_space(text[i])) continue;
    if (i > begin) words.push_back(to_utf8(text.substr(begin, i - begin)));
    begin = i + 1;
  }
  return words;
}

std::size_t skip_space(std::u32string_view text, std::size_t at) {
  while (at < text.size() && is_white_space(text[at])) ++at;
  return at;
}

/// The end of "and a half" where it stands at `begin`, as words of its own.
std::optional<std::size_t> end_of_and_a_half(std::u32string_view text, std::size_t begin) {
  std::size_t at = begin;
  if (!is_word_boundary(text, at)) return std::nullopt;
  for (const std::u32string_view word : {U"and", U"a", U"half"}) {
    if (at != begin) {
      const std::size_t after_space = skip_space(text, at);
      if (after_space == at) return std::nullopt;
      at = after_space;
    }
    if (text.substr(at, word.size()) != word) return std::nullopt;
    at += word.size();
  }
  return is_word_boundary(text, at) ? std::optional(at) : std::nullopt;
}

/// "two and a half" becomes "two point five".
std::u32string replace_and_a_half(std::u32string_view text) {
  std::vector<std::u32string_view> segments;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != U'a') continue;
    if (const auto end = end_of_and_a_half(text, i)) {
      segments.push_back(text.substr(begin, i - begin));
      begin = *end;
      i = *end - 1;
    }
  }
  segments.push_back(text.substr(begin));

  std::u32string out;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const auto words = split_words(segments[i]);
    if (words.empty()) continue;
    if (!out.empty()) out += U' ';
    out += segments[i];
    if (i + 1 == segments.size()) continue;
    const Kind last = meaning_of(words.back()).kind;
    const bool is_number_word =
        last == Kind::kZero || last == Kind::kOnes || last == Kind::kTens || last == Kind::kMultiplier;
    out += is_number_word ? U" point five" : U" and a half";
  }
  return out;
}

/// A space between digits and letters, none before the suffix of an ordinal or a plural.
std::u32string separate_digits(std::u32string_view text) {
  std::u32string spaced;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i > 0 && ((is_ascii_lower(text[i - 1]) && is_ascii_digit(text[i])) ||
                  (is_ascii_digit(text[i - 1]) && is_ascii_lower(text[i])))) {
      spaced += U' ';
    }
    spaced += text[i];
  }
  std::u32string out;
  for (std::size_t i = 0; i < spaced.size(); ++i) {
    out += spaced[i];
    if (!is_ascii_digit(spaced[i])) continue;
    const std::size_t at = skip_space(spaced, i + 1);
    if (at == i + 1) continue;
    for (const std::u32string_view suffix : {U"st", U"nd", U"rd", U"th", U"s"}) {
      if (spaced.compare(at, suffix.size(), suffix) != 0 || !is_word_boundary(spaced, at + suffix.size())) continue;
      out += suffix;
      i = at + suffix.size() - 1;
      break;
    }
  }
  return out;
}

/// One or two digits at `at` that end a word.
std::u32string_view cents_at(std::u32string_view text, std::size_t at) {
  std::size_t end = at;
  while (end < text.size() && end < at + 2 && is_ascii_digit(text[end])) ++end;
  return end > at && is_word_boundary(text, end) ? text.substr(at, end - at) : std::u32string_view();
}

bool is_currency_with_cents(char32_t c) { return c == U'€' || c == U'£' || c == U'$'; }

/// "$2 and ¢7" becomes "$2.07".
std::u32string join_cents(std::u32string_view text) {
  std::u32string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    out += text[i];
    if (!is_currency_with_cents(text[i])) continue;
    std::size_t end = i + 1;
    while (end < text.size() && is_ascii_digit(text[end])) ++end;
    if (end == i + 1 || end == text.size() || text[end] != U' ') continue;
    std::size_t at = end + 1;
    if (text.substr(at, 4) == U"and ") at += 4;
    if (at >= text.size() || text[at] != U'¢') continue;
    const std::u32string_view cents = cents_at(text, at + 1);
    if (cents.empty()) continue;
    out += text.substr(i + 1, end - i - 1);
    out += cents.size() == 1 ? U".0" : U".";
    out += cents;
    i = at + cents.size();
  }
  return out;
}

/// "$0.07" becomes "¢7".
std::u32string extract_cents(std::u32string_view text) {
  std::u32string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool can_begin = is_currency_with_cents(text[i]) && i + 2 < text.size() && text[i + 1] == U'0';
    std::u32string_view cents = can_begin ? cents_at(text, i + 3) : std::u32string_view();
    if (cents.empty()) {
      out += text[i];
      continue;
    }
    i += 2 + cents.size();
    if (cents.size() == 2 && cents[0] == U'0') cents.remove_prefix(1);
    out += U'¢';
    out += cents;
  }
  return out;
}

/// "one" and "ones" are words.
std::u32string spell_one(std::u32string_view text) {
  std::u32string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::size_t end = i + (text.substr(i, 2) == U"1s" ? 2 : 1);
    if (text[i] != U'1' || !is_word_boundary(text, i) || !is_word_boundary(text, end)) {
      out += text[i];
    } else {
      out += end == i + 2 ? U"ones" : U"one";
      i = end - 1;
    }
  }
  return out;
}

}  // namespace

std::u32string with_numbers_in_digits(std::u32string_view text) {
  const std::vector<std::string> words = split_words(separate_digits(replace_and_a_half(text)));
  std::u32string out;
  for (const std::string& word : NumberReader().read(words)) {
    if (!out.empty()) out += U' ';
    out += to_code_points(word);
  }
  return spell_one(extract_cents(join_cents(out)));
}

}  // namespace stenod::text
