// nano-vLLM at bb823b3 (2026-04-26): prefill first, else decode.
//
// A step is either all prefill or all decode. Waiting requests are prefilled whole, in order; only the first of a step may be
// cut to the token budget, and then stays at the head of the queue with its table until it is done. A decode step takes the
// first max_num_seqs running requests; one that finds no block takes the latest admitted request's.
#include <algorithm>

#include "core/scheduler.h"

namespace tokenyard::policies {
namespace {

class NanoVllm final : public Scheduler {
 public:
  explicit NanoVllm(const EngineConfig& config) : Scheduler(config) {}

 private:
  void compose(TimeNs, StepPlan& plan) override {
    prefill(plan);
    plan.prefill_only = !plan.rows.empty();
    if (!plan.prefill_only) decode(plan);
  }

  void prefill(StepPlan& plan) {
    std::int32_t budget = config_.max_num_batched_tokens;
    while (!waiting_.empty()) {
      Request& request = *waiting_.front();
      const auto seated = static_cast<std::int32_t>(plan.rows.size());
      if (seated >= config_.max_num_seqs) return refuse(plan, request, {Cause::seats, seated + 1, config_.max_num_seqs});
      if (budget == 0) return refuse(plan, request, {Cause::token_budget, 1, 0});
      const bool fresh = request.blocks.empty();
      BlockManager::Prefix prefix;
      std::int32_t count = request.num_tokens - request.num_computed;
      if (fresh) {
        prefix = blocks_.find_prefix(request);
        const auto hits = static_cast<std::int32_t>(prefix.blocks.size());
        const std::int32_t needed = blocks_.blocks_for(request.num_tokens) - hits + prefix.num_free;
        if (needed > blocks_.num_free()) return refuse(plan, request, {Cause::blocks, needed, blocks_.num_free()});
        count = request.num_tokens - prefix.tokens;
      }
      if (count > budget && !plan.rows.empty()) return refuse(plan, request, {Cause::token_budget, count, budget});
      if (fresh) {
        blocks_.admit(request, prefix, request.num_tokens);
        Scheduler::admit(plan, request, prefix.tokens);
        request.state = RequestState::waiting;
      }
      count = std::min(count, budget);
      budget -= count;
      add_row(plan, request, count);
      if (request.num_computed < request.num_tokens) return;  // cut: it keeps its place at the head
      request.state = RequestState::running;
      waiting_.pop_front();
      running_.push_back(&request);
    }
  }

  void decode(StepPlan& plan) {
    for (std::size_t i = 0; i < running_.size(); ++i) {
      Request& request = *running_[i];
      if (ends_in_flight(request)) continue;
      const auto seated = static_cast<std::int32_t>(plan.rows.size());
      if (seated >= config_.max_num_seqs) return refuse(plan, request, {Cause::seats, seated + 1, config_.max_num_seqs});
      const std::int32_t needed = blocks_.missing(request, request.num_tokens);
      while (needed > blocks_.num_free()) {
        Request& victim = *running_.back();
        running_.pop_back();
        preempt(plan, victim, request, {Cause::blocks, needed, blocks_.num_free()});
        if (&victim == &request) return;
      }
      if (needed > 0) {
        plan.new_blocks.push_back({&request, static_cast<std::int32_t>(request.blocks.size())});
        blocks_.extend(request, needed);
      }
      add_row(plan, request, 1);
    }
  }
};

}  // namespace

const PolicyTraits nano_vllm = {
    .name = "nano_vllm",
    .make = [](const EngineConfig& c) -> std::unique_ptr<Scheduler> { return std::make_unique<NanoVllm>(c); },
    .block_rules =
        [](const EngineConfig&) {
          return BlockRules{.findable = BlockRules::Findable::after_step, .duplicate = BlockRules::Duplicate::newest_wins};
        },
};

}  // namespace tokenyard::policies
