#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/byte_pair_encoding.h"

namespace stenod::text {

/// Ids of the tokens that are not text. In every Whisper vocabulary they stand behind the text in this order:
/// eot, sot, one a language, translate, transcribe, startoflm, startofprev, no_speech, notimestamps, timestamps.
struct SpecialTokens {
  int eot = 0;              ///< <|endoftext|>: all ids below are text
  int sot = 0;              ///< <|startoftranscript|>
  int translate = 0;        ///< <|translate|>
  int transcribe = 0;       ///< <|transcribe|>
  int startoflm = 0;        ///< <|startoflm|>
  int startofprev = 0;      ///< <|startofprev|>
  int no_speech = 0;        ///< <|nospeech|>, called <|nocaptions|> in older files
  int notimestamps = 0;     ///< <|notimestamps|>
  int timestamp_begin = 0;  ///< <|0.00|>
};

/// Whisper's vocabulary: byte-level BPE tokens (each a byte string) and special tokens.
///
/// Immutable once loaded; any thread may use it. The source of the byte alphabet is GPT-2's encoder
/// (https://github.com/openai/gpt-2/blob/master/src/encoder.py), of the special tokens openai-whisper's tokenizer.
class Tokenizer {
 public:
  static constexpr int kNumTimestamps = 1501;  ///< 0.00 s to 30.00 s
  static constexpr double kSecondsPerTimestamp = 0.02;

  /// Loads from a faster-whisper folder: tokenizer.json, checked against vocabulary.json or vocabulary.txt where one
  /// is there; those alone where tokenizer.json is absent; Hugging Face's vocab.json where there is no other.
  /// `vocab_size` is the model's. Blocks; about 20 ms. Errors: kNotFound and others of read_file(), kInvalidArgument
  /// (vocab_size), kTokenizer….
  static Result<Tokenizer> load(const std::filesystem::path& folder, int vocab_size);

  /// The same from the contents of a tokenizer.json, a vocabulary.json or a vocabulary.txt; `name` is for messages.
  static Result<Tokenizer> from_tokenizer_json(std::string_view contents, int vocab_size, std::string_view name);
  static Result<Tokenizer> from_vocabulary_json(std::string_view contents, int vocab_size, std::string_view name);
  static Result<Tokenizer> from_vocabulary_txt(std::string_view contents, int vocab_size, std::string_view name);

  /// From the contents of Hugging Face's vocab.json: the text tokens, maybe with the end of text; the special tokens
  /// follow as in from_tokens().
  static Result<Tokenizer> from_vocab_json(std::string_view contents, int vocab_size, std::string_view name);

  /// From the bytes of every text token, by id, as whisper.cpp's files hold them; a last "<|endoftext|>", which those
  /// of English-only models have, counts as none. The special tokens follow in Whisper's order; how many of them are
  /// languages, the first of languages(), follows from `vocab_size`. Files that hold U+FFFD in place of the bytes that
  /// are no whole character, as those for whisper.cpp's own tests do, have tokens twice: kTokenizerDuplicate.
  static Result<Tokenizer> from_tokens(std::span<const std::string> token_bytes, int vocab_size, std::string_view name);

  int vocab_size() const { return special_.timestamp_begin + kNumTimestamps; }
  const SpecialTokens& special() const { return special_; }

  /// Codes as in language.h, in the order of their ids: the token of language_codes()[i] is special().sot + 1 + i.
  std::span<const std::string> language_codes() const { return language_codes_; }
  std::optional<int> language_token(std::string_view code) const;

  bool is_text(int token) const { return token >= 0 && token < special_.eot; }
  bool is_timestamp(int token) const { return token >= special_.timestamp_begin && token < vocab_size(); }

  /// Precondition: is_timestamp(token).
  double timestamp_seconds(int token) const;

  /// The text tokens of a text, as Hugging Face's tokenizers give them for a tokenizer.json: GPT-2's pattern splits it,
  /// the parts are merged by byte-pair encoding. Ill-formed UTF-8 becomes U+FFFD before. What reads like a special
  /// token, as "<|endoftext|>" does, is text like any other. Takes O(n log n) time and O(n) memory.
  std::vector<int> encode(std::string_view text) const;

  /// The bytes of a text token, which need not be whole UTF-8 characters; empty for any other number.
  std::string_view token_bytes(int token) const;

  /// The text of the text tokens; others are passed over. Valid UTF-8: ill-formed parts become U+FFFD.
  std::string decode(std::span<const int> tokens) const;

  /// The same with timestamps as "<|1.20|>".
  std::string decode_with_timestamps(std::span<const int> tokens) const;

 private:
  friend class TokenizerBuilder;
  Tokenizer() = default;

  SpecialTokens special_;
  std::vector<std::string> language_codes_;
  std::string bytes_;                   ///< of all text tokens, one after another
  std::vector<std::uint32_t> offsets_;  ///< token i is [offsets_[i], offsets_[i + 1]) of bytes_; eot + 1 entries
  BytePairEncoding encoding_;
};

}  // namespace stenod::text
