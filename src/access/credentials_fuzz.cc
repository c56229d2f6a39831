#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "access/credentials.h"

/// Any bytes as what a client shows: as a key, as a token, and as a token that was signed rightly, which is how the
/// reader behind the signature is reached.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stenod::access;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto id = key_id_of(text); id && id->size() != 8) std::abort();
  if (verify_token(text, "a secret that the fuzzer does not know")) std::abort();

  const std::string signed_text = sign_text("st_" + std::string(text), "secret");
  if (const auto claims = verify_token(signed_text, "secret")) {
    const auto again = verify_token(sign_token(*claims, "secret"), "secret");
    if (!again || !(*again == *claims)) std::abort();
  }
  return 0;
}
