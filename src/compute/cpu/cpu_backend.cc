#include "compute/cpu/cpu_backend.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/mman.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <thread>

#include "compute/cpu/attention_bf16.h"
#include "compute/cpu/cross_attention.h"
#include "compute/cpu/kernels.h"
#include "compute/cpu/product.h"

namespace stenod::compute::cpu {
namespace {

constexpr std::int64_t kMaxKeys = 1504;
constexpr std::int64_t kWeightsStride = kMaxKeys + 16;

/// Pages straight from the kernel: zeroed, and taken only when first touched, so that slots that only ever see short
/// windows cost little.
class CpuBuffer final : public Backend::Buffer {
 public:
  CpuBuffer(void* data, std::size_t bytes) : Buffer(data), bytes_(bytes) {}
  CpuBuffer(const CpuBuffer&) = delete;
  CpuBuffer& operator=(const CpuBuffer&) = delete;
  ~CpuBuffer() override { munmap(data(), bytes_); }

  static std::unique_ptr<CpuBuffer> allocate(std::size_t bytes) {
    bytes = std::max<std::size_t>(bytes, 1);
    void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) return nullptr;
    return std::make_unique<CpuBuffer>(data, bytes);
  }

 private:
  std::size_t bytes_;
};

std::int64_t ceil_divide(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

const PackedMatrix& packed(const PackedLinear* weights) { return *static_cast<const PackedMatrix*>(weights); }

/// Where the keys of a head lie in a cache of float32 or float16; its values are `num_heads` further.
const std::byte* stored_head(const CrossCache& cache, int head) {
  return static_cast<const std::byte*>(cache.data) + head * cache.capacity * kHeadSize * storage_bytes(cache.storage);
}

}  // namespace

/// What one thread works in, planned when weights are packed.
struct CpuBackend::Scratch {
  std::unique_ptr<CpuBuffer> block;        ///< [64, widest input] in the products' input type
  std::unique_ptr<CpuBuffer> sums;         ///< [64, widest panel]
  std::unique_ptr<CpuBuffer> row;          ///< one normalised row
  std::unique_ptr<CpuBuffer> hidden;       ///< [64, widest output] of mlp()
  std::unique_ptr<CpuBuffer> attention;    ///< scratch of one of the attentions
  std::unique_ptr<CpuBuffer> keys_values;  ///< of one head and window for attend_block_bf16(), where there is that
  std::int64_t packed_head = -1;           ///< which head of which window that is, in the operation in progress
  QuantisedRow row_quantisation[kBlockRows];
  std::size_t block_bytes = 0, sums_bytes = 0, row_bytes = 0, hidden_bytes = 0;

  static bool grow(std::unique_ptr<CpuBuffer>& buffer, std::size_t& bytes, std::size_t wanted) {
    if (wanted <= bytes) return true;
    auto larger = CpuBuffer::allocate(wanted);
    if (larger == nullptr) return false;
    buffer = std::move(larger);
    bytes = wanted;
    return true;
  }
};

int default_num_threads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const int cores = sched_getaffinity(0, sizeof(set), &set) == 0
                        ? CPU_COUNT(&set)
                        : static_cast<int>(std::thread::hardware_concurrency());
  return std::clamp(cores, 1, kMaxThreads);
}

Result<std::unique_ptr<CpuBackend>> CpuBackend::create(int num_threads, Isa max_isa) {
  if (num_threads < 1 || num_threads > kMaxThreads) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("{} threads, expected 1 to {}", num_threads, kMaxThreads),
                 "threads"};
  }
  STENOD_ASSIGN_OR_RETURN(const Isa isa, limit_isa(max_isa));
  std::unique_ptr<CpuBackend> backend(new CpuBackend(num_threads, isa));
  for (int thread = 0; thread < num_threads; ++thread) {
    auto scratch = std::make_unique<Scratch>();
    const std::size_t floats =
        std::max({static_cast<std::size_t>(kAttentionScratchFloats),
                  static_cast<std::size_t>(kMaxStoredRows * kWeightsStride), int8_attention_scratch_floats(kMaxKeys)});
    scratch->attention = CpuBuffer::allocate(std::max(floats * sizeof(float), kAttentionBf16ScratchBytes));
    const bool bf16 = isa >= Isa::kAvx512Bf16;
    if (bf16) scratch->keys_values = CpuBuffer::allocate(2 * packed_elements(kMaxKeys) * sizeof(std::uint32_t));
    if (scratch->attention == nullptr || (bf16 && scratch->keys_values == nullptr)) {
      return Error{ErrorCode::kOutOfMemory, "no memory for work buffers"};
    }
    backend->scratch_.push_back(std::move(scratch));
  }
  return backend;
}

CpuBackend::CpuBackend(int num_threads, Isa isa)
    : isa_(isa), max_quantised_(isa >= Isa::kAvx512Vnni ? 255 : 127), team_(num_threads) {}

CpuBackend::~CpuBackend() = default;

std::string CpuBackend::name() const { return fmt::format("cpu ({}, {} threads)", isa_name(isa_), num_threads()); }

Result<std::unique_ptr<Backend::Buffer>> CpuBackend::allocate(std::size_t bytes) {
  std::unique_ptr<Buffer> buffer = CpuBuffer::allocate(bytes);
  if (buffer == nullptr) return Error{ErrorCode::kOutOfMemory, fmt::format("no memory for {} bytes", bytes)};
  return buffer;
}

void CpuBackend::upload(void* device, const void* host, std::size_t bytes) { std::memcpy(device, host, bytes); }
void CpuBackend::download(void* host, const void* device, std::size_t bytes) { std::memcpy(host, device, bytes); }

Status CpuBackend::synchronize() {
  if (!product_failed_.exchange(false)) return {};
  return Error{ErrorCode::kInternal, "a matrix product failed in oneDNN; is there memory left?"};
}

Result<std::unique_ptr<PackedLinear>> CpuBackend::pack(const LinearSource& source, ComputeType type) {
  if (type == ComputeType::kBFloat16 && isa_ < Isa::kAvx512Bf16) {
    return Error{ErrorCode::kNotSupported,
                 fmt::format("bf16 needs AVX-512 BF16 or AMX; this processor is used as {}", isa_name(isa_)),
                 "compute_type"};
  }
  keep_openmp_single_threaded();
  STENOD_ASSIGN_OR_RETURN(auto matrix, PackedMatrix::create(source, type, num_threads()));
  const auto block_rows = static_cast<std::size_t>(kBlockRows);
  const std::size_t hidden = static_cast<std::size_t>(std::max(source.inputs, source.outputs)) * sizeof(float);
  for (const auto& scratch : scratch_) {
    const bool grown =
        Scratch::grow(scratch->block, scratch->block_bytes,
                      block_rows * static_cast<std::size_t>(matrix->input_row_bytes())) &&
        Scratch::grow(scratch->sums, scratch->sums_bytes,
                      block_rows * static_cast<std::size_t>(matrix->panel_width()) * sizeof(float)) &&
        Scratch::grow(scratch->row, scratch->row_bytes, static_cast<std::size_t>(source.inputs) * sizeof(float));
    if (!grown) return Error{ErrorCode::kOutOfMemory, "no memory for work buffers"};
    // Only multi-layer perceptrons keep a block of outputs; the vocabulary's width is never one of theirs.
    if (source.outputs > 8 * source.inputs) continue;
    if (!Scratch::grow(scratch->hidden, scratch->hidden_bytes, block_rows * hidden)) {
      return Error{ErrorCode::kOutOfMemory, "no memory for work buffers"};
    }
  }
  if (source.outputs <= 8 * source.inputs && source.outputs > hidden_columns_) {
    const auto rows = 2 * static_cast<std::size_t>(num_threads()) * block_rows;
    auto larger = CpuBuffer::allocate(rows * static_cast<std::size_t>(source.outputs) * sizeof(float));
    if (larger == nullptr) return Error{ErrorCode::kOutOfMemory, "no memory for work buffers"};
    hidden_ = std::move(larger);
    hidden_columns_ = source.outputs;
  }
  return std::unique_ptr<PackedLinear>(std::move(matrix));
}

void CpuBackend::prepare_block(ConstRows rows, const LayerNorm* norm, const PackedMatrix& weights,
                               Scratch& scratch) const {
  const auto columns = static_cast<std::size_t>(rows.columns);
  assert(rows.columns == weights.inputs() && rows.rows <= kBlockRows);
  auto* const block = scratch.block->as<std::byte>();
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    std::span<const float> values(rows.data + r * rows.stride, columns);
    std::byte* const to = block + r * weights.input_row_bytes();
    if (norm != nullptr) {
      auto* const normalised = scratch.row->as<float>();
      layer_norm_row(values, *norm, normalised);
      values = {normalised, columns};
    }
    switch (weights.type()) {
      case ComputeType::kInt8:
        scratch.row_quantisation[r] = quantise_row(values, max_quantised_, reinterpret_cast<std::uint8_t*>(to));
        break;
      case ComputeType::kBFloat16:
        convert_to_bfloat16(values, reinterpret_cast<std::uint16_t*>(to));
        break;
      case ComputeType::kFloat32:
        std::memcpy(to, values.data(), values.size_bytes());
        break;
    }
  }
}

void CpuBackend::multiply_block(const LinearArgs& args, std::int64_t first_row, int num_rows, int first_panel,
                                int last_panel, Scratch& scratch, int thread) const {
  const PackedMatrix& weights = packed(args.weights);
  const int width = weights.panel_width();
  for (int panel = first_panel; panel < last_panel; ++panel) {
    if (!weights.multiply(scratch.block->data(), num_rows, panel, scratch.sums->data(), thread)) product_failed_ = true;
    const std::int64_t first_column = static_cast<std::int64_t>(panel) * width;
    ProductEnd end;
    end.rows = num_rows;
    end.columns = static_cast<int>(std::min<std::int64_t>(width, weights.outputs() - first_column));
    end.sums = scratch.sums->data();
    end.sums_stride = width;
    if (weights.type() == ComputeType::kInt8) {
      end.row_quantisation = scratch.row_quantisation;
      end.scales = weights.scales().data() + first_column;
      end.column_sums = weights.column_sums().data() + first_column;
    }
    if (!weights.bias().empty()) end.bias = weights.bias().data() + first_column;
    end.activation = args.activation;
    if (args.residual != nullptr) {
      end.residual = args.residual + first_row * args.residual_stride + first_column;
      end.residual_stride = args.residual_stride;
    }
    end.output = args.output;
    end.first_row = first_row;
    end.first_column = first_column;
    finish_product(end);
  }
}

template <typename Body>
void CpuBackend::for_blocks(ConstRows input, const LayerNorm* norm, const PackedMatrix& weights, const Body& body) {
  const std::int64_t num_blocks = ceil_divide(input.rows, kBlockRows);
  if (num_blocks == 0) return;
  // Few blocks of rows are shared out by panels too; each task then prepares its block again, which is cheap.
  const auto num_groups =
      static_cast<int>(std::clamp<std::int64_t>(ceil_divide(4 * num_threads(), num_blocks), 1, weights.num_panels()));
  team_.run(static_cast<int>(num_blocks) * num_groups, [&](int task, int thread) {
    Scratch& scratch = *scratch_[static_cast<std::size_t>(thread)];
    const std::int64_t first_row = static_cast<std::int64_t>(task / num_groups) * kBlockRows;
    const int group = task % num_groups;
    ConstRows rows = input;
    rows.data += first_row * rows.stride;
    rows.rows = std::min<std::int64_t>(kBlockRows, input.rows - first_row);
    prepare_block(rows, norm, weights, scratch);
    body(first_row, static_cast<int>(rows.rows), group * weights.num_panels() / num_groups,
         (group + 1) * weights.num_panels() / num_groups, scratch, thread);
  });
}

void CpuBackend::linear(const LinearArgs& args) {
  for_blocks(args.input, args.norm, packed(args.weights),
             [&](std::int64_t first_row, int num_rows, int first_panel, int last_panel, Scratch& scratch, int thread) {
               multiply_block(args, first_row, num_rows, first_panel, last_panel, scratch, thread);
             });
}

void CpuBackend::mlp_block(const MlpArgs& args, std::int64_t first_row, Scratch& scratch, int thread) const {
  const PackedMatrix& up = packed(args.up);
  const PackedMatrix& down = packed(args.down);
  float* const rows = args.rows + first_row * up.inputs();
  const auto num_rows = static_cast<int>(std::min<std::int64_t>(kBlockRows, args.num_rows - first_row));

  LinearArgs first;
  first.weights = args.up;
  first.activation = Activation::kGelu;
  first.output = {scratch.hidden->data(), StorageType::kFloat32, up.outputs(), 64};
  prepare_block({rows, num_rows, up.inputs(), up.inputs()}, &args.norm, up, scratch);
  multiply_block(first, 0, num_rows, 0, up.num_panels(), scratch, thread);

  LinearArgs second;
  second.weights = args.down;
  second.residual = rows;
  second.residual_stride = up.inputs();
  second.output = {rows, StorageType::kFloat32, up.inputs(), 64};
  prepare_block({scratch.hidden->as<float>(), num_rows, down.inputs(), down.inputs()}, nullptr, down, scratch);
  multiply_block(second, 0, num_rows, 0, down.num_panels(), scratch, thread);
}

void CpuBackend::mlp(const MlpArgs& args) {
  const std::int64_t d = args.up->inputs();
  const std::int64_t num_blocks = ceil_divide(args.num_rows, kBlockRows);
  if (num_blocks > 2 * num_threads()) {
    team_.run(static_cast<int>(num_blocks), [&](int task, int thread) {
      mlp_block(args, static_cast<std::int64_t>(task) * kBlockRows, *scratch_[static_cast<std::size_t>(thread)],
                thread);
    });
    return;
  }
  const std::int64_t hidden = args.up->outputs();
  LinearArgs up;
  up.input = {args.rows, args.num_rows, d, d};
  up.norm = &args.norm;
  up.weights = args.up;
  up.activation = Activation::kGelu;
  up.output = {hidden_->data(), StorageType::kFloat32, hidden, 64};
  linear(up);
  LinearArgs down;
  down.input = {hidden_->as<float>(), args.num_rows, hidden, hidden};
  down.weights = args.down;
  down.residual = args.rows;
  down.residual_stride = d;
  down.output = {args.rows, StorageType::kFloat32, d, 64};
  linear(down);
}

void CpuBackend::layer_norm(ConstRows input, const LayerNorm& norm, float* output) {
  team_.run(static_cast<int>(ceil_divide(input.rows, kBlockRows)), [&](int task, int) {
    const std::int64_t first = static_cast<std::int64_t>(task) * kBlockRows;
    for (std::int64_t r = first; r < std::min(first + kBlockRows, input.rows); ++r) {
      layer_norm_row({input.data + r * input.stride, static_cast<std::size_t>(input.columns)}, norm,
                     output + r * input.columns);
    }
  });
}

void CpuBackend::encoder_attention(const EncoderAttentionArgs& args) {
  const std::int64_t width = static_cast<std::int64_t>(args.num_heads) * kHeadSize;
  std::int64_t num_tasks = 0;
  for (const AttentionWindow& window : args.windows) {
    num_tasks += ceil_divide(window.num_rows, kQueryBlock) * args.num_heads;
  }
  for (const auto& scratch : scratch_) scratch->packed_head = -1;
  team_.run(static_cast<int>(num_tasks), [&](int task, int thread) {
    // Tasks go window by window, head by head, so that neighbours share keys and values in the cache.
    std::int64_t rest = task;
    const AttentionWindow* window = args.windows.data();
    while (rest >= ceil_divide(window->num_rows, kQueryBlock) * args.num_heads) {
      rest -= ceil_divide(window->num_rows, kQueryBlock) * args.num_heads;
      ++window;
    }
    const std::int64_t blocks = ceil_divide(window->num_rows, kQueryBlock);
    const std::int64_t head = rest / blocks;
    const std::int64_t first_query = rest % blocks * kQueryBlock;
    const auto rows_of = [&](std::int64_t which) {
      return args.qkv + ((which * args.num_heads + head) * args.total_rows + window->first_row) * kHeadSize;
    };
    AttentionBlock block;
    block.queries = rows_of(0) + first_query * kHeadSize;
    block.num_queries = static_cast<int>(std::min<std::int64_t>(kQueryBlock, window->num_rows - first_query));
    block.keys = rows_of(1);
    block.values = rows_of(2);
    block.num_keys = window->num_rows;
    block.output = args.output + (window->first_row + first_query) * width + head * kHeadSize;
    block.output_stride = width;
    Scratch& scratch = *scratch_[static_cast<std::size_t>(thread)];
    if (!args.reduced_precision || scratch.keys_values == nullptr || window->num_rows > kMaxKeys) {
      attend_block(block, scratch.attention->as<float>());
      return;
    }
    // Each thread packs for itself what it attends to: a fraction of one block's work, and nobody waits.
    auto* const pairs = scratch.keys_values->as<std::uint32_t>();
    const PackedKeysValues packed = {isa_ == Isa::kAmx ? Bf16Unit::kTiles : Bf16Unit::kVectors, window->num_rows, pairs,
                                     pairs + packed_elements(kMaxKeys)};
    const std::int64_t packed_head = (window - args.windows.data()) * args.num_heads + head;
    if (scratch.packed_head != packed_head) pack_keys_values(block.keys, block.values, packed);
    scratch.packed_head = packed_head;
    attend_block_bf16(block, packed, scratch.attention->data());
  });
}

void CpuBackend::append(std::span<const AppendArgs> rows) {
  for (const AppendArgs& row : rows) {
    auto* const cache = static_cast<std::byte*>(row.cache);
    for (int head = 0; head < row.num_heads; ++head) {
      store_row(row.row + head * kHeadSize, kHeadSize, row.storage,
                cache + head * row.head_stride * storage_bytes(row.storage));
    }
  }
}

void CpuBackend::cached_attention(const CachedAttentionArgs& args) {
  const std::int64_t width = static_cast<std::int64_t>(args.num_heads) * kHeadSize;
  const auto num_tasks = static_cast<int>(args.sequences.size()) * args.num_heads;
  team_.run(num_tasks, [&](int task, int thread) {
    const CachedAttention& sequence = args.sequences[static_cast<std::size_t>(task / args.num_heads)];
    const std::int64_t head = task % args.num_heads;
    const std::int64_t offset = head * sequence.head_stride * storage_bytes(args.storage);
    StoredAttention row;
    row.num_rows = 1;
    row.keys = static_cast<const std::byte*>(sequence.keys) + offset;
    row.values = static_cast<const std::byte*>(sequence.values) + offset;
    row.cells = sequence.cells;
    row.storage = args.storage;
    row.weights = scratch_[static_cast<std::size_t>(thread)]->attention->as<float>();
    row.weights_stride = kWeightsStride;
    for (std::int64_t r = 0; r < sequence.num_rows; ++r) {
      row.queries = args.queries.data + (sequence.first_row + r) * args.queries.stride + head * kHeadSize;
      row.output = args.output + (sequence.first_row + r) * width + head * kHeadSize;
      row.num_keys = sequence.num_keys + r;
      attend_stored(row);
    }
  });
}

// Of float32 and float16: [num_heads][capacity, 64], keys before values. Of 8 bits: heads one after another, each as
// Int8Head has it.
std::size_t CpuBackend::cross_cache_bytes(StorageType storage, int num_heads, std::int64_t capacity) const {
  const auto heads = static_cast<std::size_t>(num_heads);
  if (storage == StorageType::kInt8) return heads * int8_head_bytes(capacity);
  return heads * 2 * static_cast<std::size_t>(capacity * kHeadSize * storage_bytes(storage));
}

void CpuBackend::fill_cross_cache(const FillCrossCacheArgs& args) {
  const CrossCache& cache = args.cache;
  if (cache.storage != StorageType::kInt8) {
    linear({.input = args.input,
            .weights = args.weights,
            .output = {cache.data, cache.storage, kHeadSize, cache.capacity * kHeadSize}});
    return;
  }
  const PackedMatrix& weights = packed(args.weights);
  for_blocks(args.input, nullptr, weights,
             [&](std::int64_t first_row, int num_rows, int first_panel, int last_panel, Scratch& scratch, int thread) {
               LinearArgs product;
               product.weights = args.weights;
               product.output = {scratch.hidden->data(), StorageType::kFloat32, weights.outputs()};
               multiply_block(product, 0, num_rows, first_panel, last_panel, scratch, thread);
               const std::int64_t width = weights.panel_width();
               const std::int64_t end = std::min(last_panel * width, weights.outputs());
               for (std::int64_t column = first_panel * width; column < end; column += kHeadSize) {
                 const auto head = static_cast<int>(column / kHeadSize);
                 const float* const rows = scratch.hidden->as<float>() + column;
                 if (head < cache.num_heads) {
                   store_int8_keys(rows, weights.outputs(), num_rows, first_row,
                                   int8_head(cache.data, head, cache.capacity));
                 } else {
                   store_int8_values(rows, weights.outputs(), num_rows, first_row,
                                     int8_head(cache.data, head - cache.num_heads, cache.capacity));
                 }
               }
             });
}

void CpuBackend::cross_attention(const CrossAttentionArgs& args) {
  if (args.sequences.empty()) return;
  const int num_heads = args.sequences.front().cache.num_heads;
  const std::int64_t width = static_cast<std::int64_t>(num_heads) * kHeadSize;
  team_.run(static_cast<int>(args.sequences.size()) * num_heads, [&](int task, int thread) {
    const CrossAttention& sequence = args.sequences[static_cast<std::size_t>(task / num_heads)];
    const CrossCache& cache = sequence.cache;
    const int head = task % num_heads;
    const float* const queries = args.queries.data + sequence.first_row * args.queries.stride + head * kHeadSize;
    float* const output = args.output + sequence.first_row * width + head * kHeadSize;
    auto* const scratch = scratch_[static_cast<std::size_t>(thread)]->attention->as<float>();
    if (cache.storage == StorageType::kInt8) {
      Int8Attention rows;
      rows.queries = queries;
      rows.query_stride = args.queries.stride;
      rows.num_rows = static_cast<int>(sequence.num_rows);
      rows.head = int8_head(cache.data, head, cache.capacity);
      rows.num_keys = sequence.num_keys;
      rows.scratch = scratch;
      rows.output = output;
      rows.output_stride = width;
      attend_int8(rows);
      return;
    }
    StoredAttention rows;
    rows.queries = queries;
    rows.query_stride = args.queries.stride;
    rows.num_rows = static_cast<int>(sequence.num_rows);
    rows.keys = stored_head(cache, head);
    rows.values = stored_head(cache, num_heads + head);
    rows.storage = cache.storage;
    rows.num_keys = sequence.num_keys;
    rows.weights = scratch;
    rows.weights_stride = kWeightsStride;
    rows.output = output;
    rows.output_stride = width;
    attend_stored(rows);
  });
}

void CpuBackend::cross_weights(std::span<const CrossWeightsArgs> heads) {
  team_.run(static_cast<int>(heads.size()), [&](int task, int thread) {
    const CrossWeightsArgs& args = heads[static_cast<std::size_t>(task)];
    const CrossCache& cache = args.cache;
    auto* const scratch = scratch_[static_cast<std::size_t>(thread)]->attention->as<float>();
    for (std::int64_t r = 0; r < args.queries.rows; ++r) {
      const std::int64_t row = args.query_rows != nullptr ? args.query_rows[r] : r;
      const float* const query = args.queries.data + row * args.queries.stride;
      float* const weights = args.weights + r * args.num_keys;
      if (cache.storage == StorageType::kInt8) {
        Int8Attention one;
        one.queries = query;
        one.num_rows = 1;
        one.head = int8_head(cache.data, args.head, cache.capacity);
        one.num_keys = args.num_keys;
        one.scratch = scratch;
        int8_weights(one, weights);
        continue;
      }
      StoredAttention one;
      one.queries = query;
      one.num_rows = 1;
      one.keys = stored_head(cache, args.head);
      one.storage = cache.storage;
      one.num_keys = args.num_keys;
      one.weights = scratch;
      attention_weights(one);
      std::memcpy(weights, one.weights, static_cast<std::size_t>(args.num_keys) * sizeof(float));
    }
  });
}

}  // namespace stenod::compute::cpu
