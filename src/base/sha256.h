#pragma once

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>

namespace stenod {

/// Incremental SHA-256.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::span<const std::byte> bytes);
  /// 64 lower-case hexadecimal digits of everything so far. The object can go on being updated.
  std::string hex_digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Of one piece of memory.
std::string sha256_hex(std::span<const std::byte> bytes);

/// SHA-1 of the pieces put together, 40 lower-case hexadecimal digits. For comparing with what others have computed, as
/// Git does; no protection against forgery.
std::string sha1_hex(std::initializer_list<std::span<const std::byte>> pieces);

}  // namespace stenod
