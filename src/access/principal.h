#pragma once

#include <string>

namespace stenod::access {

/// What a key may use. Zero: no limit of its own.
struct Limits {
  int streams = 0;                   ///< open at once
  double audio_minutes_per_day = 0;  ///< live streams and files together; days are UTC's
};

/// Who makes a request, as far as it is known.
struct Principal {
  std::string key_id = {};    ///< empty: anybody, where keys are not in use
  std::string name = {};      ///< the key's, for logs and lists
  bool is_admin = false;      ///< may see what others do
  Limits limits = {};         ///< the key's
  std::string token_id = {};  ///< empty: the key itself was shown, and not a token that it minted
  int token_streams = 0;      ///< open at once with this token; 0: as many as the key may
};

}  // namespace stenod::access
