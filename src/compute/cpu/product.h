#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "compute/backend.h"

namespace stenod::compute::cpu {

/// Rows of one block: products are computed in blocks of at most so many rows.
inline constexpr int kBlockRows = 64;

/// A weight matrix cut into panels of columns of its product, each packed by oneDNN in the layout that its kernels
/// for this machine want. One panel times one block of rows is one single-threaded call, and the unit of parallel
/// work. This is the only place that talks to oneDNN.
///
/// int8: weights are quantised per output channel, w = q * scale, q in [-127, 127]. A row of inputs arrives as
/// unsigned 8-bit integers with its own scale and zero point; sums are exact 32-bit integers.
class PackedMatrix final : public PackedLinear {
 public:
  /// `num_threads`: how many threads share one product of few rows, which decides the panels' width.
  static Result<std::unique_ptr<PackedMatrix>> create(const LinearSource& source, ComputeType type, int num_threads);
  ~PackedMatrix() override;

  std::int64_t outputs() const override { return outputs_; }
  std::int64_t inputs() const override { return inputs_; }
  ComputeType type() const { return type_; }
  int num_panels() const { return static_cast<int>(panels_.size()); }
  int panel_width() const { return panel_width_; }
  /// Bytes of one row of inputs to multiply(): 1, 2 or 4 an element.
  std::int64_t input_row_bytes() const { return inputs_ * element_bytes_; }

  /// product[rows, panel_width()] = block [rows, inputs] times panel; int32 for int8, float32 otherwise. Columns beyond
  /// outputs() are zero. Both sides are contiguous, aligned to 64 bytes, and have room for kBlockRows rows, whose
  /// extra inputs are read and whose extra results are undefined. Any thread; `thread` is its index in the team.
  /// False when oneDNN fails, which it has no reason to; the product is then undefined.
  bool multiply(const void* block, int rows, int panel, void* product, int thread) const;

  /// Per output channel, [num_panels * panel_width]; zero beyond outputs().
  std::span<const float> scales() const { return scales_; }            ///< int8 only
  std::span<const float> column_sums() const { return column_sums_; }  ///< int8 only: of scale * q over inputs
  std::span<const float> bias() const { return bias_; }                ///< empty when there is none

 private:
  struct Layout;
  struct Panel;
  struct Kernel;
  PackedMatrix();

  void make_kernels(const Layout& layout, int num_threads);
  Status pack_panels(const LinearSource& source, const Layout& layout);
  void store_row(std::int64_t output, std::span<const float> values, std::byte* to);
  const Kernel& kernel(int rows) const;

  std::int64_t outputs_ = 0, inputs_ = 0;
  ComputeType type_ = ComputeType::kFloat32;
  int element_bytes_ = 4;
  int panel_width_ = 0;
  std::vector<float> scales_;
  std::vector<float> column_sums_;
  std::vector<float> bias_;
  std::vector<std::unique_ptr<Panel>> panels_;
  std::vector<std::unique_ptr<Kernel>> kernels_;  ///< one per class of rows, smallest first
};

}  // namespace stenod::compute::cpu
