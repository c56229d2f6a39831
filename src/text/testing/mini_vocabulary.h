#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <string>
#include <vector>

#include "base/json.h"
#include "text/tokenizer.h"

namespace stenod::text::testing {

/// A vocabulary of Whisper's structure with a handful of text tokens and three languages, to be broken by tests.
struct MiniVocabulary {
  // Byte alphabet: Ġ is a space, Ċ a newline; あ is E3 81 82, which the alphabet writes ã ģ Ĥ.
  std::vector<std::string> text = {"Hello", "Ġworld", ",", ".", "Ġ(", ")", "ã", "ģ", "Ĥ", "Ġ", "hi", "Ċ", ""};
  std::vector<std::string> special = {"<|endoftext|>",   "<|startoftranscript|>", "<|en|>",          "<|ja|>",
                                      "<|haw|>",         "<|translate|>",         "<|transcribe|>",  "<|startoflm|>",
                                      "<|startofprev|>", "<|nocaptions|>",        "<|notimestamps|>"};

  enum Token { kHello, kWorld, kComma, kPeriod, kOpen, kClose, kE3, k81, k82, kSpace, kHi, kNewline, kEmpty, kEot };

  int eot() const { return static_cast<int>(text.size()); }
  int timestamp_begin() const { return static_cast<int>(text.size() + special.size()); }
  int vocab_size() const { return timestamp_begin() + Tokenizer::kNumTimestamps; }

  /// As tokenizer.json without timestamps, as older files are; the end of text in both places, as real ones have it.
  json::object tokenizer_json() const {
    json::object vocab;
    for (std::size_t i = 0; i < text.size(); ++i) vocab[text[i]] = i;
    vocab[special[0]] = text.size();
    json::array added;
    for (std::size_t i = 0; i < special.size(); ++i) {
      added.push_back({{"id", text.size() + i}, {"content", special[i]}, {"special", true}});
    }
    return {{"version", "1.0"},
            {"added_tokens", added},
            {"decoder", {{"type", "ByteLevel"}}},
            {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", json::array()}}}};
  }

  /// All tokens by id, timestamps too.
  std::vector<std::string> tokens() const {
    std::vector<std::string> all = text;
    all.insert(all.end(), special.begin(), special.end());
    for (int i = 0; i < Tokenizer::kNumTimestamps; ++i) all.push_back(fmt::format("<|{}.{:02}|>", i / 50, i % 50 * 2));
    return all;
  }
  std::string vocabulary_txt() const {
    std::string lines;
    for (const std::string& token : tokens()) lines += token + '\n';
    return lines;
  }
  std::string vocabulary_json() const {
    json::array array;
    for (const std::string& token : tokens()) array.emplace_back(token);
    return json::serialize(array);
  }

  Tokenizer tokenizer() const {
    return Tokenizer::from_tokenizer_json(json::serialize(tokenizer_json()), vocab_size(), "mini").value();
  }
};

}  // namespace stenod::text::testing
