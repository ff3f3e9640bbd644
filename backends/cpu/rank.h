// What one rank of tensor parallelism computes: its heads, its units of the feed-forward, its rows of the head. One rank of one
// is the whole decoder. Used by Forward.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backends/cpu/kv_cache.h"
#include "backends/cpu/thread_pool.h"
#include "backends/model/rank_team.h"
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

// What the ranks show each other. A rank writes its own entries; RankTeam::meet() lies between writing and reading.
struct RankExchange {
  explicit RankExchange(std::int32_t ranks) : team(ranks) {
    for (auto& of : partial) of.resize(static_cast<std::size_t>(ranks));
  }
  RankTeam team;
  std::vector<const float*> partial[2];  // of each rank [tokens, hidden]; two by turns, as a rank may be one sum ahead
  std::vector<float> logits;             // [rows, vocabulary], a range of columns from each rank
};

class CpuRank {
 public:
  // Reads only its slice of `weights`. `exchange` is borrowed. Throws InputError as share_of() does.
  CpuRank(const Weights& weights, std::int32_t rank, RankExchange& exchange, std::int32_t num_blocks, std::int32_t block_size,
          std::int32_t positions, std::int32_t threads, KvDtype kv_dtype);

  void copy_blocks(std::span<const BlockCopy> copies);

  // All ranks do these two at once, each on its thread of the team.
  // All layers for `tokens`. Layer by layer, every token's K/V is written before any attention reads. parts() are this run's.
  void run(std::span<const TokenWork> tokens);
  // The logits of some of the tokens last run, by index: its columns of exchange.logits, which has room for all.
  void logits(std::span<const std::int32_t> indices);

  const StepParts& parts() const { return parts_; }

 private:
  // [tokens, width], dense.
  using Rows = std::vector<float>;

  void attention_block(std::int32_t layer, std::span<const TokenWork> tokens);
  void mlp_block(std::int32_t layer, std::int64_t tokens);
  void normalize(const std::vector<float>& weight, const Rows& in, Rows& out, std::int64_t tokens);
  void prepare_heads(std::int32_t layer, std::span<const TokenWork> tokens);
  void rotate(float* head, const std::vector<float>& norm, std::int32_t position) const;
  void add_product(const Matrix& w, const Rows& x, std::int64_t tokens);

  // The vectors of a layer in single precision; matrices stay as they are stored.
  struct LayerVectors {
    std::vector<float> attention_norm, q_bias, k_bias, v_bias, q_norm, k_norm, mlp_norm;
  };

  std::int32_t rank_;
  RankExchange& exchange_;
  ModelShape config_;  // this rank's: its heads, its intermediate units
  WeightView weights_;
  std::vector<LayerVectors> vectors_;
  std::vector<float> final_norm_;
  RopeTable rope_;
  KvCache cache_;
  KvDtype kv_dtype_;
  ThreadPool pool_;

  Rows residual_;    // [tokens, hidden]
  Rows normed_;      // [tokens, hidden]
  Rows q_;           // [tokens, heads x head_dim]; then attention's output
  Rows k_, v_;       // [tokens, kv_heads x head_dim]
  Rows partial_[2];  // [tokens, hidden], this rank's part of what is added to the residual
  std::size_t turn_ = 0;
  Rows gate_, up_;  // [tokens, intermediate]
  Rows head_in_;
  StepParts parts_;
};

}  // namespace tokenyard
