// A random little world around one scheduler, and a shadow of the KV pool that knows what every slot should hold.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "core/scheduler.h"

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

// Everything it does follows from (config, seed), so a second world can be brought to the same point.
class World {
 public:
  // `withheld` blocks exist beyond config.num_blocks and are not to be had until give_blocks().
  World(const EngineConfig& config, std::uint64_t seed, std::int32_t withheld = 0) : dice_(seed) {
    EngineConfig larger = config;
    larger.num_blocks += withheld;
    scheduler_ = Scheduler::create(larger);
    scheduler_->blocks().pool().take_run(config.num_blocks, withheld);
    for (BlockId b = config.num_blocks; b < larger.num_blocks; ++b) withheld_.push_back(b);
  }

  void give_blocks(std::int64_t count) {
    const std::vector<BlockId> given(withheld_.begin(), withheld_.begin() + count);
    withheld_.erase(withheld_.begin(), withheld_.begin() + count);
    scheduler_->blocks().pool().release(given);
  }

  Scheduler& scheduler() { return *scheduler_; }
  const StepPlan& plan() const { return plan_; }
  TimeNs now() const { return now_; }
  int live() const { return static_cast<int>(joined_ - left_); }
  int finished() const { return static_cast<int>(left_); }

  // Joins and cancels of one moment.
  void mingle(bool may_join) {
    while (may_join && dice_.chance(live() < 12 ? 45 : 5)) join();
    if (live() > 0 && dice_.chance(4)) {
      std::vector<Request*> all;
      for (const auto& request : requests_) {
        if (request->joined_step >= 0 && request->finish_reason == FinishReason::none) all.push_back(request.get());
      }
      if (!all.empty()) {
        Request* victim = all[static_cast<std::size_t>(dice_.roll(0, static_cast<int>(all.size()) - 1))];
        if (scheduler_->cancel(*victim)) ++left_;
      }
    }
  }

  void schedule() {
    now_ += dice_.roll(0, 2);
    scheduler_->schedule(now_, plan_);
  }

  // Throws std::logic_error when a row would read K/V that are not its own text's.
  void compute() {
    for (const BlockCopy& copy : plan_.copies) {
      const std::vector<std::uint64_t> moved = shadow(copy.from);
      shadow(copy.to) = moved;
    }
    for (const Row& row : plan_.rows) {
      for (std::int32_t p = row.first; p < row.first + row.count; ++p) slot(*row.request, p) = meaning(*row.request, p);
    }
    for (const Row& row : plan_.rows) {
      for (std::int32_t p = 0; p < row.first + row.count; ++p) {
        if (slot(*row.request, p) != meaning(*row.request, p)) {
          throw std::logic_error(row.request->spec.id + " reads wrong K/V at position " + std::to_string(p));
        }
      }
    }
  }

  void commit() {
    StepResult result;
    for (const Row& row : plan_.rows) {
      if (row.sample) result.tokens.push_back(dice_.chance(3) ? 7 : dice_.roll(8, 11));
    }
    gone_.clear();
    scheduler_->commit(plan_, result, gone_);
    left_ += gone_.size();
  }
  const std::vector<Request*>& gone() const { return gone_; }

 private:
  void join() {
    auto request = std::make_unique<Request>();
    RequestSpec& spec = request->spec;
    spec.id = "r" + std::to_string(requests_.size());
    spec.arrival = now_;
    spec.priority = dice_.roll(0, 3);
    spec.max_tokens = dice_.roll(1, 40);
    if (dice_.chance(20)) spec.min_tokens = dice_.roll(0, spec.max_tokens);
    spec.ignore_eos = dice_.chance(30);
    if (dice_.chance(20)) spec.stop_token_ids = {8};
    // Prompts repeat a few texts, so that prefixes are shared; the tail is often the request's own.
    const int shared = dice_.roll(0, 40);
    for (int i = 0; i < shared; ++i) spec.prompt.append(Token{100 + dice_.roll(0, 0)});
    if (dice_.chance(50)) {
      const int own = dice_.roll(1, 20);
      for (int i = 0; i < own; ++i) spec.prompt.append(Token{dice_.roll(100, 101)});
    }
    requests_.push_back(std::move(request));
    Request& added = *requests_.back();
    if (scheduler_->impossible(added.spec)) return;
    added.number = static_cast<std::int32_t>(requests_.size()) - 1;
    added.tokens = added.spec.prompt;
    added.num_tokens = added.num_prompt = added.tokens.size();
    added.joined_at = now_;
    added.joined_step = 0;
    scheduler_->add(added);
    ++joined_;
  }

  // What the K/V at a position depend on: every token up to it.
  static std::uint64_t meaning(const Request& request, std::int32_t position) {
    return request.tokens.hash_block({}, 0, position + 1).low;
  }
  std::vector<std::uint64_t>& shadow(BlockId block) {
    const auto b = static_cast<std::size_t>(block);
    if (shadow_.size() <= b) shadow_.resize(b + 1);
    shadow_[b].resize(static_cast<std::size_t>(scheduler_->config().block_size));
    return shadow_[b];
  }
  std::uint64_t& slot(const Request& request, std::int32_t position) {
    const std::int32_t size = scheduler_->config().block_size;
    return shadow(request.blocks[static_cast<std::size_t>(position / size)])[static_cast<std::size_t>(position % size)];
  }

  Dice dice_;
  std::unique_ptr<Scheduler> scheduler_;
  std::vector<std::unique_ptr<Request>> requests_;
  std::vector<std::vector<std::uint64_t>> shadow_;
  StepPlan plan_;
  std::vector<BlockId> withheld_;
  std::vector<Request*> gone_;
  TimeNs now_ = 0;
  std::size_t joined_ = 0;
  std::size_t left_ = 0;
};

inline const std::vector<Policy>& all_policies() {
  static const std::vector<Policy> all = {Policy::static_batch, Policy::orca, Policy::nano_vllm, Policy::vllm_v1};
  return all;
}

}  // namespace tokenyard::test
