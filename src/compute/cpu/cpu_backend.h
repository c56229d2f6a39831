#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "compute/backend.h"
#include "compute/isa.h"
#include "compute/thread_team.h"

namespace stenod::compute::cpu {

class PackedMatrix;
struct QuantisedRow;

/// Operations on a group of cores: products by oneDNN (product.h), everything else by Highway (kernels.h), spread over
/// a team of our own threads.
///
/// Everything local to a row (layer norm, quantisation, product, GELU, residual) is done block by block of 64 rows
/// while the block is in the core's own cache; threads meet only where rows do, at attention.
class CpuBackend final : public Backend {
 public:
  /// `max_isa` holds the whole process (see limit_isa). Errors: kNotSupported, kInvalidArgument.
  static Result<std::unique_ptr<CpuBackend>> create(int num_threads, Isa max_isa);
  ~CpuBackend() override;

  Isa isa() const { return isa_; }
  int num_threads() const { return team_.num_threads(); }

  std::string name() const override;
  Result<std::unique_ptr<Buffer>> allocate(std::size_t bytes) override;
  Result<std::unique_ptr<Buffer>> allocate_shared(std::size_t bytes) override { return allocate(bytes); }
  void upload(void* device, const void* host, std::size_t bytes) override;
  void download(void* host, const void* device, std::size_t bytes) override;
  Status synchronize() override;
  Result<std::unique_ptr<PackedLinear>> pack(const LinearSource& source, ComputeType type) override;
  void linear(const LinearArgs& args) override;
  void mlp(const MlpArgs& args) override;
  void layer_norm(ConstRows input, const LayerNorm& norm, float* output) override;
  void encoder_attention(const EncoderAttentionArgs& args) override;
  void append(std::span<const AppendArgs> rows) override;
  void cached_attention(const CachedAttentionArgs& args) override;
  std::size_t cross_cache_bytes(StorageType storage, int num_heads, std::int64_t capacity) const override;
  void fill_cross_cache(const FillCrossCacheArgs& args) override;
  void cross_attention(const CrossAttentionArgs& args) override;
  void cross_weights(std::span<const CrossWeightsArgs> heads) override;

 private:
  struct Scratch;

  CpuBackend(int num_threads, Isa isa);

  /// Rows of inputs in the form that products of `weights` take, normalised first if asked.
  void prepare_block(ConstRows rows, const LayerNorm* norm, const PackedMatrix& weights, Scratch& scratch) const;
  /// Panels [first, last) of the product of the prepared block, stored.
  void multiply_block(const LinearArgs& args, std::int64_t first_row, int num_rows, int first_panel, int last_panel,
                      Scratch& scratch, int thread) const;
  /// Calls body(first_row, rows, first_panel, last_panel, scratch, thread) for blocks of rows, and of panels where
  /// there are few rows, in the form that products take.
  template <typename Body>
  void for_blocks(ConstRows input, const LayerNorm* norm, const PackedMatrix& weights, const Body& body);
  void mlp_block(const MlpArgs& args, std::int64_t first_row, Scratch& scratch, int thread) const;

  Isa isa_;
  int max_quantised_;  ///< largest 8-bit input that products sum exactly
  ThreadTeam team_;
  std::vector<std::unique_ptr<Scratch>> scratch_;  ///< one a thread
  std::unique_ptr<Buffer> hidden_;                 ///< of mlp() with few rows
  std::int64_t hidden_columns_ = 0;
  mutable std::atomic<bool> product_failed_ = false;  ///< since the last synchronize()
};

inline constexpr int kMaxThreads = 256;

/// The default number of threads: the cores that this process may run on, as the system counts them.
int default_num_threads();

}  // namespace stenod::compute::cpu
