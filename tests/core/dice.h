// Seeded chance, and configurations drawn by it. Small numbers, so that everything happens: preemption, eviction, sharing,
// waiting.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <random>

#include "core/policy.h"

namespace tokenyard::test {

// Number of random operations: a tenth of it under sanitizers, by TOKENYARD_TEST_SCALE (percent).
inline int scaled(int n) {
  const char* percent = std::getenv("TOKENYARD_TEST_SCALE");
  return percent == nullptr ? n : std::max(1, n * std::atoi(percent) / 100);
}

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}
  int roll(int least, int most) { return least + static_cast<int>(engine_() % static_cast<std::uint64_t>(most - least + 1)); }
  bool chance(int percent) { return roll(1, 100) <= percent; }

 private:
  std::mt19937_64 engine_;
};

inline EngineConfig random_config(Policy policy, Dice& dice) {
  EngineConfig c;
  c.policy = policy;
  c.block_size = dice.chance(20) ? 1 : dice.roll(2, 16);
  c.num_blocks = dice.roll(4, 40);
  c.max_num_seqs = dice.roll(1, 8);
  c.max_num_batched_tokens = std::max(c.max_num_seqs, dice.roll(4, 64));
  c.enable_prefix_caching = dice.chance(70);
  c.eos_token_id = 7;
  if (dice.chance(30)) c.max_model_len = dice.roll(8, 96);
  c.enable_chunked_prefill = dice.chance(80);
  c.queue_order = dice.chance(50) ? QueueOrder::priority : QueueOrder::fcfs;
  c.free_order = dice.chance(50) ? FreeOrder::lru_all : FreeOrder::unhashed_first;
  if (dice.chance(30)) c.long_prefill_token_threshold = dice.roll(1, 20);
  if (dice.chance(30)) c.watermark_blocks = dice.roll(0, 4);
  c.admission_gate = dice.chance(60);
  c.batch_timeout = dice.chance(30) ? dice.roll(0, 5) : 0;
  c.delivery = dice.chance(50) ? Delivery::stream : Delivery::batch_end;
  c.reservation = static_cast<Reservation>(dice.roll(0, 2));
  if (policy == Policy::vllm_v1) c.vllm_version = static_cast<VllmVersion>(dice.roll(0, 3));
  if (policy == Policy::vllm_v1 && dice.chance(30)) {  // many chunks withdrawn in their own step
    c.queue_order = QueueOrder::priority;
    c.enable_prefix_caching = true;
    c.enable_chunked_prefill = true;
    c.admission_gate = false;
    c.block_size = dice.roll(1, 3);
    c.num_blocks = dice.roll(20, 60);
    c.long_prefill_token_threshold = dice.roll(2, 8);
    c.watermark_blocks = 0;
  }
  if (policy == Policy::vllm_v1 && !c.enable_chunked_prefill && c.max_model_len > c.max_num_batched_tokens) {
    c.max_num_batched_tokens = c.max_model_len;
  }
  return c;
}

// Its place among all: a seed that stays, wherever the program lies in memory.
inline std::uint64_t number_of(Policy policy) {
  const auto all = all_policies();
  return static_cast<std::uint64_t>(std::find(all.begin(), all.end(), policy) - all.begin());
}

}  // namespace tokenyard::test
