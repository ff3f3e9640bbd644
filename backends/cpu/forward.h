// The decoder itself: embedding, layers, head. Used by CpuBackend.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "backends/cpu/kv_cache.h"
#include "backends/cpu/thread_pool.h"
#include "backends/model/rope.h"
#include "backends/model/weights.h"
#include "core/step_plan.h"

namespace tokenyard {

// One token to compute. Without a request it is padding: it goes through the matrix products and has no K/V.
struct TokenWork {
  const Request* request;
  std::int32_t position;
  Token token;
};

class Forward {
 public:
  Forward(const Weights& weights, std::int32_t num_blocks, std::int32_t block_size, std::int32_t positions,
          std::int32_t threads);

  void copy_blocks(std::span<const BlockCopy> copies);

  // All layers for `tokens`. Layer by layer, every token's K/V is written before any attention reads. Adds to `parts`.
  void run(std::span<const TokenWork> tokens, StepParts& parts);

  // The logits of some of the tokens last run, by index, a few at a time: `use(i, logits)` for indices[i], in order.
  void logits(std::span<const std::int32_t> indices, const std::function<void(std::size_t, std::span<const float>)>& use);

 private:
  // [tokens, width], dense.
  using Rows = std::vector<float>;

  void attention_block(std::int32_t layer, std::span<const TokenWork> tokens, StepParts& parts);
  void mlp_block(std::int32_t layer, std::int64_t tokens, StepParts& parts);
  void normalize(const std::vector<float>& weight, const Rows& in, Rows& out, std::int64_t tokens);
  void prepare_heads(std::int32_t layer, std::span<const TokenWork> tokens);
  void rotate(float* head, const std::vector<float>& norm, std::int32_t position) const;
  void add(Rows& to, const Rows& what);

  // The vectors of a layer in single precision; matrices stay as they are stored.
  struct LayerVectors {
    std::vector<float> attention_norm, q_bias, k_bias, v_bias, q_norm, k_norm, mlp_norm;
  };

  const ModelShape& config_;
  const WeightView& weights_;
  std::vector<LayerVectors> vectors_;
  std::vector<float> final_norm_;
  RopeTable rope_;
  KvCache cache_;
  ThreadPool pool_;

  Rows residual_;   // [tokens, hidden]
  Rows normed_;     // [tokens, hidden]
  Rows q_;          // [tokens, heads x head_dim]; then attention's output
  Rows k_, v_;      // [tokens, kv_heads x head_dim]
  Rows branch_;     // [tokens, hidden], what is added to the residual
  Rows gate_, up_;  // [tokens, intermediate]
  Rows head_in_, head_out_;
};

}  // namespace tokenyard
