// Reading the files that hold a Whisper vocabulary. Every way leads over one table of token texts by id, which
// TokenizerBuilder checks as a whole.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/file.h"
#include "base/json.h"
#include "text/byte_pair_encoding.h"
#include "text/language.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace stenod::text {
namespace {

constexpr int kMaxVocabSize = 1 << 20;
constexpr std::size_t kMaxFileBytes = std::size_t{16} << 20;
constexpr std::string_view kEndOfText = "<|endoftext|>";

/// Token texts by id, in the byte alphabet; views into the file's contents or its JSON. A hole has no value.
using TokenTable = std::vector<std::optional<std::string_view>>;

/// Texts of two tokens that become one.
using TokenPair = std::pair<std::string_view, std::string_view>;

Error tokenizer_error(ErrorCode code, std::string_view name, std::string_view what) {
  return {code, fmt::format("{}: {}; download the model again, or convert it again with its own tokenizer", name, what),
          std::string(name)};
}

/// A token for a message: whatever a file holds, short and valid UTF-8.
std::string shown(std::string_view token) { return fmt::format("\"{}\"", to_valid_utf8(token.substr(0, 40))); }

Result<TokenTable> make_table(int vocab_size) {
  if (vocab_size <= Tokenizer::kNumTimestamps || vocab_size > kMaxVocabSize) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("a vocabulary of {} tokens is no Whisper vocabulary: expected more than {}, at most {}",
                             vocab_size, Tokenizer::kNumTimestamps, kMaxVocabSize),
                 "vocab_size"};
  }
  return TokenTable(static_cast<std::size_t>(vocab_size));
}

Result<json::value> parse_tokenizer_json(std::string_view contents, std::string_view name) {
  auto parsed = parse_json(contents);
  if (!parsed) {
    return tokenizer_error(ErrorCode::kTokenizerMalformed, name,
                           fmt::format("not valid JSON {}", parsed.error().message));
  }
  return parsed;
}

Error wrong_type(std::string_view name, std::string_view field, std::string_view expected) {
  return tokenizer_error(ErrorCode::kTokenizerWrongType, name, fmt::format("{} is not {}", field, expected));
}

Result<const json::value*> member(const json::object& object, std::string_view key, std::string_view field,
                                  std::string_view name) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr) {
    return tokenizer_error(ErrorCode::kTokenizerMissingField, name, fmt::format("there is no {}", field));
  }
  return value;
}

/// Checks the "type" of a part of tokenizer.json where it is given.
Status check_type(const json::value& part, std::string_view field, std::string_view expected, std::string_view name) {
  const json::object* object = part.if_object();
  const json::value* type = object != nullptr ? object->if_contains("type") : nullptr;
  if (type == nullptr || (type->is_string() && type->get_string() == expected)) return {};
  return tokenizer_error(ErrorCode::kTokenizerUnsupported, name,
                         fmt::format("{} is not \"{}\", the only kind that Whisper has", field, expected));
}

Status put_token(TokenTable& table, const json::value& id, std::string_view text, std::string_view name) {
  if (!id.is_int64() && !id.is_uint64()) {
    return wrong_type(name, fmt::format("the id of token {}", shown(text)), "an integer");
  }
  const auto index = id.is_int64() ? static_cast<std::uint64_t>(id.get_int64()) : id.get_uint64();
  if (index >= table.size()) {
    return tokenizer_error(
        ErrorCode::kTokenizerIdOutOfRange, name,
        fmt::format("token {} has id {}, but the model has {} tokens", shown(text), json::serialize(id), table.size()));
  }
  auto& entry = table[index];
  // The end of text stands both in the vocabulary and in the added tokens of real files.
  if (entry && *entry != text) {
    return tokenizer_error(ErrorCode::kTokenizerDuplicate, name,
                           fmt::format("id {} belongs to {} and to {}", index, shown(*entry), shown(text)));
  }
  entry = text;
  return {};
}

Status read_vocab(TokenTable& table, const json::object& model, std::string_view name) {
  STENOD_ASSIGN_OR_RETURN(const json::value* vocab, member(model, "vocab", "model.vocab", name));
  if (!vocab->is_object()) return wrong_type(name, "model.vocab", "an object");
  for (const auto& [text, id] : vocab->get_object()) STENOD_RETURN_IF_ERROR(put_token(table, id, text, name));
  return {};
}

/// An entry of model.merges: "a b", or ["a", "b"] in newer files.
std::optional<TokenPair> read_merge(const json::value& merge) {
  if (merge.is_string()) {
    const std::string_view text = merge.get_string();
    const std::size_t space = text.find(' ');
    if (space == text.npos || text.find(' ', space + 1) != text.npos) return std::nullopt;
    return TokenPair(text.substr(0, space), text.substr(space + 1));
  }
  const json::array* pair = merge.if_array();
  if (pair == nullptr || pair->size() != 2 || !(*pair)[0].is_string() || !(*pair)[1].is_string()) return std::nullopt;
  return TokenPair((*pair)[0].get_string(), (*pair)[1].get_string());
}

Result<std::vector<TokenPair>> read_merges(const json::object& model, std::string_view name) {
  STENOD_ASSIGN_OR_RETURN(const json::value* merges, member(model, "merges", "model.merges", name));
  if (!merges->is_array()) return wrong_type(name, "model.merges", "an array");
  std::vector<TokenPair> pairs;
  pairs.reserve(merges->get_array().size());
  for (const json::value& merge : merges->get_array()) {
    const auto pair = read_merge(merge);
    if (!pair) return wrong_type(name, fmt::format("entry {} of model.merges", pairs.size()), "a pair of tokens");
    pairs.push_back(*pair);
  }
  return pairs;
}

Status read_added_tokens(TokenTable& table, const json::object& root, std::string_view name) {
  STENOD_ASSIGN_OR_RETURN(const json::value* added, member(root, "added_tokens", "added_tokens", name));
  if (!added->is_array()) return wrong_type(name, "added_tokens", "an array");
  for (const json::value& token : added->get_array()) {
    if (!token.is_object()) return wrong_type(name, "an entry of added_tokens", "an object");
    STENOD_ASSIGN_OR_RETURN(const json::value* id, member(token.get_object(), "id", "id in an added token", name));
    STENOD_ASSIGN_OR_RETURN(const json::value* content,
                            member(token.get_object(), "content", "content in an added token", name));
    if (!content->is_string()) return wrong_type(name, "the content of an added token", "a string");
    STENOD_RETURN_IF_ERROR(put_token(table, *id, content->get_string(), name));
  }
  return {};
}

/// GPT-2's alphabet: a printable character of Latin-1 stands for the byte of its number, the other 68 bytes follow in
/// order from U+0100 on. Here from characters to bytes; -1 where a character stands for nothing.
constexpr std::array<int, 0x144> make_byte_alphabet() {
  std::array<int, 0x144> bytes{};
  for (int& byte : bytes) byte = -1;
  std::size_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    bytes[printable ? static_cast<std::size_t>(byte) : next++] = byte;
  }
  return bytes;
}
constexpr auto kByteAlphabet = make_byte_alphabet();

std::string to_byte_alphabet(std::string_view bytes) {
  static constexpr auto kCharacters = [] {
    std::array<char32_t, 256> characters{};
    for (std::size_t c = 0; c < kByteAlphabet.size(); ++c) {
      if (kByteAlphabet[c] >= 0) characters[static_cast<std::size_t>(kByteAlphabet[c])] = static_cast<char32_t>(c);
    }
    return characters;
  }();
  std::string text;
  for (const char byte : bytes) append_utf8(text, kCharacters[static_cast<unsigned char>(byte)]);
  return text;
}

/// The special tokens before the timestamps, in the order of their ids, with Whisper's first `num_languages` languages.
std::vector<std::string> special_token_texts(std::size_t num_languages) {
  std::vector<std::string> texts = {std::string(kEndOfText), "<|startoftranscript|>"};
  for (const Language& language : languages().first(num_languages))
    texts.push_back(fmt::format("<|{}|>", language.code));
  for (const char* text :
       {"<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"}) {
    texts.emplace_back(text);
  }
  return texts;
}

/// The same for a model of `vocab_size` tokens of which `num_text` are text: the rest is languages.
Result<std::vector<std::string>> special_tokens(std::size_t num_text, std::size_t vocab_size, std::string_view name) {
  const std::size_t num_special = special_token_texts(0).size() + Tokenizer::kNumTimestamps;
  if (num_text + num_special >= vocab_size || vocab_size - num_text - num_special > languages().size()) {
    return tokenizer_error(
        ErrorCode::kTokenizerSizeMismatch, name,
        fmt::format(
            "of the model's {} tokens, {} are text, {} are special, and the rest can't be the 1 to {} languages",
            vocab_size, num_text, num_special, languages().size()));
  }
  return special_token_texts(vocab_size - num_text - num_special);
}

}  // namespace

/// Makes a Tokenizer of a table, or says what is wrong with it.
class TokenizerBuilder {
 public:
  TokenizerBuilder(const TokenTable& table, std::string_view name) : table_(table), name_(name) {}

  /// `merges`: in the order of their ranks; without, they follow from the tokens.
  Result<Tokenizer> build(const std::vector<TokenPair>* merges = nullptr) && {
    STENOD_RETURN_IF_ERROR(index_tokens());
    STENOD_RETURN_IF_ERROR(find_special_tokens());
    STENOD_RETURN_IF_ERROR(check_layout());
    STENOD_RETURN_IF_ERROR(decode_bytes());
    STENOD_RETURN_IF_ERROR(make_encoding(merges));
    return std::move(tokenizer_);
  }

 private:
  Error error(ErrorCode code, std::string_view what) const { return tokenizer_error(code, name_, what); }

  Status index_tokens() {
    ids_.reserve(table_.size());
    for (std::size_t id = 0; id < table_.size(); ++id) {
      if (!table_[id]) continue;
      const auto [entry, inserted] = ids_.emplace(*table_[id], static_cast<int>(id));
      if (!inserted) {
        return error(ErrorCode::kTokenizerDuplicate,
                     fmt::format("token {} has the ids {} and {}", shown(*table_[id]), entry->second, id));
      }
    }
    return {};
  }

  Result<int> find(std::string_view text, std::string_view older_text = {}) const {
    auto found = ids_.find(text);
    if (found == ids_.end() && !older_text.empty()) found = ids_.find(older_text);
    if (found == ids_.end()) {
      return error(ErrorCode::kTokenizerMissingSpecial, fmt::format("there is no token {}", text));
    }
    return found->second;
  }

  Status find_special_tokens() {
    SpecialTokens& special = tokenizer_.special_;
    STENOD_ASSIGN_OR_RETURN(special.eot, find(kEndOfText));
    STENOD_ASSIGN_OR_RETURN(special.sot, find("<|startoftranscript|>"));
    STENOD_ASSIGN_OR_RETURN(special.translate, find("<|translate|>"));
    STENOD_ASSIGN_OR_RETURN(special.transcribe, find("<|transcribe|>"));
    STENOD_ASSIGN_OR_RETURN(special.startoflm, find("<|startoflm|>"));
    STENOD_ASSIGN_OR_RETURN(special.startofprev, find("<|startofprev|>"));
    STENOD_ASSIGN_OR_RETURN(special.no_speech, find("<|nospeech|>", "<|nocaptions|>"));
    STENOD_ASSIGN_OR_RETURN(special.notimestamps, find("<|notimestamps|>"));
    special.timestamp_begin = special.notimestamps + 1;
    return {};
  }

  Status check_layout() {
    const SpecialTokens& s = tokenizer_.special_;
    const int size = static_cast<int>(table_.size());
    if (tokenizer_.vocab_size() != size) {
      return error(
          ErrorCode::kTokenizerSizeMismatch,
          fmt::format("the file is for a model of {} tokens, but this one has {}", tokenizer_.vocab_size(), size));
    }
    const std::array<int, 7> tail = {s.translate, s.transcribe,   s.startoflm,      s.startofprev,
                                     s.no_speech, s.notimestamps, s.timestamp_begin};
    bool in_order = s.eot > 0 && s.sot == s.eot + 1 && s.translate > s.sot + 1;
    for (std::size_t i = 1; i < tail.size(); ++i) in_order = in_order && tail[i] == tail[i - 1] + 1;
    if (!in_order) return error(ErrorCode::kTokenizerBadLayout, "the special tokens are not in Whisper's order");

    for (int id = 0; id < s.timestamp_begin; ++id) {
      if (!table_[static_cast<std::size_t>(id)]) {
        return error(ErrorCode::kTokenizerHole, fmt::format("no token has id {}", id));
      }
    }
    for (int id = s.sot + 1; id < s.translate; ++id) {
      const std::string_view text = *table_[static_cast<std::size_t>(id)];
      const bool framed = text.size() > 4 && text.starts_with("<|") && text.ends_with("|>");
      const std::string_view code = framed ? text.substr(2, text.size() - 4) : std::string_view{};
      if (code.empty() || code.size() > 3 || code.find_first_not_of("abcdefghijklmnopqrstuvwxyz") != code.npos) {
        return error(ErrorCode::kTokenizerBadLayout,
                     fmt::format("token {}, {}, stands where a language like <|en|> must be", id, shown(text)));
      }
      const Language* language = find_language(code);  // some files call Hebrew iw
      tokenizer_.language_codes_.emplace_back(language != nullptr ? language->code : code);
    }
    // Files made before the third model leave the timestamps out.
    for (int id = s.timestamp_begin; id < size; ++id) {
      const auto& text = table_[static_cast<std::size_t>(id)];
      const std::string expected = text ? tokenizer_.decode_with_timestamps(std::array{id}) : std::string();
      if (text && *text != expected) {
        return error(ErrorCode::kTokenizerBadLayout,
                     fmt::format("token {} is {} where {} must be", id, shown(*text), expected));
      }
    }
    return {};
  }

  Status decode_bytes() {
    const auto num_text_tokens = static_cast<std::size_t>(tokenizer_.special_.eot);
    tokenizer_.offsets_.reserve(num_text_tokens + 1);
    tokenizer_.offsets_.push_back(0);
    for (std::size_t id = 0; id < num_text_tokens; ++id) {
      std::string_view rest = *table_[id];
      while (!rest.empty()) {
        const Utf8Unit unit = read_utf8(rest);
        const int byte = unit.code_point < kByteAlphabet.size() ? kByteAlphabet[unit.code_point] : -1;
        if (byte < 0) {
          return error(ErrorCode::kTokenizerBadCharacter,
                       fmt::format("token {}, {}, has a character that stands for no byte", id, shown(*table_[id])));
        }
        tokenizer_.bytes_ += static_cast<char>(byte);
        rest.remove_prefix(unit.size);
      }
      tokenizer_.offsets_.push_back(static_cast<std::uint32_t>(tokenizer_.bytes_.size()));
    }
    return {};
  }

  Status make_encoding(const std::vector<TokenPair>* pairs) {
    std::vector<std::string_view> tokens;
    for (int id = 0; id < tokenizer_.special_.eot; ++id) tokens.push_back(tokenizer_.token_bytes(id));
    if (pairs == nullptr) {
      tokenizer_.encoding_ = BytePairEncoding(tokens, merges_by_id(tokens));
      return {};
    }
    std::vector<BytePairEncoding::Merge> merges;
    merges.reserve(pairs->size());
    for (const auto& [left, right] : *pairs) {
      const auto left_id = text_token(left);
      const auto right_id = text_token(right);
      const auto merged_id = text_token(std::string(left).append(right));
      if (!left_id || !right_id || !merged_id) {
        return error(ErrorCode::kTokenizerBadMerge,
                     fmt::format("merge {}, of {} and {}, is not of two tokens into a third", merges.size(),
                                 shown(left), shown(right)));
      }
      merges.push_back({*left_id, *right_id, *merged_id, static_cast<int>(merges.size())});
    }
    tokenizer_.encoding_ = BytePairEncoding(tokens, std::move(merges));
    return {};
  }

  std::optional<int> text_token(std::string_view text) const {
    const auto found = ids_.find(text);
    if (found == ids_.end() || !tokenizer_.is_text(found->second)) return std::nullopt;
    return found->second;
  }

  const TokenTable& table_;
  std::string_view name_;
  std::unordered_map<std::string_view, int> ids_;
  Tokenizer tokenizer_;
};

Result<Tokenizer> Tokenizer::from_tokenizer_json(std::string_view contents, int vocab_size, std::string_view name) {
  STENOD_ASSIGN_OR_RETURN(TokenTable table, make_table(vocab_size));
  STENOD_ASSIGN_OR_RETURN(const json::value root, parse_tokenizer_json(contents, name));
  if (!root.is_object()) return wrong_type(name, "the file", "an object");
  if (const json::value* decoder = root.get_object().if_contains("decoder")) {
    STENOD_RETURN_IF_ERROR(check_type(*decoder, "decoder.type", "ByteLevel", name));
  }
  STENOD_ASSIGN_OR_RETURN(const json::value* model, member(root.get_object(), "model", "model", name));
  if (!model->is_object()) return wrong_type(name, "model", "an object");
  STENOD_RETURN_IF_ERROR(check_type(*model, "model.type", "BPE", name));
  STENOD_RETURN_IF_ERROR(read_vocab(table, model->get_object(), name));
  STENOD_RETURN_IF_ERROR(read_added_tokens(table, root.get_object(), name));
  STENOD_ASSIGN_OR_RETURN(const std::vector<TokenPair> merges, read_merges(model->get_object(), name));
  return TokenizerBuilder(table, name).build(&merges);
}

Result<Tokenizer> Tokenizer::from_vocabulary_json(std::string_view contents, int vocab_size, std::string_view name) {
  STENOD_ASSIGN_OR_RETURN(TokenTable table, make_table(vocab_size));
  STENOD_ASSIGN_OR_RETURN(const json::value root, parse_tokenizer_json(contents, name));
  if (!root.is_array()) return wrong_type(name, "the file", "an array");
  const json::array& tokens = root.get_array();
  if (tokens.size() != table.size()) {
    return tokenizer_error(ErrorCode::kTokenizerSizeMismatch, name,
                           fmt::format("it has {} tokens, but the model has {}", tokens.size(), table.size()));
  }
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (!tokens[id].is_string()) return wrong_type(name, fmt::format("entry {}", id), "a string");
    table[id] = tokens[id].get_string();
  }
  return TokenizerBuilder(table, name).build();
}

Result<Tokenizer> Tokenizer::from_vocabulary_txt(std::string_view contents, int vocab_size, std::string_view name) {
  STENOD_ASSIGN_OR_RETURN(TokenTable table, make_table(vocab_size));
  if (contents.ends_with('\n')) contents.remove_suffix(1);
  const auto num_lines = static_cast<std::size_t>(std::count(contents.begin(), contents.end(), '\n')) + 1;
  if (num_lines != table.size()) {
    return tokenizer_error(ErrorCode::kTokenizerSizeMismatch, name,
                           fmt::format("it has {} lines, but the model has {} tokens", num_lines, table.size()));
  }
  for (auto& entry : table) {
    const std::size_t end = std::min(contents.find('\n'), contents.size());
    entry = contents.substr(0, end);
    contents.remove_prefix(std::min(end + 1, contents.size()));
  }
  return TokenizerBuilder(table, name).build();
}

Result<Tokenizer> Tokenizer::from_tokens(std::span<const std::string> token_bytes, int vocab_size,
                                         std::string_view name) {
  STENOD_ASSIGN_OR_RETURN(TokenTable table, make_table(vocab_size));
  if (!token_bytes.empty() && token_bytes.back() == kEndOfText) token_bytes = token_bytes.first(token_bytes.size() - 1);
  STENOD_ASSIGN_OR_RETURN(std::vector<std::string> special, special_tokens(token_bytes.size(), table.size(), name));
  std::vector<std::string> texts;
  texts.reserve(table.size());
  for (const std::string& bytes : token_bytes) texts.push_back(to_byte_alphabet(bytes));
  std::move(special.begin(), special.end(), std::back_inserter(texts));
  std::copy(texts.begin(), texts.end(), table.begin());
  return TokenizerBuilder(table, name).build();
}

Result<Tokenizer> Tokenizer::from_vocab_json(std::string_view contents, int vocab_size, std::string_view name) {
  STENOD_ASSIGN_OR_RETURN(TokenTable table, make_table(vocab_size));
  STENOD_ASSIGN_OR_RETURN(const json::value root, parse_tokenizer_json(contents, name));
  if (!root.is_object()) return wrong_type(name, "the file", "an object");
  for (const auto& [text, id] : root.get_object()) STENOD_RETURN_IF_ERROR(put_token(table, id, text, name));
  const auto end_of_text =
      std::find_if(table.begin(), table.end(), [](const auto& text) { return !text || *text == kEndOfText; });
  const auto num_text = static_cast<std::size_t>(end_of_text - table.begin());
  STENOD_ASSIGN_OR_RETURN(const std::vector<std::string> special, special_tokens(num_text, table.size(), name));
  for (std::size_t i = 0; i < special.size(); ++i) {
    if (auto& entry = table[num_text + i]; !entry) entry = special[i];
  }
  return TokenizerBuilder(table, name).build();
}

Result<Tokenizer> Tokenizer::load(const std::filesystem::path& folder, int vocab_size) {
  struct File {
    std::string_view name;
    Result<Tokenizer> (*parse)(std::string_view, int, std::string_view);
  };
  constexpr std::array<File, 4> kFiles = {{{"tokenizer.json", from_tokenizer_json},
                                           {"vocabulary.json", from_vocabulary_json},
                                           {"vocabulary.txt", from_vocabulary_txt},
                                           {"vocab.json", from_vocab_json}}};
  std::optional<Tokenizer> loaded;
  std::string loaded_path;
  for (const File& file : kFiles) {
    // Hugging Face's folders have it beside tokenizer.json, which says more.
    if (file.parse == from_vocab_json && loaded) continue;
    const std::filesystem::path path = folder / file.name;
    auto contents = read_file(path, kMaxFileBytes);
    if (!contents && contents.error().code == ErrorCode::kNotFound) continue;
    if (!contents) return std::move(contents).error();
    STENOD_ASSIGN_OR_RETURN(Tokenizer tokenizer, file.parse(*contents, vocab_size, path.string()));
    if (!loaded) {
      loaded = std::move(tokenizer);
      loaded_path = path.string();
    } else if (tokenizer.bytes_ != loaded->bytes_ || tokenizer.offsets_ != loaded->offsets_ ||
               tokenizer.language_codes_ != loaded->language_codes_) {
      return tokenizer_error(ErrorCode::kTokenizerFilesDisagree, path.string(),
                             fmt::format("its tokens are not those of {}", loaded_path));
    }
  }
  if (!loaded) {
    return Error{ErrorCode::kNotFound,
                 fmt::format("{}: there is no tokenizer.json, vocabulary.json, vocabulary.txt or vocab.json; is this "
                             "the folder of a Whisper model?",
                             folder.string()),
                 folder.string()};
  }
  return std::move(*loaded);
}

}  // namespace stenod::text
