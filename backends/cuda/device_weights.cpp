#include "backends/cuda/device_weights.h"

#include <algorithm>
#include <array>
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
    for (const Matrix* matrix : matrices) to = copy(to, *matrix);
  }
  void copy(const Bf16* to, std::initializer_list<const Vector*> vectors) {
    for (const Vector* vector : vectors) to = copy(to, {vector->dtype, vector->data, 1, vector->size, vector->size});
  }

 private:
  // Whole rows at a time, or parts of one that is longer than a piece.
  const Bf16* copy(const Bf16* to, const Matrix& matrix) {
    auto* out = reinterpret_cast<std::uint16_t*>(const_cast<Bf16*>(to));
    auto* const piece = reinterpret_cast<std::uint16_t*>(pinned_.data());
    const bool dense = matrix.stride == matrix.columns;
    const std::int64_t rows = dense ? 1 : matrix.rows;
    const std::int64_t columns = dense ? matrix.rows * matrix.columns : matrix.columns;
    std::int64_t filled = 0;
    const auto flush = [&] {
      check(cudaMemcpy(out, piece, static_cast<std::size_t>(filled) * 2, cudaMemcpyHostToDevice), "uploading weights");
      out += filled;
      filled = 0;
    };
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t done = 0; done < columns;) {
        const std::int64_t n = std::min(kPiece - filled, columns - done);
        convert(matrix.dtype, matrix.row(row) + done * bytes_of(matrix.dtype), n, piece + filled);
        done += n;
        filled += n;
        if (filled == kPiece) flush();
      }
    }
    if (filled > 0) flush();
    return reinterpret_cast<const Bf16*>(out);
  }

  void convert(DType dtype, const std::byte* from, std::int64_t n, std::uint16_t* to) {
    if (dtype == DType::bf16) {
      std::memcpy(to, from, static_cast<std::size_t>(n) * 2);
    } else {
      floats_.resize(static_cast<std::size_t>(n));
      to_floats(dtype, from, n, floats_.data());
      std::transform(floats_.begin(), floats_.end(), to, to_bf16);
    }
  }

  PinnedMemory pinned_{kPiece * 2};
  std::vector<float> floats_;
};

}  // namespace

DeviceWeights::DeviceWeights(const ModelShape& model, std::int32_t rank, std::int32_t ranks)
    : model_(model), share_(share_of(model, rank, ranks)), config_(shape_of(model, share_)) {
  Layout measure;
  place(measure);
  memory_ = DeviceMemory(measure.used(), "the weights");
  // Rows beyond the vocabulary stay so.
  check(cudaMemset(memory_.data(), 0, static_cast<std::size_t>(memory_.bytes())), "clearing the weights");
  Layout layout(memory_.data());
  place(layout);
}

void DeviceWeights::place(Layout& layout) {
  const auto take = [&](std::int64_t count) { return reinterpret_cast<const Bf16*>(layout.take<std::uint16_t>(count)); };
  const std::int64_t h = config_.hidden;
  const std::int64_t d = config_.head_dim;
  const std::int64_t q = config_.num_heads * d;
  const std::int64_t qkv = q + 2 * config_.num_kv_heads * d;
  // A tied head's last rows may lie beyond the embedding.
  embedding_ = take(std::max<std::int64_t>(config_.vocabulary, share_.vocabulary.first + head_rows()) * h);
  head_ = take(config_.tied_head ? 0 : head_rows() * h);
  if (config_.tied_head && layout.placed()) {
    head_ = reinterpret_cast<const Bf16*>(reinterpret_cast<const std::uint16_t*>(embedding_) + share_.vocabulary.first * h);
  }
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

DeviceWeights DeviceWeights::upload(const Weights& weights, std::int32_t rank, std::int32_t ranks) {
  DeviceWeights out(weights.config().shape, rank, ranks);
  const WeightView view = weights.slice(rank, ranks);
  Uploader uploader;
  uploader.copy(out.embedding_, {&view.embedding});
  if (!out.config_.tied_head) uploader.copy(out.head_, {&view.head});
  uploader.copy(out.final_norm_, {&view.final_norm});
  for (std::size_t i = 0; i < out.layers_.size(); ++i) {
    const LayerWeights& from = view.layers[i];
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

DeviceWeights DeviceWeights::random(const ModelShape& model, std::uint32_t seed, std::int32_t rank, std::int32_t ranks) {
  DeviceWeights out(model, rank, ranks);
  const RankShare& share = out.share_;
  check(cudaDeviceSynchronize(), "clearing the weights");
  const Stream stream;
  // Each has a seed of its own, whatever is cut from it.
  const auto fill = [&](const Bf16* to, float mean, std::initializer_list<kernels::RandomPart> parts) {
    if (to == nullptr) return;
    auto* at = reinterpret_cast<std::uint16_t*>(const_cast<Bf16*>(to));
    for (const kernels::RandomPart& part : parts) {
      kernels::fill_random(reinterpret_cast<Bf16*>(at), part, seed, mean, 0.02f, stream);
      at += part.rows * part.columns;
    }
    ++seed;
  };
  const std::int64_t h = model.hidden;
  const std::int64_t d = model.head_dim;
  const std::int64_t q = model.num_heads * d;
  const std::int64_t kv = model.num_kv_heads * d;
  const std::int64_t f = model.intermediate;
  using Part = kernels::RandomPart;
  // Rows first .. first + count - 1, and likewise columns, of a matrix of `columns`.
  const auto rows = [](std::int64_t first, std::int64_t count, std::int64_t columns) {
    return Part{count, columns, first * columns, columns};
  };
  const auto columns = [](std::int64_t all_rows, std::int64_t first, std::int64_t count, std::int64_t all) {
    return Part{all_rows, count, first, all};
  };
  // q, k and v are one matrix, of which a rank has three ranges of rows.
  const std::int64_t my_q = share.heads.first * d;
  const std::int64_t my_k = q + share.kv_heads.first * d;
  const auto qkv = [&](std::int64_t width) {
    return std::array{rows(my_q, share.heads.count * d, width), rows(my_k, share.kv_heads.count * d, width),
                      rows(my_k + kv, share.kv_heads.count * d, width)};
  };
  const auto fill_qkv = [&](const Bf16* to, std::int64_t width) {
    const auto parts = qkv(width);
    fill(to, 0, {parts[0], parts[1], parts[2]});
  };
  fill(out.embedding_, 0, {rows(0, model.vocabulary, h)});
  if (!model.tied_head) fill(out.head_, 0, {rows(share.vocabulary.first, share.vocabulary.count, h)});
  fill(out.final_norm_, 1, {rows(0, 1, h)});
  for (const DeviceLayer& layer : out.layers_) {
    fill(layer.attention_norm, 1, {rows(0, 1, h)});
    fill_qkv(layer.qkv, h);
    fill_qkv(layer.qkv_bias, 1);
    fill(layer.q_norm, 1, {rows(0, 1, d)});
    fill(layer.k_norm, 1, {rows(0, 1, d)});
    fill(layer.o, 0, {columns(h, my_q, share.heads.count * d, q)});
    fill(layer.mlp_norm, 1, {rows(0, 1, h)});
    const RankShare::Part& units = share.intermediate;
    fill(layer.gate_up, 0, {rows(units.first, units.count, h), rows(f + units.first, units.count, h)});
    fill(layer.down, 0, {columns(h, units.first, units.count, f)});
  }
  stream.synchronize();
  return out;
}

}  // namespace tokenyard::cuda
