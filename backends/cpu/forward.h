// The decoder itself: embedding, layers, head, by one rank or by several that share it. Used by CpuBackend.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "backends/cpu/rank.h"
#include "core/step_plan.h"

namespace tokenyard {

class Forward {
 public:
  // `threads` are divided among the ranks, of which each has one at least. Throws InputError as share_of() does.
  Forward(const Weights& weights, std::int32_t num_blocks, std::int32_t block_size, std::int32_t positions,
          std::int32_t threads, std::int32_t ranks, KvDtype kv_dtype, std::function<void(std::int32_t rank)> on_rank);

  void copy_blocks(std::span<const BlockCopy> copies);

  // All layers for `tokens`. Adds the parts of the slowest rank to `parts`. Throws what a rank failed with.
  void run(std::span<const TokenWork> tokens, StepParts& parts);

  // The logits of some of the tokens last run, by index, a few at a time: `use(i, logits)` for indices[i], in order.
  void logits(std::span<const std::int32_t> indices, const std::function<void(std::size_t, std::span<const float>)>& use);

  // A rank's thread, which may wake up, still uses this: it must not be freed.
  bool lost() const { return exchange_.team.lost(); }

 private:
  std::size_t vocabulary_;
  std::function<void(std::int32_t rank)> on_rank_;
  RankExchange exchange_;
  std::vector<std::unique_ptr<CpuRank>> ranks_;
};

}  // namespace tokenyard
