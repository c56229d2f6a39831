#pragma once

#include <span>

#include "base/result.h"
#include "models/whisper_weights.h"

namespace stenod::whisper {

/// Heads whose attention is read at once. Models have 6 to 20 alignment heads; one that names none has hundreds.
inline constexpr int kMaxAlignmentHeads = 16;

/// What a runner was built for. Fixed for its lifetime: every buffer is planned from it once.
struct RunnerLimits {
  int num_slots = 16;           ///< windows whose keys and values it can hold
  int max_rows = 64;            ///< rows of one decoder step, all sequences together
  int max_group_frames = 3000;  ///< encoder frames of one group, all windows together; at least 1500
  int max_branches = 1;         ///< sequences that may grow in one slot; each slot's cache has room for them all
};

/// One window of audio to encode into a slot.
struct EncodeWindow {
  int slot;
  /// Normalised log-mel, row-major [2 * num_frames, num_mels].
  std::span<const float> features;
  int num_frames;  ///< encoder frames of 20 ms, at most 1500
};

/// One row of a decoder step: a token at a position of a slot's sequence, or of one of its branches. Rows of one slot
/// must be consecutive, within it those of one branch, with consecutive positions; keys and values of all earlier
/// positions must have been written by earlier steps. Writing at a position again replaces what was there, so a
/// sequence may go back, but not behind the last fork into several branches.
struct StepRow {
  int slot;
  int position;
  int token;
  bool wants_logits;
  int branch = 0;
};

/// Runs one Whisper model on one device: encodes windows and advances sequences, and keeps, for every slot, its
/// cross-attention keys and values, self-attention cache, and the alignment heads' queries of every position.
///
/// A slot starts as one sequence, branch 0. fork() lets it go on as several (the hypotheses of a beam), which share the
/// audio's keys and values, and among each other those of the positions that they have in common.
///
/// Used by one thread at a time (the engine's loop). Results for one slot do not depend, in any bit, on what else
/// is in a group or a step. No allocation after construction.
class Runner {
 public:
  virtual ~Runner() = default;

  virtual const models::WhisperDims& dims() const = 0;
  virtual const RunnerLimits& limits() const = 0;
  virtual int num_alignment_heads() const = 0;

  /// Fills the slots' cross-attention keys and values. Total frames at most limits().max_group_frames.
  virtual Status encode(std::span<const EncodeWindow> windows) = 0;

  /// Advances sequences. At most limits().max_rows rows.
  virtual Status step(std::span<const StepRow> rows) = 0;

  /// The slot goes on with parents.size() branches, of which number i continues what branch parents[i] holds; branches
  /// that nobody continues are gone. 1 to limits().max_branches + 1: one beyond those that grow may be kept for its
  /// alignment. No key, value or query is copied.
  virtual Status fork(int slot, std::span<const int> parents) = 0;

  /// Logits [vocab_size] of the last step's `index`-th row (an index into its `rows`), which must have asked for
  /// them. The caller may write to them. Valid until the next call of step().
  virtual std::span<float> logits(int row_index) = 0;

  /// Attention of alignment heads [first_head, first_head + num_heads) over the first `num_frames` encoder frames,
  /// soft-maxed over just those, for the tokens written at the first `num_positions` positions of a slot's branch:
  /// [num_heads, num_positions, num_frames]. At most kMaxAlignmentHeads at once. The caller may write to them. Valid
  /// until the next call.
  virtual Result<std::span<float>> alignment_weights(int slot, int branch, int first_head, int num_heads,
                                                     int num_positions, int num_frames) = 0;
};

}  // namespace stenod::whisper
