// A random little world around one scheduler, and a shadow of the KV pool that knows what every slot should hold.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/dice.h"
#include "core/scheduler.h"

namespace tokenyard::test {

// Everything it does follows from (config, seed), so a second world can be brought to the same point.
class World {
 public:
  // `withheld` blocks exist beyond config.num_blocks and are not to be had until give_blocks().
  World(const EngineConfig& config, std::uint64_t seed, std::int32_t withheld = 0) : dice_(seed) {
    EngineConfig larger = config;
    larger.num_blocks += withheld;
    scheduler_ = Scheduler::create(larger);
    scheduler_->blocks().pool().take_run(config.num_blocks, withheld, withheld_);
  }

  void give_blocks(std::int64_t count) {
    const std::vector<BlockId> given(withheld_.begin(), withheld_.begin() + count);
    withheld_.erase(withheld_.begin(), withheld_.begin() + count);
    scheduler_->blocks().pool().release(given);
  }

  Scheduler& scheduler() { return *scheduler_; }
  const StepPlan& plan() const { return next().plan; }  // of the latest schedule()
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

  // The next step; with async_scheduling the one before is still running.
  void schedule() {
    now_ += dice_.roll(0, 2);
    const bool async = scheduler_->config().async_scheduling;
    latest_ = 1 - latest_;
    Step& step = steps_[latest_];
    scheduler_->schedule(now_, step.plan, async ? &steps_[1 - latest_].plan : nullptr);
    step.tables.clear();
    for (const Row& row : step.plan.rows) step.tables.push_back(row.request->blocks);
  }

  // Throws std::logic_error when a row of the step that runs would read K/V that are not its own text's.
  void compute() {
    const Step& step = running();
    for (const BlockCopy& copy : step.plan.copies) {
      const std::vector<std::uint64_t> moved = shadow(copy.from);
      shadow(copy.to) = moved;
    }
    // A row of a request that was cancelled before its token was known computes nobody knows what.
    const auto ended = [](const Row& row) { return row.request->finish_reason != FinishReason::none; };
    for (std::size_t i = 0; i < step.plan.rows.size(); ++i) {
      const Row& row = step.plan.rows[i];
      for (std::int32_t p = row.first; p < row.first + row.count; ++p) {
        slot(step.tables[i], p) = p < row.request->tokens.size() ? meaning(*row.request, p) : 1;
      }
    }
    for (std::size_t i = 0; i < step.plan.rows.size(); ++i) {
      const Row& row = step.plan.rows[i];
      for (std::int32_t p = 0; p < row.first + row.count && !ended(row); ++p) {
        if (slot(step.tables[i], p) != meaning(*row.request, p)) {
          throw std::logic_error(row.request->spec.id + " reads wrong K/V at position " + std::to_string(p));
        }
      }
    }
  }

  void commit() {
    const StepPlan& plan = running().plan;
    StepResult result;
    for (const Row& row : plan.rows) {
      if (row.sample) result.tokens.push_back(dice_.chance(3) ? 7 : dice_.roll(8, 11));
    }
    gone_.clear();
    scheduler_->commit(plan, result, gone_);
    left_ += gone_.size();
  }
  const std::vector<Request*>& gone() const { return gone_; }

 private:
  struct Step {
    StepPlan plan;
    std::vector<std::vector<BlockId>> tables;  // by row, as planned
  };
  const Step& next() const { return steps_[latest_]; }
  const Step& running() const { return steps_[scheduler_->config().async_scheduling ? 1 - latest_ : latest_]; }

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
  std::uint64_t& slot(const std::vector<BlockId>& table, std::int32_t position) {
    const std::int32_t size = scheduler_->config().block_size;
    return shadow(table[static_cast<std::size_t>(position / size)])[static_cast<std::size_t>(position % size)];
  }

  Dice dice_;
  std::unique_ptr<Scheduler> scheduler_;
  std::vector<std::unique_ptr<Request>> requests_;
  std::vector<std::vector<std::uint64_t>> shadow_;
  Step steps_[2];
  int latest_ = 0;
  std::vector<BlockId> withheld_;
  std::vector<Request*> gone_;
  TimeNs now_ = 0;
  std::size_t joined_ = 0;
  std::size_t left_ = 0;
};

}  // namespace tokenyard::test
