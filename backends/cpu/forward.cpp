#include "backends/cpu/forward.h"

#include <algorithm>
#include <utility>

namespace tokenyard {
namespace {

constexpr std::size_t kLogitRows = 32;  // computed at a time, which bounds their memory

// What a rank computed by itself: the slowest waits least for the others.
TimeNs own_time(const CpuRank& rank) { return rank.parts().total() - rank.parts().communication; }

}  // namespace

Forward::Forward(const Weights& weights, std::int32_t num_blocks, std::int32_t block_size, std::int32_t positions,
                 std::int32_t threads, std::int32_t ranks, KvDtype kv_dtype, std::function<void(std::int32_t rank)> on_rank)
    : vocabulary_(static_cast<std::size_t>(weights.config().shape.vocabulary)), on_rank_(std::move(on_rank)), exchange_(ranks) {
  for (std::int32_t rank = 0; rank < ranks; ++rank) {
    ranks_.push_back(std::make_unique<CpuRank>(weights, rank, exchange_, num_blocks, block_size, positions,
                                               std::max(1, threads / ranks), kv_dtype));
  }
}

void Forward::copy_blocks(std::span<const BlockCopy> copies) {
  for (const auto& rank : ranks_) rank->copy_blocks(copies);
}

void Forward::run(std::span<const TokenWork> tokens, StepParts& parts) {
  exchange_.team.run([&](std::int32_t rank) {
    if (on_rank_) {
      on_rank_(rank);
      exchange_.team.check();
    }
    ranks_[static_cast<std::size_t>(rank)]->run(tokens);
  });
  const StepParts& slowest = (*std::max_element(ranks_.begin(), ranks_.end(), [](const auto& a, const auto& b) {
                               return own_time(*a) < own_time(*b);
                             }))->parts();
  parts.gemm += slowest.gemm;
  parts.attention += slowest.attention;
  parts.elementwise += slowest.elementwise;
  parts.communication += slowest.communication;
}

void Forward::logits(std::span<const std::int32_t> indices,
                     const std::function<void(std::size_t, std::span<const float>)>& use) {
  std::vector<float>& logits = exchange_.logits;
  for (std::size_t first = 0; first < indices.size(); first += kLogitRows) {
    const auto some = indices.subspan(first, std::min(kLogitRows, indices.size() - first));
    logits.resize(some.size() * vocabulary_);
    exchange_.team.run([&](std::int32_t rank) { ranks_[static_cast<std::size_t>(rank)]->logits(some); });
    for (std::size_t i = 0; i < some.size(); ++i) use(first + i, std::span(logits).subspan(i * vocabulary_, vocabulary_));
  }
}

}  // namespace tokenyard
