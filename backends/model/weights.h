// A model's weights as the mathematics names them, checked against its configuration: views of the mapped files, never copies.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backends/model/model_config.h"
#include "backends/model/safetensors.h"

namespace tokenyard {

// rows x columns elements, row r starts at element r x stride. Multiplies from the left: y = W x.
struct Matrix {
  DType dtype = DType::f32;
  const std::byte* data = nullptr;  // need not be aligned
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t stride = 0;

  const std::byte* row(std::int64_t r) const { return data + r * stride * bytes_of(dtype); }
  Matrix some_rows(std::int64_t first, std::int64_t count) const;
  Matrix some_columns(std::int64_t first, std::int64_t count) const;
};

struct Vector {
  DType dtype = DType::f32;
  const std::byte* data = nullptr;  // null: the family has none
  std::int64_t size = 0;
  explicit operator bool() const { return data != nullptr; }
};

// One decoder layer. h = hidden, d = head_dim, nq and nkv = heads of this rank, i = intermediate of this rank.
struct LayerWeights {
  Vector attention_norm;          // [h]
  Matrix q, k, v;                 // [nq d, h], [nkv d, h], [nkv d, h]
  Vector q_bias, k_bias, v_bias;  // [nq d], [nkv d], [nkv d]; Qwen2 only
  Vector q_norm, k_norm;          // [d]; Qwen3 only
  Matrix o;                       // [h, nq d]
  Vector mlp_norm;                // [h]
  Matrix gate, up;                // [i, h]
  Matrix down;                    // [h, i]
};

// All of the model, or what one of several ranks needs: its share of the heads, of the intermediate units and of the LM head's
// rows. The sums over ranks of the outputs of o and down are the whole model's. The embedding is whole everywhere, as a view
// costs nothing.
struct WeightView {
  Matrix embedding;  // [vocabulary, h]
  std::vector<LayerWeights> layers;
  Vector final_norm;  // [h]
  Matrix head;        // [vocabulary of this rank, h]; the embedding's rows if tied
  std::int32_t first_head_row = 0;
};

class Weights {
 public:
  // Maps `folder` and checks that every tensor the configuration calls for is there in the right shape and none besides
  // (a tied model's own lm_head.weight is the embedding again; where it differs it is the head, and config() says it is not
  // tied, as in transformers 5). Throws InputError naming the tensor.
  explicit Weights(const std::string& folder);

  const ModelConfig& config() const { return config_; }
  // What was passed over in the files, or differs from what config.json says; a sentence each.
  const std::vector<std::string>& notes() const { return notes_; }
  const WeightView& whole() const { return whole_; }
  // As share_of() cuts the model, which says what is required and what is thrown.
  WeightView slice(std::int32_t rank, std::int32_t ranks) const;

  std::int64_t num_parameters() const { return num_parameters_; }  // a tied head counts once
  std::int64_t num_bytes() const { return num_bytes_; }

 private:
  ModelConfig config_;
  TensorFolder folder_;
  std::vector<std::string> notes_;
  WeightView whole_;
  std::int64_t num_parameters_ = 0;
  std::int64_t num_bytes_ = 0;
};

// `count` elements of any alignment, exactly.
void to_floats(DType dtype, const std::byte* data, std::int64_t count, float* out);
std::vector<float> to_floats(const Vector& vector);

}  // namespace tokenyard
