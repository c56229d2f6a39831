#include "base/sha256.h"

#include <openssl/evp.h>

#include <new>

namespace stenod {
namespace {

std::string hex(std::span<const unsigned char> digest) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * digest.size());
  for (const unsigned char byte : digest) {
    text += kHex[byte >> 4];
    text += kHex[byte & 15];
  }
  return text;
}

}  // namespace

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  if (state_->context == nullptr || EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) != 1) {
    throw std::bad_alloc();
  }
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::span<const std::byte> bytes) { EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()); }

std::string Sha256::hex_digest() const {
  State copy;
  if (copy.context == nullptr || EVP_MD_CTX_copy_ex(copy.context, state_->context) != 1) throw std::bad_alloc();
  unsigned char digest[32];
  EVP_DigestFinal_ex(copy.context, digest, nullptr);
  return hex(digest);
}

std::string sha256_hex(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.hex_digest();
}

std::string sha1_hex(std::initializer_list<std::span<const std::byte>> pieces) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  if (!context || EVP_DigestInit_ex(context.get(), EVP_sha1(), nullptr) != 1) throw std::bad_alloc();
  for (const auto piece : pieces) EVP_DigestUpdate(context.get(), piece.data(), piece.size());
  unsigned char digest[20];
  EVP_DigestFinal_ex(context.get(), digest, nullptr);
  return hex(digest);
}

}  // namespace stenod
