#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "text/language.h"
#include "text/testing/mini_vocabulary.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace stenod::text {
namespace {

using testing::MiniVocabulary;

/// The code of the error, and that the message names the file; "ok" for none.
std::string code_of(const Result<Tokenizer>& result) {
  if (result) return "ok";
  if (result.error().code != ErrorCode::kInvalidArgument) {
    EXPECT_EQ(result.error().message.rfind("file.x: ", 0), 0u) << result.error().message;
    EXPECT_EQ(result.error().param, "file.x");
    EXPECT_LT(result.error().message.size(), 400u) << "a message must not carry a file's contents along";
    EXPECT_EQ(to_valid_utf8(result.error().message), result.error().message);
  }
  return std::string(error_name(result.error().code));
}

std::string load_json(std::string_view contents, int vocab_size = MiniVocabulary().vocab_size()) {
  return code_of(Tokenizer::from_tokenizer_json(contents, vocab_size, "file.x"));
}
std::string load_json(const json::value& value) { return load_json(json::serialize(value)); }
std::string load_json(const MiniVocabulary& mini) {
  return load_json(json::serialize(mini.tokenizer_json()), mini.vocab_size());
}

/// tokenizer.json with one thing changed.
std::string load_changed(const std::function<void(json::object&)>& change) {
  json::object root = MiniVocabulary().tokenizer_json();
  change(root);
  return load_json(root);
}
json::object& vocab(json::object& root) { return root["model"].as_object()["vocab"].as_object(); }
json::array& added(json::object& root) { return root["added_tokens"].as_array(); }

std::string load_txt(const MiniVocabulary& mini) {
  return code_of(Tokenizer::from_vocabulary_txt(mini.vocabulary_txt(), mini.vocab_size(), "file.x"));
}

TEST(TokenizerFiles, AllThreeFormatsGiveTheSame) {
  const MiniVocabulary mini;
  EXPECT_EQ(load_json(mini), "ok");
  for (const auto& tokenizer : {Tokenizer::from_vocabulary_json(mini.vocabulary_json(), mini.vocab_size(), "file.x"),
                                Tokenizer::from_vocabulary_txt(mini.vocabulary_txt(), mini.vocab_size(), "file.x")}) {
    ASSERT_TRUE(tokenizer) << tokenizer.error().message;
    EXPECT_EQ(tokenizer->special().notimestamps, mini.timestamp_begin() - 1);
    for (int id = 0; id < mini.vocab_size(); ++id) {
      ASSERT_EQ(tokenizer->token_bytes(id), mini.tokenizer().token_bytes(id));
    }
  }
}

TEST(TokenizerFiles, TimestampsMayBeThereOrNot) {
  const MiniVocabulary mini;
  EXPECT_EQ(load_changed([&](json::object& root) {
              added(root).push_back({{"id", mini.timestamp_begin() + 1}, {"content", "<|0.02|>"}});
            }),
            "ok");
}

TEST(TokenizerFiles, NospeechHasTwoNames) {
  MiniVocabulary mini;
  mini.special[9] = "<|nospeech|>";
  EXPECT_EQ(load_json(mini), "ok");
}

TEST(TokenizerFiles, HebrewHasTwoCodes) {
  MiniVocabulary mini;
  mini.special[2] = "<|iw|>";
  EXPECT_EQ(mini.tokenizer().language_token("he"), mini.eot() + 2);
}

TEST(TokenizerFiles, LanguagesThatWhisperLacksAreTaken) {
  MiniVocabulary mini;
  mini.special[2] = "<|xx|>";
  EXPECT_EQ(mini.tokenizer().language_token("xx"), mini.eot() + 2);
}

TEST(TokenizerFiles, EveryTruncationIsMalformed) {
  const std::string contents = json::serialize(MiniVocabulary().tokenizer_json());
  for (std::size_t size = 0; size < contents.size(); ++size) {
    ASSERT_EQ(load_json(contents.substr(0, size)), "tokenizer_malformed") << size;
  }
}

TEST(TokenizerFiles, JsonFaults) {
  const std::string contents = json::serialize(MiniVocabulary().tokenizer_json());
  EXPECT_EQ(load_json(contents + "x"), "tokenizer_malformed");
  EXPECT_EQ(load_json(std::string(100, '[') + std::string(100, ']')), "tokenizer_malformed") << "too deep";
  EXPECT_EQ(load_json(std::string(1000000, '[')), "tokenizer_malformed") << "too deep";
  std::string invalid_utf8 = contents;
  invalid_utf8[invalid_utf8.find("Hello")] = '\xFF';
  EXPECT_EQ(load_json(invalid_utf8), "tokenizer_malformed");
}

TEST(TokenizerFiles, WrongTypes) {
  EXPECT_EQ(load_json(json::array{}), "tokenizer_wrong_type");
  EXPECT_EQ(load_json(json::value(nullptr)), "tokenizer_wrong_type");
  EXPECT_EQ(load_changed([](auto& root) { root["model"] = 1; }), "tokenizer_wrong_type");
  EXPECT_EQ(load_changed([](auto& root) { root["model"].as_object()["vocab"] = json::array{}; }),
            "tokenizer_wrong_type");
  EXPECT_EQ(load_changed([](auto& root) { vocab(root)["Hello"] = "0"; }), "tokenizer_wrong_type");
  EXPECT_EQ(load_changed([](auto& root) { vocab(root)["Hello"] = 0.0; }), "tokenizer_wrong_type");
  EXPECT_EQ(load_changed([](auto& root) { root["added_tokens"] = json::object{}; }), "tokenizer_wrong_type");
  EXPECT_EQ(load_changed([](auto& root) { added(root)[0] = "<|endoftext|>"; }), "tokenizer_wrong_type");
  EXPECT_EQ(load_changed([](auto& root) { added(root)[0].as_object()["content"] = 1; }), "tokenizer_wrong_type");
  EXPECT_EQ(load_changed([](auto& root) { added(root)[0].as_object()["id"] = nullptr; }), "tokenizer_wrong_type");
}

TEST(TokenizerFiles, MissingFields) {
  EXPECT_EQ(load_changed([](auto& root) { root.erase("model"); }), "tokenizer_missing_field");
  EXPECT_EQ(load_changed([](auto& root) { root["model"].as_object().erase("vocab"); }), "tokenizer_missing_field");
  EXPECT_EQ(load_changed([](auto& root) { root.erase("added_tokens"); }), "tokenizer_missing_field");
  EXPECT_EQ(load_changed([](auto& root) { added(root)[0].as_object().erase("id"); }), "tokenizer_missing_field");
  EXPECT_EQ(load_changed([](auto& root) { added(root)[0].as_object().erase("content"); }), "tokenizer_missing_field");
}

TEST(TokenizerFiles, OtherKindsOfTokenizer) {
  EXPECT_EQ(load_changed([](auto& root) { root["model"].as_object()["type"] = "Unigram"; }), "tokenizer_unsupported");
  EXPECT_EQ(load_changed([](auto& root) { root["decoder"].as_object()["type"] = "Metaspace"; }),
            "tokenizer_unsupported");
  EXPECT_EQ(load_changed([](auto& root) { root["decoder"].as_object()["type"] = 5; }), "tokenizer_unsupported");
  EXPECT_EQ(load_changed([](auto& root) { root["decoder"] = nullptr; }), "ok");
}

TEST(TokenizerFiles, IdsOutOfRange) {
  const MiniVocabulary mini;
  EXPECT_EQ(load_changed([](auto& root) { vocab(root)["Hello"] = -1; }), "tokenizer_id_out_of_range");
  EXPECT_EQ(load_changed([&](auto& root) { vocab(root)["Hello"] = mini.vocab_size(); }), "tokenizer_id_out_of_range");
  EXPECT_EQ(load_changed([](auto& root) { vocab(root)["Hello"] = UINT64_MAX; }), "tokenizer_id_out_of_range");
  EXPECT_EQ(load_changed([](auto& root) { added(root)[0].as_object()["id"] = 1 << 30; }), "tokenizer_id_out_of_range");
}

TEST(TokenizerFiles, HugeNumbersAreNoIds) {
  std::string contents = json::serialize(MiniVocabulary().tokenizer_json());
  const std::size_t at = contents.find("\"Hello\":0") + 8;
  for (const char* number : {"99999999999999999999999999", "1e999", "1e2"}) {
    EXPECT_EQ(load_json(std::string(contents).replace(at, 1, number)), "tokenizer_wrong_type") << number;
  }
}

TEST(TokenizerFiles, Duplicates) {
  EXPECT_EQ(load_changed([](auto& root) { vocab(root)["Hello"] = 1; }), "tokenizer_duplicate") << "one id, two tokens";
  EXPECT_EQ(load_changed([](auto& root) {
              added(root).push_back({{"id", 0}, {"content", "<|en|>"}});
            }),
            "tokenizer_duplicate");
  MiniVocabulary mini;
  mini.text[1] = mini.text[0];
  EXPECT_EQ(load_txt(mini), "tokenizer_duplicate") << "one token, two ids";
  EXPECT_EQ(load_changed([&](auto& root) {
              added(root).push_back({{"id", mini.timestamp_begin()}, {"content", "<|endoftext|>"}});
            }),
            "tokenizer_duplicate");
}

TEST(TokenizerFiles, Holes) {
  EXPECT_EQ(load_changed([](auto& root) { vocab(root).erase("Hello"); }), "tokenizer_hole");
  EXPECT_EQ(load_changed([](auto& root) { added(root).erase(added(root).begin() + 3); }), "tokenizer_hole")
      << "a language";
}

TEST(TokenizerFiles, MissingSpecialTokens) {
  const MiniVocabulary mini;
  for (const std::size_t i : {std::size_t{1}, std::size_t{5}, std::size_t{6}, std::size_t{7}, std::size_t{8},
                              std::size_t{9}, std::size_t{10}}) {
    EXPECT_EQ(load_changed([&](auto& root) { added(root).erase(added(root).begin() + static_cast<long>(i)); }),
              "tokenizer_missing_special")
        << mini.special[i];
  }
  EXPECT_EQ(load_changed([](auto& root) {
              added(root).erase(added(root).begin());
              vocab(root).erase("<|endoftext|>");
            }),
            "tokenizer_missing_special");
}

TEST(TokenizerFiles, SpecialTokensInAnotherOrder) {
  for (std::size_t i = 0; i + 1 < MiniVocabulary().special.size(); ++i) {
    if (i == 2 || i == 3) continue;  // languages may stand in any order
    MiniVocabulary mini;
    std::swap(mini.special[i], mini.special[i + 1]);
    EXPECT_EQ(load_txt(mini), i + 2 == mini.special.size() ? "tokenizer_size_mismatch" : "tokenizer_bad_layout") << i;
  }
  MiniVocabulary no_language;
  no_language.special.erase(no_language.special.begin() + 2, no_language.special.begin() + 5);
  EXPECT_EQ(load_txt(no_language), "tokenizer_bad_layout");
  MiniVocabulary no_text;
  no_text.text.clear();
  EXPECT_EQ(load_txt(no_text), "tokenizer_bad_layout");
}

TEST(TokenizerFiles, BadLanguages) {
  for (const char* bad : {"<|EN|>", "<||>", "<|e n|>", "en", "<|english|>", "<|en"}) {
    MiniVocabulary mini;
    mini.special[2] = bad;
    EXPECT_EQ(load_txt(mini), "tokenizer_bad_layout") << bad;
  }
}

TEST(TokenizerFiles, BadTimestamps) {
  const MiniVocabulary mini;
  EXPECT_EQ(load_changed([&](auto& root) {
              added(root).push_back({{"id", mini.timestamp_begin() + 1}, {"content", "<|0.04|>"}});
            }),
            "tokenizer_bad_layout");
}

TEST(TokenizerFiles, CharactersOutsideTheByteAlphabet) {
  for (const std::string& bad : {std::string("a b"), std::string("あ"), std::string("\u0144"), std::string("\u007F"),
                                 std::string("\u00AD"), std::string("\n"), std::string(100000, ' ')}) {
    MiniVocabulary mini;
    mini.text[0] = bad;
    EXPECT_EQ(load_json(mini), "tokenizer_bad_character") << bad.substr(0, 10);
  }
  MiniVocabulary invalid_utf8;
  invalid_utf8.text[0] = "\xC4";
  EXPECT_EQ(load_txt(invalid_utf8), "tokenizer_bad_character");
}

TEST(TokenizerFiles, VocabularyOfAnotherSizeThanTheModels) {
  const MiniVocabulary mini;
  const std::string contents = json::serialize(mini.tokenizer_json());
  EXPECT_EQ(load_json(contents, mini.vocab_size() + 1), "tokenizer_size_mismatch");
  EXPECT_EQ(load_json(contents, mini.vocab_size() - 1), "tokenizer_size_mismatch");
  EXPECT_EQ(code_of(Tokenizer::from_vocabulary_txt(mini.vocabulary_txt() + "\n", mini.vocab_size(), "file.x")),
            "tokenizer_size_mismatch");
  EXPECT_EQ(code_of(Tokenizer::from_vocabulary_txt("", mini.vocab_size(), "file.x")), "tokenizer_size_mismatch");
  EXPECT_EQ(code_of(Tokenizer::from_vocabulary_json(mini.vocabulary_json(), mini.vocab_size() + 1, "file.x")),
            "tokenizer_size_mismatch");
  EXPECT_EQ(code_of(Tokenizer::from_vocabulary_json(mini.vocabulary_json(), mini.vocab_size() - 1, "file.x")),
            "tokenizer_size_mismatch");
  for (const int size : {-1, 0, Tokenizer::kNumTimestamps, (1 << 20) + 1}) {
    EXPECT_EQ(load_json(contents, size), "invalid_argument") << size;
  }
}

TEST(TokenizerFiles, VocabularyJsonFaults) {
  const MiniVocabulary mini;
  const auto load = [&](std::string_view contents) {
    return code_of(Tokenizer::from_vocabulary_json(contents, mini.vocab_size(), "file.x"));
  };
  EXPECT_EQ(load("{}"), "tokenizer_wrong_type");
  EXPECT_EQ(load("["), "tokenizer_malformed");
  json::value value = json::parse(mini.vocabulary_json());
  value.as_array()[3] = 3;
  EXPECT_EQ(load(json::serialize(value)), "tokenizer_wrong_type");
}

json::value& merges(json::object& root) { return root["model"].as_object()["merges"]; }

TEST(TokenizerFiles, MergesAreTheFiles) {
  MiniVocabulary mini;
  mini.text = {"a", "b", "c", "ab", "bc"};
  const auto encode_abc = [&](const json::array& pairs) {
    json::object root = mini.tokenizer_json();
    merges(root) = pairs;
    return Tokenizer::from_tokenizer_json(json::serialize(root), mini.vocab_size(), "file.x").value().encode("abc");
  };
  EXPECT_EQ(encode_abc({}), (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(encode_abc({"a b", "b c"}), (std::vector<int>{3, 2}));
  EXPECT_EQ(encode_abc({"b c", "a b"}), (std::vector<int>{0, 4})) << "by their order, not by ids";
  EXPECT_EQ(encode_abc({json::array{"b", "c"}, json::array{"a", "b"}}), (std::vector<int>{0, 4})) << "as newer files";
  const auto by_id = Tokenizer::from_vocabulary_txt(mini.vocabulary_txt(), mini.vocab_size(), "file.x");
  EXPECT_EQ(by_id.value().encode("abc"), (std::vector<int>{3, 2})) << "where there are only tokens";
}

TEST(TokenizerFiles, BadMerges) {
  EXPECT_EQ(load_changed([](auto& root) { root["model"].as_object().erase("merges"); }), "tokenizer_missing_field");
  EXPECT_EQ(load_changed([](auto& root) { merges(root) = "Hello ,"; }), "tokenizer_wrong_type");
  for (const json::value& bad :
       {json::value("Hello"), json::value("Hello , ."), json::value(3), json::value(nullptr), json::value({"Hello"}),
        json::value({"Hello", ",", "."}), json::value({"Hello", 3}), json::value({3, "Hello"})}) {
    EXPECT_EQ(load_changed([&](auto& root) { merges(root).as_array().push_back(bad); }), "tokenizer_wrong_type")
        << json::serialize(bad);
  }
  for (const char* bad : {", .", "x x", "h i", "hi x", "x hi", "< |endoftext|>"}) {
    EXPECT_EQ(load_changed([&](auto& root) { merges(root).as_array().emplace_back(bad); }), "tokenizer_bad_merge")
        << bad;
  }
  EXPECT_EQ(load_changed([&](auto& root) {
              vocab(root).erase("hi"), vocab(root).erase(")"), vocab(root)["<"] = 10, vocab(root)["|endoftext|>"] = 5;
              merges(root).as_array().emplace_back("< |endoftext|>");
            }),
            "tokenizer_bad_merge")
      << "gives a special token";
  EXPECT_EQ(load_changed([](auto& root) { merges(root).as_array().emplace_back("hi "); }), "ok") << "hi and the empty";
}

/// The bytes of the text tokens, as whisper.cpp's files hold them.
std::vector<std::string> text_token_bytes() {
  const Tokenizer tokenizer = MiniVocabulary().tokenizer();
  std::vector<std::string> tokens;
  for (int id = 0; id < tokenizer.special().eot; ++id) tokens.emplace_back(tokenizer.token_bytes(id));
  return tokens;
}

TEST(TokenizerFiles, TokensByTheirBytes) {
  std::vector<std::string> tokens = text_token_bytes();
  const int num_text = static_cast<int>(tokens.size());
  for (const int num_languages : {1, 99, 100}) {
    const int vocab_size = num_text + 8 + num_languages + Tokenizer::kNumTimestamps;
    const auto tokenizer = Tokenizer::from_tokens(tokens, vocab_size, "file.x");
    ASSERT_TRUE(tokenizer) << tokenizer.error().message;
    EXPECT_EQ(tokenizer->vocab_size(), vocab_size);
    EXPECT_EQ(tokenizer->special().eot, num_text);
    EXPECT_EQ(tokenizer->special().transcribe, num_text + 2 + num_languages + 1);
    ASSERT_EQ(tokenizer->language_codes().size(), static_cast<std::size_t>(num_languages));
    EXPECT_EQ(tokenizer->language_codes().back(), languages()[static_cast<std::size_t>(num_languages) - 1].code);
    for (int id = 0; id < num_text; ++id) {
      ASSERT_EQ(tokenizer->token_bytes(id), tokens[static_cast<std::size_t>(id)]) << id;
    }
  }
}

TEST(TokenizerFiles, HuggingFacesVocab) {
  const MiniVocabulary mini;
  const Tokenizer expected = mini.tokenizer();
  json::object vocab = mini.tokenizer_json().at("model").at("vocab").as_object();
  vocab.erase("<|endoftext|>");
  const auto load = [&] { return Tokenizer::from_vocab_json(json::serialize(vocab), mini.vocab_size(), "file.x"); };
  for (const bool has_end : {false, true}) {
    if (has_end) vocab["<|endoftext|>"] = expected.special().eot;
    const auto tokenizer = load();
    ASSERT_TRUE(tokenizer) << tokenizer.error().message;
    EXPECT_EQ(tokenizer->special().eot, expected.special().eot);
    EXPECT_EQ(tokenizer->special().notimestamps, expected.special().notimestamps);
    for (int id = 0; id < expected.special().eot; ++id) ASSERT_EQ(tokenizer->token_bytes(id), expected.token_bytes(id));
  }
  EXPECT_EQ(code_of(Tokenizer::from_vocab_json("[]", mini.vocab_size(), "file.x")), "tokenizer_wrong_type");
  EXPECT_EQ(code_of(Tokenizer::from_vocab_json("{", mini.vocab_size(), "file.x")), "tokenizer_malformed");
  EXPECT_EQ(code_of(Tokenizer::from_vocab_json("{}", mini.vocab_size(), "file.x")), "tokenizer_bad_layout");
  EXPECT_EQ(code_of(Tokenizer::from_vocab_json("{}", 3000, "file.x")), "tokenizer_size_mismatch");
  vocab.erase("Hello");
  EXPECT_EQ(code_of(load()), "tokenizer_duplicate") << "a hole ends the text";
}

TEST(TokenizerFiles, TokensOfEveryByte) {
  std::vector<std::string> tokens;
  for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
  const auto tokenizer = Tokenizer::from_tokens(tokens, 256 + 8 + 99 + Tokenizer::kNumTimestamps, "file.x");
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  for (int byte = 0; byte < 256; ++byte) {
    ASSERT_EQ(tokenizer->token_bytes(byte), std::string(1, static_cast<char>(byte)));
  }
}

TEST(TokenizerFiles, TheEndOfTextIsNoTextToken) {
  std::vector<std::string> tokens = text_token_bytes();
  const int num_text = static_cast<int>(tokens.size());
  tokens.emplace_back("<|endoftext|>");
  const auto tokenizer = Tokenizer::from_tokens(tokens, num_text + 8 + 99 + Tokenizer::kNumTimestamps, "file.x");
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_EQ(tokenizer->special().eot, num_text);
  EXPECT_EQ(tokenizer->language_codes().size(), 99u);
}

TEST(TokenizerFiles, TokensThatFitNoModel) {
  std::vector<std::string> tokens = text_token_bytes();
  const int num_text = static_cast<int>(tokens.size());
  const auto load = [&](int vocab_size) { return code_of(Tokenizer::from_tokens(tokens, vocab_size, "file.x")); };
  EXPECT_EQ(load(num_text + 8 + 0 + Tokenizer::kNumTimestamps), "tokenizer_size_mismatch");
  EXPECT_EQ(load(num_text + 8 + 101 + Tokenizer::kNumTimestamps), "tokenizer_size_mismatch");
  EXPECT_EQ(load(Tokenizer::kNumTimestamps + 1), "tokenizer_size_mismatch");
  EXPECT_EQ(load(Tokenizer::kNumTimestamps), "invalid_argument");
  EXPECT_EQ(load((1 << 20) + 1), "invalid_argument");
  tokens[0] = tokens[1] = "\uFFFD";
  EXPECT_EQ(load(num_text + 8 + 99 + Tokenizer::kNumTimestamps), "tokenizer_duplicate");
  tokens.clear();
  EXPECT_EQ(load(8 + 99 + Tokenizer::kNumTimestamps), "tokenizer_bad_layout");
  tokens = {"<|endoftext|>"};
  EXPECT_EQ(load(8 + 99 + Tokenizer::kNumTimestamps), "tokenizer_bad_layout");
}

class TokenizerFolder : public ::testing::Test {
 protected:
  TokenizerFolder() { std::filesystem::create_directories(folder_); }
  ~TokenizerFolder() override { std::filesystem::remove_all(folder_); }
  void write(const char* name, std::string_view contents) { std::ofstream(folder_ / name) << contents; }
  std::string load() {
    const auto result = Tokenizer::load(folder_, mini_.vocab_size());
    return result ? "ok" : std::string(error_name(result.error().code));
  }

  std::filesystem::path folder_ =
      std::filesystem::path(::testing::TempDir()) / ("stenod_tokenizer_" + std::to_string(getpid()));
  MiniVocabulary mini_;
};

TEST_F(TokenizerFolder, LoadsWhateverIsThere) {
  EXPECT_EQ(load(), "not_found");
  write("vocabulary.txt", mini_.vocabulary_txt());
  EXPECT_EQ(load(), "ok");
  write("tokenizer.json", json::serialize(mini_.tokenizer_json()));
  EXPECT_EQ(load(), "ok");
  write("vocabulary.json", mini_.vocabulary_json());
  EXPECT_EQ(load(), "ok");
}

TEST_F(TokenizerFolder, RefusesFilesThatDisagree) {
  write("tokenizer.json", json::serialize(mini_.tokenizer_json()));
  MiniVocabulary other = mini_;
  other.text[0] = "Hullo";
  write("vocabulary.txt", other.vocabulary_txt());
  EXPECT_EQ(load(), "tokenizer_files_disagree");
  other = mini_;
  std::swap(other.text[0], other.text[1]);
  std::swap(other.text[2], other.text[3]);
  write("vocabulary.txt", other.vocabulary_txt());
  EXPECT_EQ(load(), "tokenizer_files_disagree");
  // The same bytes with another border between two tokens.
  other = mini_;
  other.text[2] = ",.";
  other.text[3] = "";
  other.text[12] = "é";
  MiniVocabulary same_bytes = mini_;
  same_bytes.text[12] = "é";
  write("tokenizer.json", json::serialize(same_bytes.tokenizer_json()));
  write("vocabulary.txt", other.vocabulary_txt());
  EXPECT_EQ(load(), "tokenizer_files_disagree");
  other = mini_;
  std::swap(other.special[2], other.special[3]);
  write("tokenizer.json", json::serialize(mini_.tokenizer_json()));
  write("vocabulary.txt", other.vocabulary_txt());
  EXPECT_EQ(load(), "tokenizer_files_disagree");
}

TEST_F(TokenizerFolder, RefusesAFileBeyondTheSizeOfAny) {
  write("tokenizer.json", "");
  std::filesystem::resize_file(folder_ / "tokenizer.json", (16 << 20) + 1);
  EXPECT_EQ(load(), "invalid_argument");
}

}  // namespace
}  // namespace stenod::text
