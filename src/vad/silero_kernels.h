#pragma once

#include <cstddef>
#include <span>
#include <vector>

// The arithmetic of Silero VAD for the best instruction set of the machine (AVX-512, AVX2, or plain C++), chosen at run
// time. Every output is one chain of operations in a fixed order that depends on neither the number of rows nor the
// position of its row, so results don't depend on what else is computed in the same call.
namespace stenod::vad {

/// A matrix [rows k][columns n], stored as panels of 16 columns: [n / 16 rounded up][k][16], missing columns zero.
class PackedMatrix {
 public:
  static constexpr std::size_t kPanel = 16;

  PackedMatrix() = default;
  /// From the row-major transpose [n][k], the layout of weights in files.
  PackedMatrix(std::span<const float> transposed, std::size_t num_rows, std::size_t num_columns);

  std::size_t num_rows() const { return num_rows_; }
  std::size_t num_panels() const { return num_panels_; }
  /// Columns stored, a multiple of kPanel.
  std::size_t padded_columns() const { return num_panels_ * kPanel; }
  const float* panels() const { return lines_.front().values; }

 private:
  struct alignas(64) Line {
    float values[kPanel] = {};
  };
  std::size_t num_rows_ = 0;
  std::size_t num_panels_ = 0;
  std::vector<Line> lines_;
};

/// y = init + x * w[first_k, first_k + num_k), optionally through ReLU; y and init have w.padded_columns() columns.
struct Product {
  std::size_t num_rows;
  const float* x;
  std::size_t x_stride;
  const PackedMatrix& w;
  std::size_t first_k;
  std::size_t num_k;
  const float* init;        ///< may be y
  std::size_t init_stride;  ///< 0: the same row, a bias, for every row
  float* y;
  std::size_t y_stride;
  bool relu;
};
void multiply(const Product& product);

/// Copies samples, limited to ±kMaxSample, with NaN as 0: whatever comes in, all that follows is finite.
/// `count` is a multiple of 16.
inline constexpr float kMaxSample = 64.0F;
void copy_samples(const float* from, std::size_t count, float* to);

/// out[b] = sqrt(spectrum[b]^2 + spectrum[num_bins + b]^2).
void magnitudes(const float* spectrum, std::size_t num_bins, float* out);

/// One step of an LSTM cell. `gates`: pre-activations [4][size] in the order input, forget, cell, output. `h`, `c`:
/// state [size], updated. Returns sigmoid(bias + sum(relu(h) * output_weights)). `size` is a multiple of 16.
float lstm_step(const float* gates, std::size_t size, const float* output_weights, float output_bias, float* h,
                float* c);

}  // namespace stenod::vad
