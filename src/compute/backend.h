#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "compute/types.h"

namespace stenod::compute {

/// A weight matrix [outputs, inputs] with its bias, on a device and packed for its products.
class PackedLinear {
 public:
  virtual ~PackedLinear() = default;
  virtual std::int64_t outputs() const = 0;
  virtual std::int64_t inputs() const = 0;
};

/// Where a weight matrix comes from; read row by row, so that no float32 copy of the whole is ever needed.
struct LinearSource {
  std::int64_t outputs = 0;
  std::int64_t inputs = 0;
  /// Writes row `row`'s `inputs` values. May be called from any thread.
  std::function<void(std::int64_t row, std::span<float> values)> read_row;
  std::span<const float> bias = {};  ///< [outputs], or empty
};

enum class Activation { kNone, kGelu };  ///< GELU with erf, as Whisper was trained

/// output = activation(norm(input) W^T + bias) + residual
struct LinearArgs {
  ConstRows input;
  const LayerNorm* norm = nullptr;
  const PackedLinear* weights = nullptr;
  Activation activation = Activation::kNone;
  /// [rows, outputs], stride as given; may be the output itself. Absent: null.
  const float* residual = nullptr;
  std::int64_t residual_stride = 0;
  OutputRows output;
};

/// x = x + W_down gelu(W_up norm(x)), in place.
struct MlpArgs {
  float* rows = nullptr;  ///< [num_rows, d], contiguous
  std::int64_t num_rows = 0;
  LayerNorm norm;
  const PackedLinear* up = nullptr;
  const PackedLinear* down = nullptr;
};

/// A stretch of consecutive rows that attend to each other.
struct AttentionWindow {
  std::int64_t first_row = 0;
  std::int64_t num_rows = 0;
};

/// Softmax(Q K^T / 8) V within each window, not causal: the encoder's attention.
/// `qkv` is stored head by head: 3 * num_heads blocks of [total_rows, 64] (all heads' queries, then keys, then
/// values). `output` is [total_rows, num_heads * 64], contiguous; rows outside of every window are left alone.
struct EncoderAttentionArgs {
  const float* qkv = nullptr;
  std::int64_t total_rows = 0;
  int num_heads = 0;
  std::span<const AttentionWindow> windows;
  float* output = nullptr;
  /// Queries, keys, values and weights may be rounded to bfloat16 where that is faster; sums stay float32.
  bool reduced_precision = false;
};

/// Rows of one sequence attending to the keys and values of its own positions, all heads. A key and its value lie in a
/// cell of a head's storage: which one of the sequence's keys lies where is said by `cells`, so that sequences with a
/// common beginning share its cells.
struct CachedAttention {
  std::int64_t first_row = 0;  ///< the sequence's first row in `queries` and `output`
  std::int64_t num_rows = 0;
  const void* keys = nullptr;  ///< [num_heads][head_stride / 64, 64] of the storage type
  const void* values = nullptr;
  std::int64_t head_stride = 0;  ///< elements from one head to the next
  std::int64_t num_keys = 0;     ///< that the first row attends to; each further row attends to one more
  /// Host memory: the cell of each key that a row attends to. Null: key i lies in cell i.
  const std::int32_t* cells = nullptr;
};

/// Softmax(q K^T / 8) V for several sequences: the decoder's attention to itself.
struct CachedAttentionArgs {
  ConstRows queries;  ///< [rows, num_heads * 64]
  int num_heads = 0;
  StorageType storage = StorageType::kFloat32;  ///< not kInt8
  std::span<const CachedAttention> sequences;
  float* output = nullptr;  ///< [rows, num_heads * 64], contiguous
};

/// Keys and values of a window's audio for one layer of the decoder, all heads. Written once and read at every step of
/// every hypothesis, so how they lie is the device's own affair.
struct CrossCache {
  void* data = nullptr;  ///< Backend::cross_cache_bytes(), aligned to 64 bytes
  StorageType storage = StorageType::kFloat32;
  int num_heads = 0;
  std::int64_t capacity = 0;  ///< frames that it has room for
};

/// The keys and values of rows [0, input.rows) of a window.
struct FillCrossCacheArgs {
  ConstRows input;
  const PackedLinear* weights = nullptr;  ///< [2 * num_heads * 64, inputs]: all heads' keys, then all heads' values
  CrossCache cache;
};

/// Rows of one window, of one or several hypotheses, that attend to its audio.
struct CrossAttention {
  std::int64_t first_row = 0;  ///< in `queries` and `output`
  std::int64_t num_rows = 0;
  CrossCache cache;
  std::int64_t num_keys = 0;
};

/// Softmax(q K^T / 8) V for several windows: the decoder's attention to the audio.
struct CrossAttentionArgs {
  ConstRows queries;                          ///< [rows, num_heads * 64]
  std::span<const CrossAttention> sequences;  ///< whose caches have the same heads and storage
  float* output = nullptr;                    ///< [rows, num_heads * 64], contiguous
};

/// weights = softmax(q K^T / 8) of one head: what attention to the audio weighs its values with.
struct CrossWeightsArgs {
  ConstRows queries;  ///< [rows, 64]
  /// Host memory: the row of `queries` that is row i of the weights, for all `queries.rows`. Null: row i itself.
  const std::int32_t* query_rows = nullptr;
  CrossCache cache;
  int head = 0;
  std::int64_t num_keys = 0;
  float* weights = nullptr;  ///< [rows, num_keys], contiguous
};

/// Copies new keys and values of one row to its place in a sequence's cache.
struct AppendArgs {
  const float* row = nullptr;    ///< [num_heads * 64]
  void* cache = nullptr;         ///< the place of head 0's vector
  std::int64_t head_stride = 0;  ///< elements from one head to the next
  int num_heads = 0;
  StorageType storage = StorageType::kFloat32;  ///< not kInt8
};

/// Operations on one device. They run in the order in which they are called; what they write can be read by the next
/// operation at once, and by the host after synchronize(). On the CPU every call returns when it is done; a device
/// with its own queue only enqueues. Pointers in arguments are memory from allocate() or allocate_shared() unless said
/// otherwise.
///
/// Preconditions (sizes, strides) are the caller's duty. Should an operation fail all the same (a library's or a
/// driver's fault), synchronize() says so. Results of a row do not depend, in any bit, on the number of rows or on the
/// other rows. One thread at a time.
class Backend {
 public:
  virtual ~Backend() = default;

  virtual std::string name() const = 0;

  /// Zeroed device memory, aligned to 64 bytes, freed with the backend's Buffer. Error: kOutOfMemory.
  class Buffer {
   public:
    virtual ~Buffer() = default;
    void* data() const { return data_; }
    template <typename T>
    T* as() const {
      return static_cast<T*>(data_);
    }

   protected:
    explicit Buffer(void* data) : data_(data) {}

   private:
    void* data_;
  };
  virtual Result<std::unique_ptr<Buffer>> allocate(std::size_t bytes) = 0;
  /// The same for what the host reads in place after synchronize(): pinned memory where a device has its own.
  virtual Result<std::unique_ptr<Buffer>> allocate_shared(std::size_t bytes) = 0;
  virtual void upload(void* device, const void* host, std::size_t bytes) = 0;
  virtual void download(void* host, const void* device, std::size_t bytes) = 0;
  /// Waits for all operations. kInternal when one has failed since the last call; what they wrote is then of no use.
  virtual Status synchronize() = 0;

  /// Converts and packs a weight matrix.
  /// Errors: kNotSupported (type on this machine), kOutOfMemory, kInvalidArgument (a value that is not finite).
  virtual Result<std::unique_ptr<PackedLinear>> pack(const LinearSource& source, ComputeType type) = 0;

  virtual void linear(const LinearArgs& args) = 0;
  virtual void mlp(const MlpArgs& args) = 0;
  virtual void layer_norm(ConstRows input, const LayerNorm& norm, float* output) = 0;  ///< output contiguous
  virtual void encoder_attention(const EncoderAttentionArgs& args) = 0;
  virtual void append(std::span<const AppendArgs> rows) = 0;
  virtual void cached_attention(const CachedAttentionArgs& args) = 0;

  virtual std::size_t cross_cache_bytes(StorageType storage, int num_heads, std::int64_t capacity) const = 0;
  virtual void fill_cross_cache(const FillCrossCacheArgs& args) = 0;
  virtual void cross_attention(const CrossAttentionArgs& args) = 0;
  virtual void cross_weights(std::span<const CrossWeightsArgs> heads) = 0;
};

}  // namespace stenod::compute
