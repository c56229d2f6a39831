#include "whisper/backend_runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace stenod::whisper {
namespace {

using compute::AppendArgs;
using compute::kHeadSize;
using compute::StorageType;

Error invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

}  // namespace

Result<std::unique_ptr<BackendRunner>> BackendRunner::create(std::unique_ptr<compute::Backend> backend,
                                                             models::WhisperWeights weights, compute::ComputeType type,
                                                             const RunnerLimits& limits) {
  if (limits.num_slots < 1 || limits.max_branches < 1 || limits.max_rows < limits.num_slots ||
      limits.max_group_frames < weights.dims.max_encoder_frames) {
    return invalid(
        fmt::format("limits: {} slots, {} branches, {} rows, {} frames, expected at least 1 slot, 1 branch, a row a "
                    "slot, {} frames",
                    limits.num_slots, limits.max_branches, limits.max_rows, limits.max_group_frames,
                    weights.dims.max_encoder_frames));
  }
  std::unique_ptr<BackendRunner> runner(new BackendRunner(std::move(backend), limits));
  STENOD_ASSIGN_OR_RETURN(runner->model_, PackedModel::load(*runner->backend_, std::move(weights), type));
  runner->storage_ = type == compute::ComputeType::kFloat32 ? StorageType::kFloat32 : StorageType::kFloat16;
  runner->cross_storage_ = type == compute::ComputeType::kInt8 ? StorageType::kInt8 : runner->storage_;
  STENOD_RETURN_IF_ERROR(runner->plan_memory());
  return runner;
}

Status BackendRunner::plan_memory() {
  const auto& dims = model_.weights.dims;
  const auto d = static_cast<std::size_t>(dims.d_model);
  const auto slots = static_cast<std::size_t>(limits_.num_slots);
  const auto frames = static_cast<std::size_t>(limits_.max_group_frames);
  const auto rows = static_cast<std::size_t>(limits_.max_rows);
  const auto layers = static_cast<std::size_t>(dims.num_decoder_layers);
  const auto stored = static_cast<std::size_t>(compute::storage_bytes(storage_));
  const auto positions = static_cast<std::size_t>(dims.max_text_positions);
  const auto cells = static_cast<std::size_t>(cells_per_slot());
  const auto alignment_heads = model_.weights.generation.alignment_heads.size();
  // Two convolution inputs a frame, and a row of zeros at both ends of every window.
  const std::size_t padded_frames = 2 * frames + 2 * slots;

  const std::pair<Buffer&, std::size_t> plan[] = {
      {cross_cache_, slots * layers * cross_cache_bytes()},
      {self_cache_, slots * layers * 2 * d * cells * stored},
      {alignment_queries_, slots * alignment_heads * cells * kHeadSize * sizeof(float)},
      {frames_, padded_frames * static_cast<std::size_t>(dims.num_mels) * sizeof(float)},
      {convolved_, padded_frames * d * sizeof(float)},
      {encoder_rows_, frames * d * sizeof(float)},
      {encoder_qkv_, frames * 3 * d * sizeof(float)},
      {encoder_mixed_, frames * d * sizeof(float)},
      {rows_, rows * d * sizeof(float)},
      {qkv_, rows * 3 * d * sizeof(float)},
      {mixed_, rows * d * sizeof(float)},
      {query_, rows * d * sizeof(float)},
      {selected_, rows * d * sizeof(float)},
  };
  for (const auto& [buffer, bytes] : plan) {
    STENOD_ASSIGN_OR_RETURN(buffer, backend_->allocate(bytes));
  }
  STENOD_ASSIGN_OR_RETURN(logits_,
                          backend_->allocate_shared(rows * static_cast<std::size_t>(dims.vocab_size) * sizeof(float)));
  const std::size_t weights_of_a_head = positions * static_cast<std::size_t>(dims.max_encoder_frames) * sizeof(float);
  STENOD_ASSIGN_OR_RETURN(
      alignment_weights_,
      backend_->allocate_shared(std::min<std::size_t>(alignment_heads, kMaxAlignmentHeads) * weights_of_a_head));

  slots_.resize(slots);
  for (Slot& slot : slots_) slot.branches.resize(static_cast<std::size_t>(limits_.max_branches) + 1);
  forked_.resize(static_cast<std::size_t>(limits_.max_branches) + 1);
  for (Slot& slot : slots_) {
    for (Branch& branch : slot.branches) branch.cells.reserve(positions);
  }
  for (Branch& branch : forked_) branch.cells.reserve(positions);
  embedding_.resize(d);
  zeros_.assign(std::max(d, static_cast<std::size_t>(dims.num_mels)), 0.0f);
  position_.resize(d);
  encoder_windows_.reserve(slots);
  sequences_.reserve(rows);
  attention_.reserve(rows);
  cross_attention_.reserve(rows);
  appends_.reserve(std::max<std::size_t>(2, alignment_heads) * rows);
  logits_index_.reserve(rows);
  weight_heads_.reserve(kMaxAlignmentHeads);
  return {};
}

std::size_t BackendRunner::cross_cache_bytes() const {
  return backend_->cross_cache_bytes(cross_storage_, dims().num_heads, dims().max_encoder_frames);
}

compute::CrossCache BackendRunner::cross_cache(int slot, int layer) const {
  const auto index = static_cast<std::size_t>(slot) * static_cast<std::size_t>(dims().num_decoder_layers) +
                     static_cast<std::size_t>(layer);
  return {cross_cache_->as<std::byte>() + index * cross_cache_bytes(), cross_storage_, dims().num_heads,
          dims().max_encoder_frames};
}

std::byte* BackendRunner::self_cache(int slot, int layer, int value) const {
  const auto& dims = model_.weights.dims;
  const std::int64_t index = (static_cast<std::int64_t>(slot) * dims.num_decoder_layers + layer) * 2 + value;
  return self_cache_->as<std::byte>() + index * dims.d_model * cells_per_slot() * storage_bytes(storage_);
}

float* BackendRunner::alignment_queries(int slot, int head) const {
  const std::int64_t index = static_cast<std::int64_t>(slot) * num_alignment_heads() + head;
  return alignment_queries_->as<float>() + index * cells_per_slot() * kHeadSize;
}

void BackendRunner::add_product(const compute::PackedLinear& weights, const float* input, float* rows,
                                std::int64_t num_rows) {
  const std::int64_t d = dims().d_model;
  compute::LinearArgs args;
  args.input = {input, num_rows, d, d};
  args.weights = &weights;
  args.residual = rows;
  args.residual_stride = d;
  args.output = {rows, StorageType::kFloat32, d};
  backend_->linear(args);
}

// ---- encoder

Status BackendRunner::encode(std::span<const EncodeWindow> windows) {
  const auto& dims = model_.weights.dims;
  std::int64_t total_frames = 0;
  encoder_windows_.clear();
  if (windows.size() > static_cast<std::size_t>(limits_.num_slots)) return invalid("more windows than slots");
  for (const EncodeWindow& window : windows) {
    if (window.slot < 0 || window.slot >= limits_.num_slots) return invalid(fmt::format("no slot {}", window.slot));
    const std::size_t expected =
        2 * static_cast<std::size_t>(window.num_frames) * static_cast<std::size_t>(dims.num_mels);
    if (window.num_frames < 1 || window.num_frames > dims.max_encoder_frames || window.features.size() != expected) {
      return invalid(fmt::format("a window of {} frames with {} features", window.num_frames, window.features.size()));
    }
    encoder_windows_.push_back({total_frames, window.num_frames});
    total_frames += window.num_frames;
  }
  if (total_frames > limits_.max_group_frames) {
    return invalid(fmt::format("{} frames in a group, at most {}", total_frames, limits_.max_group_frames));
  }

  embed_windows(windows);
  encode_layers(total_frames);

  // Every decoder layer's keys and values of the audio, straight into the slots.
  const std::int64_t d = dims.d_model;
  for (std::size_t w = 0; w < windows.size(); ++w) {
    const int slot = windows[w].slot;
    for (int layer = 0; layer < dims.num_decoder_layers; ++layer) {
      const float* const rows = encoder_mixed_->as<float>() + encoder_windows_[w].first_row * d;
      backend_->fill_cross_cache({{rows, windows[w].num_frames, d, d},
                                  model_.decoder_layers[static_cast<std::size_t>(layer)].cross_key_value.get(),
                                  cross_cache(slot, layer)});
    }
    Slot& held = slot_at(slot);
    held.num_frames = windows[w].num_frames;
    held.num_cells = 0;
    held.num_branches = 1;
    held.branches.front().cells.clear();
    held.branches.front().num_shared = 0;
  }
  encoded_frames_ = total_frames;
  return backend_->synchronize();
}

void BackendRunner::embed_windows(std::span<const EncodeWindow> windows) {
  const std::int64_t mels = dims().num_mels, d = dims().d_model;
  float* frames = frames_->as<float>();
  float* convolved = convolved_->as<float>();
  for (std::size_t w = 0; w < windows.size(); ++w) {
    const std::int64_t count = 2 * static_cast<std::int64_t>(windows[w].num_frames);
    const auto mel_bytes = static_cast<std::size_t>(mels) * sizeof(float);
    backend_->upload(frames, zeros_.data(), mel_bytes);
    backend_->upload(frames + mels, windows[w].features.data(), windows[w].features.size_bytes());
    backend_->upload(frames + (count + 1) * mels, zeros_.data(), mel_bytes);
    backend_->upload(convolved, zeros_.data(), static_cast<std::size_t>(d) * sizeof(float));

    compute::LinearArgs first;
    first.input = {frames, count, 3 * mels, mels};
    first.weights = model_.conv1.get();
    first.activation = compute::Activation::kGelu;
    first.output = {convolved + d, StorageType::kFloat32, d};
    backend_->linear(first);

    compute::LinearArgs second;
    second.input = {convolved, windows[w].num_frames, 3 * d, 2 * d};
    second.weights = model_.conv2.get();
    second.activation = compute::Activation::kGelu;
    second.residual = model_.encoder_positions;
    second.residual_stride = d;
    second.output = {encoder_rows_->as<float>() + encoder_windows_[w].first_row * d, StorageType::kFloat32, d};
    backend_->linear(second);

    frames += (count + 2) * mels;
    convolved += (count + 2) * d;
  }
}

void BackendRunner::encode_layers(std::int64_t total_frames) {
  const std::int64_t d = dims().d_model;
  float* const rows = encoder_rows_->as<float>();
  float* const mixed = encoder_mixed_->as<float>();
  for (const PackedModel::EncoderLayer& layer : model_.encoder_layers) {
    compute::LinearArgs qkv;
    qkv.input = {rows, total_frames, d, d};
    qkv.norm = &layer.self_attention_norm;
    qkv.weights = layer.qkv.get();
    qkv.output = {encoder_qkv_->data(), StorageType::kFloat32, kHeadSize, total_frames * kHeadSize};
    backend_->linear(qkv);

    compute::EncoderAttentionArgs attention;
    attention.qkv = encoder_qkv_->as<float>();
    attention.total_rows = total_frames;
    attention.num_heads = dims().num_heads;
    attention.windows = encoder_windows_;
    attention.output = mixed;
    attention.reduced_precision = storage_ != StorageType::kFloat32;
    backend_->encoder_attention(attention);

    add_product(*layer.self_attention_output, mixed, rows, total_frames);

    backend_->mlp({rows, total_frames, layer.mlp_norm, layer.mlp_up.get(), layer.mlp_down.get()});
  }
  backend_->layer_norm({rows, total_frames, d, d}, model_.encoder_norm, mixed);
}

std::vector<float> BackendRunner::encoder_output() const {
  std::vector<float> host(static_cast<std::size_t>(encoded_frames_ * dims().d_model));
  backend_->download(host.data(), encoder_mixed_->data(), host.size() * sizeof(float));
  return host;
}

// ---- decoder

Status BackendRunner::check_step(std::span<const StepRow> rows) {
  if (rows.size() > static_cast<std::size_t>(limits_.max_rows)) {
    return invalid(fmt::format("{} rows in a step, at most {}", rows.size(), limits_.max_rows));
  }
  sequences_.clear();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const StepRow& row = rows[i];
    if (row.slot < 0 || row.slot >= limits_.num_slots || slot_at(row.slot).num_frames == 0) {
      return invalid(fmt::format("slot {} holds no audio", row.slot));
    }
    if (row.token < 0 || row.token >= dims().vocab_size) return invalid(fmt::format("no token {}", row.token));
    if (row.position < 0 || row.position >= dims().max_text_positions) {
      return invalid(fmt::format("no position {}", row.position));
    }
    if (!sequences_.empty() && sequences_.back().slot == row.slot && sequences_.back().branch == row.branch) {
      Sequence& sequence = sequences_.back();
      if (row.position != sequence.first_position + sequence.num_rows) {
        return invalid(fmt::format("slot {}: position {} out of turn", row.slot, row.position));
      }
      ++sequence.num_rows;
      continue;
    }
    STENOD_RETURN_IF_ERROR(check_new_sequence(row));
    sequences_.push_back({row.slot, row.branch, static_cast<int>(i), 1, row.position});
  }
  return {};
}

Status BackendRunner::check_new_sequence(const StepRow& row) {
  const Slot& slot = slot_at(row.slot);
  if (row.branch < 0 || row.branch >= slot.num_branches) {
    return invalid(fmt::format("slot {}: no branch {}", row.slot, row.branch));
  }
  const Branch& branch = slot.branches[static_cast<std::size_t>(row.branch)];
  if (row.position < branch.num_shared || row.position > static_cast<int>(branch.cells.size())) {
    return invalid(fmt::format("slot {}, branch {}: position {} is not one of {} to {}", row.slot, row.branch,
                               row.position, branch.num_shared, branch.cells.size()));
  }
  for (const Sequence& other : sequences_) {
    if (other.slot != row.slot) continue;
    if (other.branch == row.branch || sequences_.back().slot != row.slot) {
      return invalid(fmt::format("slot {}: rows are not consecutive", row.slot));
    }
  }
  return {};
}

// Gives each row the cell that its keys and values go to. Cells are handed out one after another, which keeps those of
// a lone sequence in order; what dead branches have used is free again when only one is left.
Status BackendRunner::take_cells() {
  for (const Sequence& sequence : sequences_) {
    Slot& slot = slot_at(sequence.slot);
    Branch& branch = branch_of(sequence);
    branch.cells.resize(static_cast<std::size_t>(sequence.first_position));
    if (slot.num_branches == 1) {
      slot.num_cells = branch.cells.empty() ? 0 : *std::max_element(branch.cells.begin(), branch.cells.end()) + 1;
    }
    // Never with rows that only go on; going back in several branches leaves cells behind.
    if (slot.num_cells + sequence.num_rows > cells_per_slot()) {
      return Error{ErrorCode::kInternal,
                   fmt::format("slot {}: its {} cells are used up", sequence.slot, slot.num_cells)};
    }
    for (int r = 0; r < sequence.num_rows; ++r) branch.cells.push_back(slot.num_cells++);
  }
  return {};
}

Status BackendRunner::fork(int slot_index, std::span<const int> parents) {
  if (slot_index < 0 || slot_index >= limits_.num_slots || parents.empty() ||
      parents.size() > static_cast<std::size_t>(limits_.max_branches) + 1) {
    return invalid(fmt::format("slot {}: no fork into {} branches", slot_index, parents.size()));
  }
  Slot& slot = slot_at(slot_index);
  for (std::size_t i = 0; i < parents.size(); ++i) {
    if (parents[i] < 0 || parents[i] >= slot.num_branches) {
      return invalid(fmt::format("slot {}: no branch {} to continue", slot_index, parents[i]));
    }
    const Branch& parent = slot.branches[static_cast<std::size_t>(parents[i])];
    forked_[i].cells.assign(parent.cells.begin(), parent.cells.end());
    forked_[i].num_shared = parents.size() == 1 ? 0 : static_cast<int>(parent.cells.size());
  }
  slot.num_branches = static_cast<int>(parents.size());
  for (std::size_t i = 0; i < parents.size(); ++i) std::swap(slot.branches[i], forked_[i]);
  return {};
}

Status BackendRunner::step(std::span<const StepRow> rows) {
  STENOD_RETURN_IF_ERROR(check_step(rows));
  STENOD_RETURN_IF_ERROR(take_cells());
  const auto& dims = model_.weights.dims;
  const auto num_rows = static_cast<int>(rows.size());
  const auto d = static_cast<std::size_t>(dims.d_model);

  for (std::size_t i = 0; i < rows.size(); ++i) {
    model_.read_token_embedding(rows[i].token, embedding_);
    model_.read_decoder_position(rows[i].position, position_);
    for (std::size_t k = 0; k < d; ++k) embedding_[k] += position_[k];
    backend_->upload(rows_->as<float>() + i * d, embedding_.data(), d * sizeof(float));
  }
  for (int i = 0; i < dims.num_decoder_layers; ++i) {
    const PackedModel::DecoderLayer& layer = model_.decoder_layers[static_cast<std::size_t>(i)];
    self_attention(layer, i, num_rows);
    cross_attention(layer, i, num_rows);
    backend_->mlp({rows_->as<float>(), num_rows, layer.mlp_norm, layer.mlp_up.get(), layer.mlp_down.get()});
  }
  compute_logits(rows);
  return backend_->synchronize();
}

void BackendRunner::self_attention(const PackedModel::DecoderLayer& layer, int layer_index, int num_rows) {
  const std::int64_t d = dims().d_model;
  const std::int64_t head_stride = static_cast<std::int64_t>(cells_per_slot()) * kHeadSize;
  float* const rows = rows_->as<float>();
  float* const qkv = qkv_->as<float>();

  compute::LinearArgs project;
  project.input = {rows, num_rows, d, d};
  project.norm = &layer.self_attention_norm;
  project.weights = layer.qkv.get();
  project.output = {qkv, StorageType::kFloat32, 3 * d};
  backend_->linear(project);

  appends_.clear();
  attention_.clear();
  for (const Sequence& sequence : sequences_) {
    std::byte* const caches[] = {self_cache(sequence.slot, layer_index, 0), self_cache(sequence.slot, layer_index, 1)};
    const std::int32_t* const cells = branch_of(sequence).cells.data();
    for (int r = 0; r < sequence.num_rows; ++r) {
      const std::int64_t offset =
          static_cast<std::int64_t>(cells[sequence.first_position + r]) * kHeadSize * storage_bytes(storage_);
      for (int value = 0; value < 2; ++value) {
        appends_.push_back({qkv + (sequence.first_row + r) * 3 * d + (1 + value) * d, caches[value] + offset,
                            head_stride, dims().num_heads, storage_});
      }
    }
    attention_.push_back(
        {sequence.first_row, sequence.num_rows, caches[0], caches[1], head_stride, sequence.first_position + 1, cells});
  }
  backend_->append(appends_);

  compute::CachedAttentionArgs attend;
  attend.queries = {qkv, num_rows, d, 3 * d};
  attend.num_heads = dims().num_heads;
  attend.storage = storage_;
  attend.sequences = attention_;
  attend.output = mixed_->as<float>();
  backend_->cached_attention(attend);
  add_product(*layer.self_attention_output, mixed_->as<float>(), rows, num_rows);
}

void BackendRunner::cross_attention(const PackedModel::DecoderLayer& layer, int layer_index, int num_rows) {
  const std::int64_t d = dims().d_model;
  float* const rows = rows_->as<float>();
  float* const query = query_->as<float>();

  compute::LinearArgs project;
  project.input = {rows, num_rows, d, d};
  project.norm = &layer.cross_attention_norm;
  project.weights = layer.cross_query.get();
  project.output = {query, StorageType::kFloat32, d};
  backend_->linear(project);

  // Alignment heads' queries are kept: word times then need no second pass.
  appends_.clear();
  for (int h = 0; h < num_alignment_heads(); ++h) {
    const auto [head_layer, head] = model_.weights.generation.alignment_heads[static_cast<std::size_t>(h)];
    if (head_layer != layer_index) continue;
    for (const Sequence& sequence : sequences_) {
      for (int r = 0; r < sequence.num_rows; ++r) {
        const std::int64_t cell = branch_of(sequence).cells[static_cast<std::size_t>(sequence.first_position + r)];
        appends_.push_back({query + (sequence.first_row + r) * d + head * kHeadSize,
                            alignment_queries(sequence.slot, h) + cell * kHeadSize, kHeadSize, 1,
                            StorageType::kFloat32});
      }
    }
  }
  backend_->append(appends_);

  // To the audio, all branches of a slot are rows of one sequence.
  cross_attention_.clear();
  int slot = -1;
  for (const Sequence& sequence : sequences_) {
    if (sequence.slot == std::exchange(slot, sequence.slot)) {
      cross_attention_.back().num_rows += sequence.num_rows;
      continue;
    }
    cross_attention_.push_back(
        {sequence.first_row, sequence.num_rows, cross_cache(slot, layer_index), slot_at(slot).num_frames});
  }
  backend_->cross_attention({{query, num_rows, d, d}, cross_attention_, mixed_->as<float>()});
  add_product(*layer.cross_output, mixed_->as<float>(), rows, num_rows);
}

void BackendRunner::compute_logits(std::span<const StepRow> rows) {
  const std::int64_t d = dims().d_model;
  logits_index_.assign(rows.size(), -1);
  appends_.clear();
  int count = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!rows[i].wants_logits) continue;
    logits_index_[i] = count;
    appends_.push_back({rows_->as<float>() + static_cast<std::int64_t>(i) * d, selected_->as<float>() + count * d,
                        kHeadSize, dims().num_heads, StorageType::kFloat32});
    ++count;
  }
  if (count == 0) return;
  backend_->append(appends_);
  compute::LinearArgs project;
  project.input = {selected_->as<float>(), count, d, d};
  project.norm = &model_.decoder_norm;
  project.weights = model_.token_logits.get();
  project.output = {logits_->data(), StorageType::kFloat32, dims().vocab_size};
  backend_->linear(project);
}

std::span<float> BackendRunner::logits(int row_index) {
  const int index = logits_index_.at(static_cast<std::size_t>(row_index));
  const auto vocabulary = static_cast<std::size_t>(dims().vocab_size);
  return {logits_->as<float>() + static_cast<std::size_t>(index) * vocabulary, vocabulary};
}

Result<std::span<float>> BackendRunner::alignment_weights(int slot, int branch, int first_head, int num_heads,
                                                          int num_positions, int num_frames) {
  const auto num_written = [&] {
    const bool exists = branch >= 0 && branch < slot_at(slot).num_branches;
    return exists ? static_cast<int>(slot_at(slot).branches[static_cast<std::size_t>(branch)].cells.size()) : 0;
  };
  if (slot < 0 || slot >= limits_.num_slots || first_head < 0 || num_heads < 1 || num_heads > kMaxAlignmentHeads ||
      first_head + num_heads > num_alignment_heads() || num_positions < 1 || num_positions > num_written() ||
      num_frames < 1 || num_frames > slot_at(slot).num_frames) {
    return invalid(fmt::format("no alignment of slot {}, branch {}, heads {} + {}, {} positions, {} frames", slot,
                               branch, first_head, num_heads, num_positions, num_frames));
  }
  const std::int32_t* const cells = slot_at(slot).branches[static_cast<std::size_t>(branch)].cells.data();
  const std::size_t head_size = static_cast<std::size_t>(num_positions) * static_cast<std::size_t>(num_frames);
  float* to = alignment_weights_->as<float>();
  weight_heads_.clear();
  for (int h = first_head; h < first_head + num_heads; ++h, to += head_size) {
    const auto [layer, head] = model_.weights.generation.alignment_heads[static_cast<std::size_t>(h)];
    weight_heads_.push_back({{alignment_queries(slot, h), num_positions, kHeadSize, kHeadSize},
                             cells,
                             cross_cache(slot, layer),
                             head,
                             num_frames,
                             to});
  }
  backend_->cross_weights(weight_heads_);
  STENOD_RETURN_IF_ERROR(backend_->synchronize());
  return std::span(alignment_weights_->as<float>(), static_cast<std::size_t>(num_heads) * head_size);
}

}  // namespace stenod::whisper
