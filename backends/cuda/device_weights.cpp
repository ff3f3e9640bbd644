#include "backends/cuda/device_weights.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "kernels/random_weights.h"

namespace tokenyard::cuda {
namespace {

constexpr std::int64_t kPiece = std::int64_t{8} << 20;  // elements uploaded at a time

std::uint16_t to_bf16(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>(bits >> 16 | 0x40u);  // NaN stays one
  return static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

// Copies tensors to the card through one piece of pinned memory.
class Uploader {
 public:
  // One after another from `to` on.
  void copy(const Bf16* to, std::initializer_list<const Matrix*> matrices) {
    for (const Matrix* matrix : matrices) to = copy(to, matrix->dtype, matrix->data, matrix->rows * matrix->columns);
  }
  void copy(const Bf16* to, std::initializer_list<const Vector*> vectors) {
    for (const Vector* vector : vectors) to = copy(to, vector->dtype, vector->data, vector->size);
  }

 private:
  const Bf16* copy(const Bf16* to, DType dtype, const std::byte* data, std::int64_t count) {
    auto* const out = reinterpret_cast<std::uint16_t*>(const_cast<Bf16*>(to));
    auto* const piece = reinterpret_cast<std::uint16_t*>(pinned_.data());
    for (std::int64_t done = 0; done < count; done += kPiece) {
      const std::int64_t n = std::min(kPiece, count - done);
      const std::byte* const from = data + done * bytes_of(dtype);
      if (dtype == DType::bf16) {
        std::memcpy(piece, from, static_cast<std::size_t>(n) * 2);
      } else {
        floats_.resize(static_cast<std::size_t>(n));
        to_floats(dtype, from, n, floats_.data());
        std::transform(floats_.begin(), floats_.end(), piece, to_bf16);
      }
      check(cudaMemcpy(out + done, piece, static_cast<std::size_t>(n) * 2, cudaMemcpyHostToDevice), "uploading weights");
    }
    return reinterpret_cast<const Bf16*>(out + count);
  }

  PinnedMemory pinned_{kPiece * 2};
  std::vector<float> floats_;
};

}  // namespace

DeviceWeights::DeviceWeights(const ModelShape& config) : config_(config) {
  Layout measure;
  place(measure);
  memory_ = DeviceMemory(measure.used(), "the weights");
  Layout layout(memory_.data());
  place(layout);
}

void DeviceWeights::place(Layout& layout) {
  const auto take = [&](std::int64_t count) { return reinterpret_cast<const Bf16*>(layout.take<std::uint16_t>(count)); };
  const std::int64_t h = config_.hidden;
  const std::int64_t d = config_.head_dim;
  const std::int64_t q = config_.num_heads * d;
  const std::int64_t qkv = q + 2 * config_.num_kv_heads * d;
  embedding_ = take(head_rows() * h);
  head_ = config_.tied_head ? embedding_ : take(head_rows() * h);
  final_norm_ = take(h);
  layers_.clear();
  for (std::int32_t i = 0; i < config_.num_layers; ++i) {
    layers_.push_back({});
    DeviceLayer& layer = layers_.back();
    layer.attention_norm = take(h);
    layer.qkv = take(qkv * h);
    layer.qkv_bias = config_.qkv_bias() ? take(qkv) : nullptr;
    layer.q_norm = config_.qk_norm() ? take(d) : nullptr;
    layer.k_norm = config_.qk_norm() ? take(d) : nullptr;
    layer.o = take(h * q);
    layer.mlp_norm = take(h);
    layer.gate_up = take(2 * std::int64_t{config_.intermediate} * h);
    layer.down = take(h * config_.intermediate);
  }
}

DeviceWeights DeviceWeights::upload(const Weights& weights) {
  DeviceWeights out(weights.config().shape);
  const WeightView& whole = weights.whole();
  // The rows beyond the vocabulary.
  check(cudaMemset(out.memory_.data(), 0, static_cast<std::size_t>(out.memory_.bytes())), "clearing the weights");
  Uploader uploader;
  uploader.copy(out.embedding_, {&whole.embedding});
  if (!out.config_.tied_head) uploader.copy(out.head_, {&whole.head});
  uploader.copy(out.final_norm_, {&whole.final_norm});
  for (std::size_t i = 0; i < out.layers_.size(); ++i) {
    const LayerWeights& from = whole.layers[i];
    const DeviceLayer& to = out.layers_[i];
    uploader.copy(to.attention_norm, {&from.attention_norm});
    uploader.copy(to.qkv, {&from.q, &from.k, &from.v});
    if (to.qkv_bias != nullptr) uploader.copy(to.qkv_bias, {&from.q_bias, &from.k_bias, &from.v_bias});
    if (to.q_norm != nullptr) uploader.copy(to.q_norm, {&from.q_norm});
    if (to.k_norm != nullptr) uploader.copy(to.k_norm, {&from.k_norm});
    uploader.copy(to.o, {&from.o});
    uploader.copy(to.mlp_norm, {&from.mlp_norm});
    uploader.copy(to.gate_up, {&from.gate, &from.up});
    uploader.copy(to.down, {&from.down});
  }
  return out;
}

DeviceWeights DeviceWeights::random(const ModelShape& config, std::uint32_t seed) {
  DeviceWeights out(config);
  const Stream stream;
  const auto fill = [&](const Bf16* to, std::int64_t count, float mean) {
    if (to != nullptr) kernels::fill_random(const_cast<Bf16*>(to), count, seed++, mean, 0.02f, stream);
  };
  const std::int64_t h = config.hidden;
  const std::int64_t d = config.head_dim;
  const std::int64_t q = config.num_heads * d;
  const std::int64_t qkv = q + 2 * config.num_kv_heads * d;
  fill(out.embedding_, out.head_rows() * h, 0);
  if (!config.tied_head) fill(out.head_, out.head_rows() * h, 0);
  fill(out.final_norm_, h, 1);
  for (const DeviceLayer& layer : out.layers_) {
    fill(layer.attention_norm, h, 1);
    fill(layer.qkv, qkv * h, 0);
    fill(layer.qkv_bias, qkv, 0);
    fill(layer.q_norm, d, 1);
    fill(layer.k_norm, d, 1);
    fill(layer.o, h * q, 0);
    fill(layer.mlp_norm, h, 1);
    fill(layer.gate_up, 2 * std::int64_t{config.intermediate} * h, 0);
    fill(layer.down, h * config.intermediate, 0);
  }
  stream.synchronize();
  return out;
}

}  // namespace tokenyard::cuda
