// A model's weights on the card: bf16, matrices that share an input joined into one.
#pragma once

#include <cstdint>
#include <vector>

#include "backends/cuda/device.h"
#include "backends/model/weights.h"
#include "kernels/device.h"

namespace tokenyard::cuda {

using kernels::Bf16;

// Null: the family has none.
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
  // Copies them from the mapped files; fp16 and fp32 are rounded to bf16, to nearest even. Throws BackendError.
  static DeviceWeights upload(const Weights& weights);
  // Random ones of a model's shape: matrices of deviation 0.02, norms of mean 1.
  static DeviceWeights random(const ModelShape& config, std::uint32_t seed);

  const ModelShape& config() const { return config_; }
  const std::vector<DeviceLayer>& layers() const { return layers_; }
  const Bf16* embedding() const { return embedding_; }    // [head_rows, hidden]
  const Bf16* final_norm() const { return final_norm_; }  // [hidden]
  const Bf16* head() const { return head_; }              // [head_rows, hidden]; the embedding if tied
  // The vocabulary, rounded up to a multiple of 8 with rows of zeros: rows of the logits are then aligned.
  std::int32_t head_rows() const { return (config_.vocabulary + 7) / 8 * 8; }
  std::int64_t num_bytes() const { return memory_.bytes(); }

 private:
  explicit DeviceWeights(const ModelShape& config);  // takes the memory
  void place(Layout& layout);

  ModelShape config_;
  DeviceMemory memory_;
  std::vector<DeviceLayer> layers_;
  const Bf16* embedding_ = nullptr;
  const Bf16* final_norm_ = nullptr;
  const Bf16* head_ = nullptr;
};

}  // namespace tokenyard::cuda
