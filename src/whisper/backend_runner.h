#pragma once

#include <memory>
#include <vector>

#include "compute/backend.h"
#include "whisper/packed_model.h"
#include "whisper/runner.h"

namespace stenod::whisper {

/// Runner on a compute backend: the encoder and the decoder's step as sequences of its operations.
///
/// Whisper's architecture is that of "Robust Speech Recognition via Large-Scale Weak Supervision" (arXiv 2212.04356):
/// a pre-norm transformer encoder behind two convolutions, and a pre-norm decoder with cross-attention.
class BackendRunner final : public Runner {
 public:
  /// Packs the weights and plans all memory. Errors: those of PackedModel::load, kInvalidArgument (limits),
  /// kOutOfMemory.
  static Result<std::unique_ptr<BackendRunner>> create(std::unique_ptr<compute::Backend> backend,
                                                       models::WhisperWeights weights, compute::ComputeType type,
                                                       const RunnerLimits& limits);

  const models::WhisperDims& dims() const override { return model_.weights.dims; }
  const RunnerLimits& limits() const override { return limits_; }
  int num_alignment_heads() const override {
    return static_cast<int>(model_.weights.generation.alignment_heads.size());
  }

  Status encode(std::span<const EncodeWindow> windows) override;
  Status step(std::span<const StepRow> rows) override;
  Status fork(int slot, std::span<const int> parents) override;
  std::span<float> logits(int row_index) override;
  Result<std::span<float>> alignment_weights(int slot, int branch, int first_head, int num_heads, int num_positions,
                                             int num_frames) override;

  /// The last group's encoder output, [frames, d_model] of its windows one after another, copied to the host. For
  /// comparisons with other implementations.
  std::vector<float> encoder_output() const;

  const compute::Backend& backend() const { return *backend_; }

 private:
  using Buffer = std::unique_ptr<compute::Backend::Buffer>;

  /// A sequence that grows in a slot: which cell of the slot holds each of its positions.
  struct Branch {
    std::vector<std::int32_t> cells;
    int num_shared = 0;  ///< the first so many cells may belong to other branches too
  };
  struct Slot {
    int num_frames = 0;  ///< encoder frames held; 0: never encoded
    int num_cells = 0;   ///< in use, the first ones
    int num_branches = 1;
    std::vector<Branch> branches;  ///< as many as there may be
  };
  /// Rows of one branch in a step.
  struct Sequence {
    int slot;
    int branch;
    int first_row;
    int num_rows;
    int first_position;
  };

  BackendRunner(std::unique_ptr<compute::Backend> backend, const RunnerLimits& limits)
      : backend_(std::move(backend)), limits_(limits) {}

  Status plan_memory();
  /// rows += input W^T + b, all [num_rows, d_model].
  void add_product(const compute::PackedLinear& weights, const float* input, float* rows, std::int64_t num_rows);
  void embed_windows(std::span<const EncodeWindow> windows);
  void encode_layers(std::int64_t total_frames);
  Slot& slot_at(int slot) { return slots_[static_cast<std::size_t>(slot)]; }
  Branch& branch_of(const Sequence& sequence) {
    return slot_at(sequence.slot).branches[static_cast<std::size_t>(sequence.branch)];
  }
  int cells_per_slot() const { return limits_.max_branches * dims().max_text_positions; }
  Status check_step(std::span<const StepRow> rows);
  Status check_new_sequence(const StepRow& row);
  Status take_cells();
  void self_attention(const PackedModel::DecoderLayer& layer, int layer_index, int num_rows);
  void cross_attention(const PackedModel::DecoderLayer& layer, int layer_index, int num_rows);
  void compute_logits(std::span<const StepRow> rows);

  std::size_t cross_cache_bytes() const;  ///< of a slot's layer
  compute::CrossCache cross_cache(int slot, int layer) const;
  /// Where one slot's keys or values of one layer start, all heads: [num_heads][cells, 64].
  std::byte* self_cache(int slot, int layer, int value) const;
  float* alignment_queries(int slot, int head) const;  ///< [cells, 64]

  std::unique_ptr<compute::Backend> backend_;
  RunnerLimits limits_;
  PackedModel model_;
  compute::StorageType storage_ = compute::StorageType::kFloat16;     ///< of self-attention's keys and values
  compute::StorageType cross_storage_ = compute::StorageType::kInt8;  ///< of the audio's

  // Per slot.
  Buffer cross_cache_, self_cache_, alignment_queries_;
  std::vector<Slot> slots_;
  std::vector<Branch> forked_;  ///< fork()'s scratch

  // The encoder's work space. `frames_` and `convolved_` have a row of zeros before and after each window.
  Buffer frames_, convolved_, encoder_rows_, encoder_qkv_, encoder_mixed_;
  std::vector<compute::AttentionWindow> encoder_windows_;
  std::int64_t encoded_frames_ = 0;

  // A decoder step's work space.
  Buffer rows_, qkv_, mixed_, query_, selected_;
  Buffer logits_, alignment_weights_;  ///< shared with the host
  std::vector<float> embedding_, position_;
  std::vector<float> zeros_;  ///< as long as a row of features or of activations
  std::vector<Sequence> sequences_;
  std::vector<compute::CachedAttention> attention_;
  std::vector<compute::CrossAttention> cross_attention_;
  std::vector<compute::AppendArgs> appends_;
  std::vector<compute::CrossWeightsArgs> weight_heads_;
  std::vector<int> logits_index_;  ///< per row of the last step; -1: not asked for
};

}  // namespace stenod::whisper
