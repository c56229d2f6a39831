#include "compute/reference/reference_backend.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

namespace stenod::compute {
namespace {

class ReferenceBuffer final : public Backend::Buffer {
 public:
  static std::unique_ptr<Backend::Buffer> make(std::size_t bytes) {
    return std::make_unique<ReferenceBuffer>(std::vector<double>(bytes / sizeof(double) + 1));
  }
  // Moving a vector leaves its elements where they are.
  explicit ReferenceBuffer(std::vector<double> storage) : Buffer(storage.data()), storage_(std::move(storage)) {}

 private:
  std::vector<double> storage_;
};

class ReferenceLinear final : public PackedLinear {
 public:
  std::int64_t outputs() const override { return num_outputs; }
  std::int64_t inputs() const override { return num_inputs; }

  ComputeType type = ComputeType::kFloat32;
  std::int64_t num_outputs = 0, num_inputs = 0;
  std::vector<double> weights;  ///< [outputs, inputs], as quantised
  std::vector<float> bias;
};

double round_to(double value, ComputeType type) {
  if (type == ComputeType::kBFloat16) return bfloat16_to_float(float_to_bfloat16(static_cast<float>(value)));
  return value;
}

/// Rounds a row of inputs to the max_quantised + 1 values that there are.
void quantise_inputs(std::vector<double>& row, int max_quantised) {
  const double low = std::min(0.0, *std::min_element(row.begin(), row.end()));
  const double high = std::max(0.0, *std::max_element(row.begin(), row.end()));
  if (high - low <= 1e-30) return std::fill(row.begin(), row.end(), 0.0);
  const double scale = (high - low) / max_quantised;
  const double zero = std::nearbyint(-low / scale);
  for (double& x : row) {
    x = (std::clamp(std::nearbyint(x / scale) + zero, 0.0, static_cast<double>(max_quantised)) - zero) * scale;
  }
}

void normalise(std::vector<double>& row, const LayerNorm& norm) {
  double mean = 0, variance = 0;
  for (const double x : row) mean += x / static_cast<double>(row.size());
  for (const double x : row) variance += (x - mean) * (x - mean) / static_cast<double>(row.size());
  for (std::size_t i = 0; i < row.size(); ++i) {
    row[i] = (row[i] - mean) / std::sqrt(variance + 1e-5) * norm.gamma[i] + norm.beta[i];
  }
}

void round_to_8_bits(std::span<float> values) {
  double largest = 0;
  for (const float x : values) largest = std::max(largest, static_cast<double>(std::abs(x)));
  const double scale = largest / 127;
  for (float& x : values) x = static_cast<float>(scale > 0 ? std::nearbyint(x / scale) * scale : 0);
}

double read(const void* data, std::int64_t index, StorageType type) {
  if (type == StorageType::kFloat32) return static_cast<const float*>(data)[index];
  return half_to_float(static_cast<const std::uint16_t*>(data)[index]);
}

void write(void* data, std::int64_t index, StorageType type, double value) {
  if (type == StorageType::kFloat32) {
    static_cast<float*>(data)[index] = static_cast<float>(value);
  } else {
    static_cast<std::uint16_t*>(data)[index] = float_to_half(static_cast<float>(value));
  }
}

std::int64_t cell_of(const std::int32_t* cells, std::int64_t key) { return cells != nullptr ? cells[key] : key; }

std::vector<double> soft_max_scores(const float* query, const void* keys, const std::int32_t* cells,
                                    StorageType storage, std::int64_t num_keys) {
  std::vector<double> scores(static_cast<std::size_t>(num_keys));
  for (std::int64_t k = 0; k < num_keys; ++k) {
    double dot = 0;
    for (int i = 0; i < kHeadSize; ++i) dot += query[i] * read(keys, cell_of(cells, k) * kHeadSize + i, storage);
    scores[static_cast<std::size_t>(k)] = dot / 8;
  }
  const double largest = *std::max_element(scores.begin(), scores.end());
  double total = 0;
  for (double& score : scores) total += score = std::exp(score - largest);
  for (double& score : scores) score /= total;
  return scores;
}

void attend(const float* query, const void* keys, const void* values, const std::int32_t* cells, StorageType storage,
            std::int64_t num_keys, float* output) {
  const std::vector<double> weights = soft_max_scores(query, keys, cells, storage, num_keys);
  for (int i = 0; i < kHeadSize; ++i) {
    double sum = 0;
    for (std::int64_t k = 0; k < num_keys; ++k) {
      sum += weights[static_cast<std::size_t>(k)] * read(values, cell_of(cells, k) * kHeadSize + i, storage);
    }
    output[i] = static_cast<float>(sum);
  }
}

class ReferenceBackend final : public Backend {
 public:
  explicit ReferenceBackend(int max_quantised) : max_quantised_(max_quantised) {}

  std::string name() const override { return "reference"; }

  Result<std::unique_ptr<Buffer>> allocate(std::size_t bytes) override { return ReferenceBuffer::make(bytes); }
  Result<std::unique_ptr<Buffer>> allocate_shared(std::size_t bytes) override { return allocate(bytes); }
  void upload(void* device, const void* host, std::size_t bytes) override { std::memcpy(device, host, bytes); }
  void download(void* host, const void* device, std::size_t bytes) override { std::memcpy(host, device, bytes); }
  Status synchronize() override { return {}; }

  Result<std::unique_ptr<PackedLinear>> pack(const LinearSource& source, ComputeType type) override {
    auto linear = std::make_unique<ReferenceLinear>();
    linear->type = type;
    linear->num_outputs = source.outputs;
    linear->num_inputs = source.inputs;
    linear->bias.assign(source.bias.begin(), source.bias.end());
    std::vector<float> row(static_cast<std::size_t>(source.inputs));
    for (std::int64_t output = 0; output < source.outputs; ++output) {
      source.read_row(output, row);
      double largest = 0;
      for (const float w : row) largest = std::max(largest, static_cast<double>(std::abs(w)));
      for (const float w : row) {
        if (!std::isfinite(w)) return Error{ErrorCode::kInvalidArgument, "a weight is not finite"};
        const double scale = largest / 127;
        linear->weights.push_back(type == ComputeType::kInt8 ? (scale > 0 ? std::nearbyint(w / scale) * scale : 0)
                                                             : round_to(w, type));
      }
    }
    return std::unique_ptr<PackedLinear>(std::move(linear));
  }

  void linear(const LinearArgs& args) override {
    const auto& weights = *static_cast<const ReferenceLinear*>(args.weights);
    for (std::int64_t r = 0; r < args.input.rows; ++r) {
      const float* const from = args.input.data + r * args.input.stride;
      std::vector<double> row(from, from + args.input.columns);
      if (args.norm != nullptr) normalise(row, *args.norm);
      if (weights.type == ComputeType::kInt8) quantise_inputs(row, max_quantised_);
      for (double& x : row) x = round_to(x, weights.type);
      for (std::int64_t o = 0; o < weights.num_outputs; ++o) {
        double sum = 0;
        for (std::int64_t i = 0; i < weights.num_inputs; ++i) {
          sum +=
              row[static_cast<std::size_t>(i)] * weights.weights[static_cast<std::size_t>(o * weights.num_inputs + i)];
        }
        if (!weights.bias.empty()) sum += weights.bias[static_cast<std::size_t>(o)];
        if (args.activation == Activation::kGelu) sum = sum / 2 * (1 + std::erf(sum / std::sqrt(2.0)));
        if (args.residual != nullptr) sum += args.residual[r * args.residual_stride + o];
        write(args.output.data, r * args.output.row_stride + o / 64 * args.output.block_stride + o % 64,
              args.output.type, sum);
      }
    }
  }

  void mlp(const MlpArgs& args) override {
    const std::int64_t d = args.up->inputs(), hidden = args.up->outputs();
    std::vector<float> between(static_cast<std::size_t>(args.num_rows * hidden));
    linear({.input = {args.rows, args.num_rows, d, d},
            .norm = &args.norm,
            .weights = args.up,
            .activation = Activation::kGelu,
            .output = {between.data(), StorageType::kFloat32, hidden, 64}});
    linear({.input = {between.data(), args.num_rows, hidden, hidden},
            .weights = args.down,
            .residual = args.rows,
            .residual_stride = d,
            .output = {args.rows, StorageType::kFloat32, d, 64}});
  }

  void layer_norm(ConstRows input, const LayerNorm& norm, float* output) override {
    for (std::int64_t r = 0; r < input.rows; ++r) {
      std::vector<double> row(input.data + r * input.stride, input.data + r * input.stride + input.columns);
      normalise(row, norm);
      std::copy(row.begin(), row.end(), output + r * input.columns);
    }
  }

  void encoder_attention(const EncoderAttentionArgs& args) override {
    for (const AttentionWindow& window : args.windows) {
      for (int head = 0; head < args.num_heads; ++head) {
        const auto rows_of = [&](int which) {
          return args.qkv + ((which * args.num_heads + head) * args.total_rows + window.first_row) * kHeadSize;
        };
        for (std::int64_t r = 0; r < window.num_rows; ++r) {
          attend(rows_of(0) + r * kHeadSize, rows_of(1), rows_of(2), nullptr, StorageType::kFloat32, window.num_rows,
                 args.output + ((window.first_row + r) * args.num_heads + head) * kHeadSize);
        }
      }
    }
  }

  void append(std::span<const AppendArgs> rows) override {
    for (const AppendArgs& row : rows) {
      for (int head = 0; head < row.num_heads; ++head) {
        for (int i = 0; i < kHeadSize; ++i) {
          write(row.cache, head * row.head_stride + i, row.storage, row.row[head * kHeadSize + i]);
        }
      }
    }
  }

  void cached_attention(const CachedAttentionArgs& args) override {
    for (const CachedAttention& sequence : args.sequences) {
      for (int head = 0; head < args.num_heads; ++head) {
        const std::int64_t offset = head * sequence.head_stride * storage_bytes(args.storage);
        for (std::int64_t r = 0; r < sequence.num_rows; ++r) {
          const std::int64_t row = sequence.first_row + r;
          attend(args.queries.data + row * args.queries.stride + head * kHeadSize,
                 static_cast<const std::byte*>(sequence.keys) + offset,
                 static_cast<const std::byte*>(sequence.values) + offset, sequence.cells, args.storage,
                 sequence.num_keys + r, args.output + (row * args.num_heads + head) * kHeadSize);
        }
      }
    }
  }

  // [2 * num_heads][capacity, 64], keys before values; 8 bits are rounded to, but held as float32.
  std::size_t cross_cache_bytes(StorageType storage, int num_heads, std::int64_t capacity) const override {
    return static_cast<std::size_t>(2 * num_heads * capacity * kHeadSize * storage_bytes(held_as(storage)));
  }

  void fill_cross_cache(const FillCrossCacheArgs& args) override {
    const std::int64_t outputs = args.weights->outputs();
    std::vector<float> rows(static_cast<std::size_t>(args.input.rows * outputs));
    linear({.input = args.input, .weights = args.weights, .output = {rows.data(), StorageType::kFloat32, outputs}});
    for (std::int64_t r = 0; r < args.input.rows; ++r) {
      for (std::int64_t head = 0; head < outputs / kHeadSize; ++head) {
        float* const values = rows.data() + r * outputs + head * kHeadSize;
        if (args.cache.storage == StorageType::kInt8) round_to_8_bits(std::span(values, kHeadSize));
        for (int i = 0; i < kHeadSize; ++i) {
          write(args.cache.data, (head * args.cache.capacity + r) * kHeadSize + i, held_as(args.cache.storage),
                values[i]);
        }
      }
    }
  }

  void cross_attention(const CrossAttentionArgs& args) override {
    for (const CrossAttention& sequence : args.sequences) {
      const CrossCache& cache = sequence.cache;
      for (int head = 0; head < cache.num_heads; ++head) {
        for (std::int64_t r = 0; r < sequence.num_rows; ++r) {
          const std::int64_t row = sequence.first_row + r;
          attend(args.queries.data + row * args.queries.stride + head * kHeadSize, head_of(cache, head),
                 head_of(cache, cache.num_heads + head), nullptr, held_as(cache.storage), sequence.num_keys,
                 args.output + (row * cache.num_heads + head) * kHeadSize);
        }
      }
    }
  }

  void cross_weights(std::span<const CrossWeightsArgs> heads) override {
    for (const CrossWeightsArgs& args : heads) {
      for (std::int64_t r = 0; r < args.queries.rows; ++r) {
        const std::int64_t row = args.query_rows != nullptr ? args.query_rows[r] : r;
        const auto weights =
            soft_max_scores(args.queries.data + row * args.queries.stride, head_of(args.cache, args.head), nullptr,
                            held_as(args.cache.storage), args.num_keys);
        std::copy(weights.begin(), weights.end(), args.weights + r * args.num_keys);
      }
    }
  }

 private:
  static StorageType held_as(StorageType storage) {
    return storage == StorageType::kInt8 ? StorageType::kFloat32 : storage;
  }
  static const void* head_of(const CrossCache& cache, int head) {
    return static_cast<const std::byte*>(cache.data) +
           head * cache.capacity * kHeadSize * storage_bytes(held_as(cache.storage));
  }

  int max_quantised_;
};

}  // namespace

std::unique_ptr<Backend> make_reference_backend(int max_quantised) {
  return std::make_unique<ReferenceBackend>(max_quantised);
}

}  // namespace stenod::compute
