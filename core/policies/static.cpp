// FasterTransformer's batch: collect requests, prefill them together, decode until the slowest ends.
//
// Each request reserves prompt + max_tokens as one run of blocks. The prefill is padded to the longest prompt; a request that
// has ended stays in the batch as padding, because the batch is one matrix. Nobody joins, nobody is preempted.
#include <algorithm>

#include "core/scheduler.h"

namespace tokenyard::policies {
namespace {

class StaticBatch final : public Scheduler {
 public:
  explicit StaticBatch(const EngineConfig& config) : Scheduler(config) {}

 private:
  std::optional<std::string> policy_impossible(const RequestSpec& spec) const override {
    const std::int32_t tokens = longest(spec, spec.prompt.size());
    if (blocks_.blocks_for(tokens) <= blocks_.num_usable()) return std::nullopt;
    return "a reservation of " + std::to_string(tokens) + " tokens (prompt + max_tokens) needs " +
           std::to_string(blocks_.blocks_for(tokens)) + " blocks; the pool has " + std::to_string(blocks_.num_usable());
  }

  void compose(TimeNs now, StepPlan& plan) override {
    if (!running_.empty()) {
      decode(plan);
      if (!waiting_.empty()) {
        refuse(plan, *waiting_.front(), {Cause::batch_running, static_cast<std::int64_t>(running_.size()), 0});
      }
    } else if (!waiting_.empty()) {
      const TimeNs patience = waiting_.front()->joined_at + config_.batch_timeout;
      const bool full = waiting_.size() >= static_cast<std::size_t>(config_.max_num_seqs);
      if (!full && now < patience) {
        refuse(plan, *waiting_.front(), {Cause::batch_timeout, patience - now, 0});
        plan.wake_at = patience;
        return;
      }
      prefill(plan);
    }
  }

  void prefill(StepPlan& plan) {
    plan.prefill_only = true;
    std::int32_t longest_prompt = 0;
    while (!waiting_.empty()) {
      Request& request = *waiting_.front();
      const auto seats = static_cast<std::int32_t>(running_.size()) + 1;
      const std::int32_t needed = blocks_.blocks_for(longest(request.spec, request.num_prompt));
      if (seats > config_.max_num_seqs) {
        refuse(plan, request, {Cause::seats, seats, config_.max_num_seqs});
        break;
      }
      if (!blocks_.reserve(request, needed)) {
        refuse(plan, request, {Cause::region, needed, blocks_.pool().largest_hole()});
        break;
      }
      waiting_.pop_front();
      running_.push_back(&request);
      admit(plan, request, 0);
      add_row(plan, request, request.num_tokens);
      longest_prompt = std::max(longest_prompt, request.num_tokens);
    }
    for (Row& row : plan.rows) row.padding = longest_prompt - row.count;
  }

  void decode(StepPlan& plan) {
    for (Request* request : running_) {
      if (request->finish_reason == FinishReason::none) {
        add_row(plan, *request, 1);
      } else {
        plan.rows.push_back({request, request->num_computed, 0, 1, false});
      }
    }
  }
};

}  // namespace

const PolicyTraits static_batch = {
    .name = "static",
    .make = [](const EngineConfig& c) -> std::unique_ptr<Scheduler> { return std::make_unique<StaticBatch>(c); },
    .block_rules = [](const EngineConfig&) { return BlockRules{.contiguous = true}; },
    .leaves_together = true,
    .plans_ahead = false,  // when a batch ends depends on what is said
};

}  // namespace tokenyard::policies
