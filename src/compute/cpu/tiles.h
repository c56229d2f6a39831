#pragma once

// The tile registers of AMX (Intel Architecture Instruction Set Extensions, chapter 3): eight tiles of up to 16 rows of
// 64 bytes. Only where isa() is Isa::kAmx.

#include <array>
#include <cstddef>
#include <cstdint>

namespace stenod::compute::cpu {

/// What LDTILECFG and STTILECFG read and write.
struct alignas(64) TileConfig {
  std::uint8_t palette = 0;  ///< 0: the registers are not in use
  std::uint8_t start_row = 0;
  std::array<std::uint8_t, 14> reserved{};
  std::array<std::uint16_t, 16> row_bytes{};
  std::array<std::uint8_t, 16> rows{};
};
static_assert(sizeof(TileConfig) == 64);

/// For as long as it lives, this thread's eight tiles have 16 rows of 64 bytes each; then their shapes are what they
/// were. Tiles are a thread's own state, and oneDNN's kernels use them, too.
class FullTiles {
 public:
  FullTiles() {
    asm volatile("sttilecfg %0" : "=m"(before_));
    TileConfig full;
    full.palette = 1;
    for (std::size_t tile = 0; tile < 8; ++tile) {
      full.row_bytes[tile] = 64;
      full.rows[tile] = 16;
    }
    asm volatile("ldtilecfg %0" : : "m"(full));
  }
  ~FullTiles() { asm volatile("ldtilecfg %0" : : "m"(before_)); }
  FullTiles(const FullTiles&) = delete;
  FullTiles& operator=(const FullTiles&) = delete;

 private:
  TileConfig before_;
};

}  // namespace stenod::compute::cpu
