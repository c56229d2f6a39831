#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace stenod::client {

// What a server says in the live protocol (docs/protocol.md), as far as a listener needs it. Times in seconds.

struct Ready {
  std::string session_id;
};

struct Partial {
  int channel = 0;  ///< 0 unless the session has several
  std::string text;
  std::string stable;  ///< a prefix of `text` that will not change any more
};

struct FinalWord {
  std::string word;
  double start = 0, end = 0, probability = 0;
};

struct Final {
  int channel = 0;
  std::string text;
  double start = 0, end = 0;
  std::string language;
  std::vector<FinalWord> words;
};

struct Trouble {
  bool is_error = false;  ///< or else a warning
  std::string code;
  std::string message;
};

struct End {
  std::string reason;
};

/// A message of a type that is of no interest here.
struct Other {};

using LiveMessage = std::variant<Ready, Partial, Final, Trouble, End, Other>;

/// Members that are missing or of another type than expected count as empty. Error: kJsonMalformed, also for what is no
/// object with a "type".
Result<LiveMessage> parse_live_message(std::string_view text);

}  // namespace stenod::client
