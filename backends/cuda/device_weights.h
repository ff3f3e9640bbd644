// A model's weights on a card, or a rank's share of them: bf16, matrices that share an input joined into one.
#pragma once

#include <cstdint>
#include <vector>

#include "backends/cuda/device.h"
#include "backends/model/weights.h"
#include "kernels/device.h"

namespace tokenyard::cuda {

using kernels::Bf16;

// Of one rank: its heads and K/V heads, its intermediate units. Null: the family has none.
struct DeviceLayer {
  const Bf16* attention_norm;  // [hidden]
  const Bf16* qkv;             // [(heads + 2 kv_heads) head_dim, hidden]: q, k, v
  const Bf16* qkv_bias;        // [(heads + 2 kv_heads) head_dim]
  const Bf16* q_norm;          // [head_dim]
  const Bf16* k_norm;          // [head_dim]
  const Bf16* o;               // [hidden, heads head_dim]
  const Bf16* mlp_norm;        // [hidden]
  const Bf16* gate_up;         // [2 intermediate, hidden]: gate, up
  const Bf16* down;            // [hidden, intermediate]
};

class DeviceWeights {
 public:
  // Copies them from the mapped files to the current device, reading the rank's slices and the embedding only; fp16 and fp32
  // are rounded to bf16, to nearest even. Throws BackendError.
  static DeviceWeights upload(const Weights& weights, std::int32_t rank = 0, std::int32_t ranks = 1);
  // Random ones of a model's shape: matrices of deviation 0.02, norms of mean 1. The ranks' shares are of one model.
  static DeviceWeights random(const ModelShape& model, std::uint32_t seed, std::int32_t rank = 0, std::int32_t ranks = 1);

  const ModelShape& model() const { return model_; }
  // What this rank computes by itself: its heads, its intermediate units, the whole vocabulary.
  const ModelShape& config() const { return config_; }
  const std::vector<DeviceLayer>& layers() const { return layers_; }
  const Bf16* embedding() const { return embedding_; }    // [vocabulary, hidden], the whole on every rank
  const Bf16* final_norm() const { return final_norm_; }  // [hidden]
  const Bf16* head() const { return head_; }              // [head_rows, hidden]; the embedding's if tied
  // This rank's tokens, Their number is rounded up to a multiple of 8, so that rows of logits are
  // aligned; what the rows beyond hold is not used.
  std::int32_t head_tokens() const { return share_.vocabulary.count; }
  std::int32_t head_rows() const { return (head_tokens() + 7) / 8 * 8; }
  std::int64_t num_bytes() const { return memory_.bytes(); }

 private:
  DeviceWeights(const ModelShape& model, std::int32_t rank, std::int32_t ranks);  // takes the memory
  void place(Layout& layout);

  ModelShape model_;
  RankShare share_;
  ModelShape config_;
  DeviceMemory memory_;
  std::vector<DeviceLayer> layers_;
  const Bf16* embedding_ = nullptr;
  const Bf16* final_norm_ = nullptr;
  const Bf16* head_ = nullptr;
};

}  // namespace tokenyard::cuda
