#include "backends/model/weights.h"

#include <bit>
#include <cstring>
#include <set>

#include "core/base/input_error.h"

namespace tokenyard {
namespace {

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string out = "[";
  for (const std::int64_t n : shape) out += (out.size() > 1 ? ", " : "") + std::to_string(n);
  return out + "]";
}

// Hands out tensors by name and shape and knows which nobody asked for.
class WeightReader {
 public:
  explicit WeightReader(const TensorFolder& folder) : folder_(folder) {}

  Matrix matrix(const std::string& name, std::int64_t rows, std::int64_t columns) {
    const Tensor& tensor = take(name, {rows, columns});
    return {tensor.dtype, tensor.data, rows, columns, columns};
  }
  Vector vector(const std::string& name, std::int64_t size) {
    const Tensor& tensor = take(name, {size});
    return {tensor.dtype, tensor.data, size};
  }
  bool has(const std::string& name) const { return folder_.tensors().contains(name); }
  void expect_no_more() const {
    for (const auto& [name, tensor] : folder_.tensors()) {
      if (!taken_.contains(name)) {
        throw InputError(tensor.file + ": " + name + ": expected no such tensor in this model, found one of shape " +
                         shape_text(tensor.shape));
      }
    }
  }
  std::int64_t parameters = 0;
  std::int64_t bytes = 0;

 private:
  const Tensor& take(const std::string& name, const std::vector<std::int64_t>& shape) {
    const auto found = folder_.tensors().find(name);
    if (found == folder_.tensors().end()) {
      throw InputError(folder_.index_file() + ": " + name + ": expected a tensor of shape " + shape_text(shape) +
                       ", found none");
    }
    const Tensor& tensor = found->second;
    if (tensor.shape != shape) {
      throw InputError(tensor.file + ": " + name + ": expected shape " + shape_text(shape) + ", found " +
                       shape_text(tensor.shape));
    }
    taken_.insert(name);
    std::int64_t count = 1;
    for (const std::int64_t n : shape) count *= n;
    parameters += count;
    bytes += count * bytes_of(tensor.dtype);
    return tensor;
  }

  const TensorFolder& folder_;
  std::set<std::string> taken_;
};

LayerWeights read_layer(WeightReader& reader, const ModelShape& shape, std::int32_t index) {
  const std::string prefix = "model.layers." + std::to_string(index) + ".";
  const std::string attention = prefix + "self_attn.";
  const std::string mlp = prefix + "mlp.";
  const std::int64_t h = shape.hidden;
  const std::int64_t d = shape.head_dim;
  const std::int64_t q = shape.num_heads * d;
  const std::int64_t kv = shape.num_kv_heads * d;
  LayerWeights layer;
  layer.attention_norm = reader.vector(prefix + "input_layernorm.weight", h);
  layer.q = reader.matrix(attention + "q_proj.weight", q, h);
  layer.k = reader.matrix(attention + "k_proj.weight", kv, h);
  layer.v = reader.matrix(attention + "v_proj.weight", kv, h);
  if (shape.qkv_bias()) {
    layer.q_bias = reader.vector(attention + "q_proj.bias", q);
    layer.k_bias = reader.vector(attention + "k_proj.bias", kv);
    layer.v_bias = reader.vector(attention + "v_proj.bias", kv);
  }
  if (shape.qk_norm()) {
    layer.q_norm = reader.vector(attention + "q_norm.weight", d);
    layer.k_norm = reader.vector(attention + "k_norm.weight", d);
  }
  layer.o = reader.matrix(attention + "o_proj.weight", h, q);
  layer.mlp_norm = reader.vector(prefix + "post_attention_layernorm.weight", h);
  layer.gate = reader.matrix(mlp + "gate_proj.weight", shape.intermediate, h);
  layer.up = reader.matrix(mlp + "up_proj.weight", shape.intermediate, h);
  layer.down = reader.matrix(mlp + "down_proj.weight", h, shape.intermediate);
  return layer;
}

// REQUIRES: whole tensors of one shape.
bool same_bytes(const Matrix& a, const Matrix& b) {
  return a.dtype == b.dtype &&
         std::memcmp(a.data, b.data, static_cast<std::size_t>(a.rows * a.columns * bytes_of(a.dtype))) == 0;
}

Vector some_elements(const Vector& vector, std::int64_t first, std::int64_t count) {
  if (!vector) return {};
  return {vector.dtype, vector.data + first * bytes_of(vector.dtype), count};
}

}  // namespace

Matrix Matrix::some_rows(std::int64_t first, std::int64_t count) const { return {dtype, row(first), count, columns, stride}; }

Matrix Matrix::some_columns(std::int64_t first, std::int64_t count) const {
  return {dtype, data + first * bytes_of(dtype), rows, count, stride};
}

Weights::Weights(const std::string& folder) : config_(load_model_config(folder)), folder_(folder), notes_(folder_.notes()) {
  ModelShape& shape = config_.shape;
  WeightReader reader(folder_);
  whole_.embedding = reader.matrix("model.embed_tokens.weight", shape.vocabulary, shape.hidden);
  for (std::int32_t i = 0; i < shape.num_layers; ++i) whole_.layers.push_back(read_layer(reader, shape, i));
  whole_.final_norm = reader.vector("model.norm.weight", shape.hidden);
  whole_.head = whole_.embedding;
  num_parameters_ = reader.parameters;
  num_bytes_ = reader.bytes;
  if (!shape.tied_head || reader.has("lm_head.weight")) {
    const Matrix head = reader.matrix("lm_head.weight", shape.vocabulary, shape.hidden);
    if (!shape.tied_head || !same_bytes(head, whole_.embedding)) {
      if (shape.tied_head) {
        notes_.push_back(folder_.tensors().at("lm_head.weight").file +
                         ": lm_head.weight: differs from the embedding and is the head, though config.json ties the two");
      }
      shape.tied_head = false;
      whole_.head = head;
      num_parameters_ = reader.parameters;
      num_bytes_ = reader.bytes;
    }
  }
  reader.expect_no_more();
}

WeightView Weights::slice(std::int32_t rank, std::int32_t ranks) const {
  const RankShare share = share_of(config_.shape, rank, ranks);
  const std::int64_t d = config_.shape.head_dim;
  const auto rows = [](Matrix& m, RankShare::Part part, std::int64_t each) {
    m = m.some_rows(part.first * each, part.count * each);
  };
  const auto columns = [](Matrix& m, RankShare::Part part, std::int64_t each) {
    m = m.some_columns(part.first * each, part.count * each);
  };
  const auto elements = [](Vector& v, RankShare::Part part, std::int64_t each) {
    v = some_elements(v, part.first * each, part.count * each);
  };
  WeightView view = whole_;
  for (LayerWeights& layer : view.layers) {
    rows(layer.q, share.heads, d);
    rows(layer.k, share.kv_heads, d);
    rows(layer.v, share.kv_heads, d);
    elements(layer.q_bias, share.heads, d);
    elements(layer.k_bias, share.kv_heads, d);
    elements(layer.v_bias, share.kv_heads, d);
    columns(layer.o, share.heads, d);
    rows(layer.gate, share.intermediate, 1);
    rows(layer.up, share.intermediate, 1);
    columns(layer.down, share.intermediate, 1);
  }
  rows(view.head, share.vocabulary, 1);
  view.first_head_row = share.vocabulary.first;
  return view;
}

namespace {

float from_bf16(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }

// Without branches and subnormal numbers, so that it is vectorised: the exponent's bias is 15 instead of 127, and what is left
// over of an infinite or subnormal number's is added.
float from_f16(std::uint16_t bits) {
  const std::uint32_t magnitude = static_cast<std::uint32_t>(bits & 0x7fffu) << 13;
  const std::uint32_t infinite = magnitude >= 31u << 23 ? 112u << 23 : 0u;  // or NaN
  const std::uint32_t subnormal = magnitude < 1u << 23 ? 1u << 23 : 0u;
  const std::uint32_t normal = magnitude + (112u << 23) + infinite + subnormal;
  const float excess = std::bit_cast<float>(subnormal * 113u);  // 2^-14 where the leading bit is not implied, else 0
  const float value = std::bit_cast<float>(normal) - excess;
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) | static_cast<std::uint32_t>(bits & 0x8000u) << 16);
}

template <typename Stored, typename Convert>
void convert(const std::byte* data, std::int64_t count, float* out, const Convert& to_float) {
  for (std::int64_t i = 0; i < count; ++i) {
    Stored stored;
    std::memcpy(&stored, data + i * static_cast<std::int64_t>(sizeof stored), sizeof stored);
    out[i] = to_float(stored);
  }
}

}  // namespace

void to_floats(DType dtype, const std::byte* data, std::int64_t count, float* out) {
  switch (dtype) {
    case DType::bf16: return convert<std::uint16_t>(data, count, out, from_bf16);
    case DType::f16: return convert<std::uint16_t>(data, count, out, from_f16);
    case DType::f32: return convert<float>(data, count, out, [](float x) { return x; });
  }
}

std::vector<float> to_floats(const Vector& vector) {
  std::vector<float> out(static_cast<std::size_t>(vector.size));
  to_floats(vector.dtype, vector.data, vector.size, out.data());
  return out;
}

}  // namespace tokenyard
