#include "compute/cpu/product.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstdlib>
#include <cstring>
#include <new>
#include <oneapi/dnnl/dnnl.hpp>

#include "compute/cpu/kernels.h"

namespace stenod::compute::cpu {
namespace {

constexpr std::int64_t kMaxPanelWidth = 512;
// Row counts that kernels are made for. int8 sums are exact, so any will do. Float sums depend on how oneDNN blocks
// them, and must agree among these (product_test.cc holds every instruction set to it): oneDNN's kernel for AVX2 takes
// six rows at a time and sums a rest of four rows alike, but a rest of two in another order, hence 4 modulo 6.
constexpr std::array kInt8Rows = {1, 2, 4, 8, 16, 32, 48, kBlockRows};
constexpr std::array kFloat32Rows = {4, 10, 16, 28, 40, kBlockRows};
constexpr std::array kBFloat16Rows = {1, 2, 4, 8, 16, 32, 48, kBlockRows};
constexpr std::array kAmxBFloat16Rows = {16, 32, 48, kBlockRows};  // fewer than a tile's rows may go another way

std::span<const int> row_classes(ComputeType type) {
  switch (type) {
    case ComputeType::kInt8:
      return kInt8Rows;
    case ComputeType::kBFloat16:
      if (dnnl::get_effective_cpu_isa() == dnnl::cpu_isa::avx512_core_amx) return kAmxBFloat16Rows;
      return kBFloat16Rows;
    case ComputeType::kFloat32:
      break;
  }
  return kFloat32Rows;
}

dnnl::engine& cpu_engine() {
  static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

struct FreeDeleter {
  void operator()(void* p) const { std::free(p); }
};
using AlignedBytes = std::unique_ptr<std::byte, FreeDeleter>;

AlignedBytes allocate_aligned(std::size_t bytes) {
  void* p = std::aligned_alloc(64, (std::max<std::size_t>(bytes, 1) + 63) / 64 * 64);
  if (p == nullptr) throw std::bad_alloc();
  return AlignedBytes(static_cast<std::byte*>(p));
}

struct Types {
  dnnl::memory::data_type input, weight, product;
};

Types types_of(ComputeType type) {
  using Type = dnnl::memory::data_type;
  switch (type) {
    case ComputeType::kInt8:
      return {Type::u8, Type::s8, Type::s32};
    case ComputeType::kBFloat16:
      return {Type::bf16, Type::bf16, Type::f32};
    case ComputeType::kFloat32:
      break;
  }
  return {Type::f32, Type::f32, Type::f32};
}

dnnl::memory::desc plain(std::int64_t rows, std::int64_t columns, dnnl::memory::data_type type) {
  return {{rows, columns}, type, dnnl::memory::format_tag::ab};
}

dnnl::matmul::primitive_desc describe(std::int64_t rows, std::int64_t inputs, std::int64_t width, const Types& types,
                                      const dnnl::memory::desc& weights) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return {{plain(rows, inputs, types.input), weights, plain(rows, width, types.product)}, attributes, cpu_engine()};
}

}  // namespace

struct PackedMatrix::Layout {
  dnnl::memory::desc packed;  ///< of a panel, as the kernels want it
};

struct PackedMatrix::Panel {
  AlignedBytes bytes;
  dnnl::memory memory;
};

struct PackedMatrix::Kernel {
  int rows = 0;
  dnnl::matmul primitive;
  /// Memory objects are mere handles, but stateful, and streams are not meant to be shared: one set a thread.
  struct PerThread {
    dnnl::stream stream;
    dnnl::memory input, product, scratchpad;
    AlignedBytes scratchpad_bytes;
  };
  mutable std::vector<PerThread> threads;
};

PackedMatrix::PackedMatrix() = default;
PackedMatrix::~PackedMatrix() = default;

Result<std::unique_ptr<PackedMatrix>> PackedMatrix::create(const LinearSource& source, ComputeType type,
                                                           int num_threads) {
  try {
    std::unique_ptr<PackedMatrix> matrix(new PackedMatrix());
    matrix->outputs_ = source.outputs;
    matrix->inputs_ = source.inputs;
    matrix->type_ = type;
    matrix->element_bytes_ = type == ComputeType::kInt8 ? 1 : type == ComputeType::kBFloat16 ? 2 : 4;
    const std::int64_t per_thread = (source.outputs + num_threads - 1) / num_threads;
    matrix->panel_width_ = static_cast<int>(std::min(kMaxPanelWidth, (per_thread + 63) / 64 * 64));

    const Types types = types_of(type);
    const auto any =
        dnnl::memory::desc({source.inputs, matrix->panel_width_}, types.weight, dnnl::memory::format_tag::any);
    const Layout layout = {describe(kBlockRows, source.inputs, matrix->panel_width_, types, any).weights_desc()};
    matrix->make_kernels(layout, num_threads);
    STENOD_RETURN_IF_ERROR(matrix->pack_panels(source, layout));
    return matrix;
  } catch (const dnnl::error& error) {
    if (error.status == dnnl_out_of_memory) return Error{ErrorCode::kOutOfMemory, "no memory for weights"};
    return Error{
        ErrorCode::kNotSupported,
        fmt::format("{} products are not available on this processor ({})", compute_type_name(type), error.what()),
        "compute_type"};
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::kOutOfMemory, "no memory for weights"};
  }
}

void PackedMatrix::make_kernels(const Layout& layout, int num_threads) {
  for (const int rows : row_classes(type_)) {
    const auto description = describe(rows, inputs_, panel_width_, types_of(type_), layout.packed);
    auto kernel = std::make_unique<Kernel>();
    kernel->rows = rows;
    kernel->primitive = dnnl::matmul(description);
    for (int thread = 0; thread < num_threads; ++thread) {
      Kernel::PerThread& per = kernel->threads.emplace_back();
      per.scratchpad_bytes = allocate_aligned(description.scratchpad_desc().get_size());
      per.stream = dnnl::stream(cpu_engine());
      per.input = dnnl::memory(description.src_desc(), cpu_engine(), nullptr);
      per.product = dnnl::memory(description.dst_desc(), cpu_engine(), nullptr);
      per.scratchpad = dnnl::memory(description.scratchpad_desc(), cpu_engine(), per.scratchpad_bytes.get());
    }
    kernels_.push_back(std::move(kernel));
  }
}

Status PackedMatrix::pack_panels(const LinearSource& source, const Layout& layout) {
  const std::int64_t width = panel_width_;
  const std::int64_t num_panels = (outputs_ + width - 1) / width;
  const auto padded_outputs = static_cast<std::size_t>(num_panels * width);
  if (type_ == ComputeType::kInt8) {
    scales_.assign(padded_outputs, 0.0f);
    column_sums_.assign(padded_outputs, 0.0f);
  }
  bias_.assign(source.bias.begin(), source.bias.end());
  if (!source.bias.empty()) bias_.resize(padded_outputs, 0.0f);

  // A panel as it comes: [width, inputs] row by row, which is the plain transposed form of what is multiplied with.
  const dnnl::memory::desc unpacked({inputs_, width}, types_of(type_).weight, dnnl::memory::format_tag::ba);
  const AlignedBytes rows = allocate_aligned(unpacked.get_size());
  const dnnl::reorder reorder(dnnl::reorder::primitive_desc(cpu_engine(), unpacked, cpu_engine(), layout.packed));
  dnnl::stream stream(cpu_engine());
  dnnl::memory unpacked_memory(unpacked, cpu_engine(), rows.get());
  std::vector<float> values(static_cast<std::size_t>(inputs_));
  for (std::int64_t panel_index = 0; panel_index < num_panels; ++panel_index) {
    std::memset(rows.get(), 0, unpacked.get_size());
    for (std::int64_t i = 0; i < width && panel_index * width + i < outputs_; ++i) {
      const std::int64_t output = panel_index * width + i;
      source.read_row(output, values);
      if (!all_finite(values)) {
        return Error{ErrorCode::kInvalidArgument,
                     fmt::format("row {} of a weight holds a value that is not finite", output)};
      }
      store_row(output, values, rows.get() + i * input_row_bytes());
    }
    auto panel = std::make_unique<Panel>();
    panel->bytes = allocate_aligned(layout.packed.get_size());
    panel->memory = dnnl::memory(layout.packed, cpu_engine(), panel->bytes.get());
    reorder.execute(stream, unpacked_memory, panel->memory);
    panels_.push_back(std::move(panel));
  }
  return {};
}

void PackedMatrix::store_row(std::int64_t output, std::span<const float> values, std::byte* to) {
  switch (type_) {
    case ComputeType::kInt8: {
      const QuantisedWeightRow row = quantise_weight_row(values, reinterpret_cast<std::int8_t*>(to));
      scales_[static_cast<std::size_t>(output)] = row.scale;
      column_sums_[static_cast<std::size_t>(output)] = row.scale * static_cast<float>(row.sum);
      break;
    }
    case ComputeType::kBFloat16:
      convert_to_bfloat16(values, reinterpret_cast<std::uint16_t*>(to));
      break;
    case ComputeType::kFloat32:
      std::memcpy(to, values.data(), values.size_bytes());
      break;
  }
}

const PackedMatrix::Kernel& PackedMatrix::kernel(int rows) const {
  assert(rows >= 1 && rows <= kBlockRows);
  for (const auto& kernel : kernels_) {
    if (kernel->rows >= rows) return *kernel;
  }
  return *kernels_.back();
}

bool PackedMatrix::multiply(const void* block, int rows, int panel, void* product, int thread) const {
  const Kernel& chosen = kernel(rows);
  Kernel::PerThread& per = chosen.threads[static_cast<std::size_t>(thread)];
  dnnl_memory_set_data_handle(per.input.get(), const_cast<void*>(block));
  dnnl_memory_set_data_handle(per.product.get(), product);
  const std::array arguments = {
      dnnl_exec_arg_t{DNNL_ARG_SRC, per.input.get()},
      dnnl_exec_arg_t{DNNL_ARG_WEIGHTS, panels_[static_cast<std::size_t>(panel)]->memory.get()},
      dnnl_exec_arg_t{DNNL_ARG_DST, per.product.get()},
      dnnl_exec_arg_t{DNNL_ARG_SCRATCHPAD, per.scratchpad.get()},
  };
  return dnnl_primitive_execute(chosen.primitive.get(), per.stream.get(), static_cast<int>(arguments.size()),
                                arguments.data()) == dnnl_success;
}

}  // namespace stenod::compute::cpu
