// Orca's iteration-level scheduling without paging: requests join and leave between any two steps, but each one's K/V must
// lie in one run of blocks, reserved ahead.
//
// max reserves the whole context, oracle exactly what the request will need, pow2 the next power of two of what it needs so
// far, doubled when outgrown (in place, else moved, else the request waits for a hole). Prompts are prefilled whole, beside
// the others' decodes.
#include <algorithm>
#include <bit>

#include "core/scheduler.h"

namespace tokenyard::policies {
namespace {

class Orca final : public Scheduler {
 public:
  explicit Orca(const EngineConfig& config) : Scheduler(config) {}

 private:
  std::optional<std::string> policy_impossible(const RequestSpec& spec) const override {
    const std::int32_t prompt = spec.prompt.size();
    if (prompt > config_.max_num_batched_tokens) {
      return "the prompt has " + std::to_string(prompt) +
             " tokens; orca prefills whole prompts and max_num_batched_tokens is " +
             std::to_string(config_.max_num_batched_tokens);
    }
    const std::int64_t tokens = reservation(spec, prompt, prompt);
    if (blocks_.blocks_for(tokens) <= blocks_.num_usable()) return std::nullopt;
    return "a reservation of " + std::to_string(tokens) + " tokens (" + name_of(config_.reservation) + ") needs " +
           std::to_string(blocks_.blocks_for(tokens)) + " blocks; the pool has " + std::to_string(blocks_.num_usable());
  }

  // Tokens to reserve for a request that has `so_far` tokens now. REQUIRES: so_far fits the pool.
  std::int64_t reservation(const RequestSpec& spec, std::int32_t prompt, std::int32_t so_far) const {
    switch (config_.reservation) {
      case Reservation::max: return config_.max_model_len > 0 ? std::int64_t{config_.max_model_len} : blocks_.capacity();
      case Reservation::pow2: {
        const std::int64_t most = std::min<std::int64_t>(longest(spec, prompt), blocks_.capacity());
        return std::max<std::int64_t>(so_far, std::min(most, std::int64_t{std::bit_ceil(static_cast<std::uint32_t>(so_far))}));
      }
      case Reservation::oracle:
        // The workload may be wrong about what a model says.
        return std::max<std::int64_t>(
            so_far, std::min<std::int64_t>(std::int64_t{prompt} + std::max(1, expected_output(spec)), longest(spec, prompt)));
    }
    return 0;
  }

  std::int32_t region_blocks(const Request& request) const {
    return blocks_.blocks_for(reservation(request.spec, request.num_prompt, request.num_tokens));
  }

  void compose(TimeNs, StepPlan& plan) override {
    std::int32_t budget = config_.max_num_batched_tokens;
    continue_running(plan, budget);
    admit_waiting(plan, budget);
  }

  void continue_running(StepPlan& plan, std::int32_t& budget) {
    for (Request* request : running_) {
      if (ends_in_flight(*request)) continue;
      if (blocks_.missing(*request, request->num_tokens) > 0) {
        const auto held = static_cast<std::int32_t>(request->blocks.size());
        const std::int32_t wanted = region_blocks(*request);
        const std::size_t copies = plan.copies.size();
        if (!blocks_.enlarge(*request, wanted, plan.copies)) {
          refuse(plan, *request, {Cause::region, wanted, blocks_.pool().largest_hole()});
          continue;
        }
        plan.new_blocks.push_back({request, plan.copies.size() > copies ? 0 : held});
      }
      add_row(plan, *request, 1);
      budget = std::max(0, budget - 1);
    }
    if (plan.rows.empty() && !plan.refusals.empty()) {
      // Everybody waits for a hole that only they can make: the latest admitted gives way and is computed again later.
      Request& victim = *running_.back();
      running_.pop_back();
      preempt(plan, victim, running_.empty() ? victim : *running_.front(), plan.refusals.front().reason);
    }
  }

  void admit_waiting(StepPlan& plan, std::int32_t& budget) {
    while (!waiting_.empty()) {
      Request& request = *waiting_.front();
      const auto seats = static_cast<std::int32_t>(running_.size()) + 1;
      if (!plan.preemptions.empty()) {
        return refuse(plan, request, {Cause::preemption, static_cast<std::int64_t>(plan.preemptions.size()), 0});
      }
      if (seats > config_.max_num_seqs) return refuse(plan, request, {Cause::seats, seats, config_.max_num_seqs});
      // A prompt always fits the budget; what a victim must recompute may not, and then has a step of its own.
      if (request.num_tokens > budget && !plan.rows.empty()) {
        return refuse(plan, request, {Cause::token_budget, request.num_tokens, budget});
      }
      const std::int32_t needed = region_blocks(request);
      if (!blocks_.reserve(request, needed)) {
        return refuse(plan, request, {Cause::region, needed, blocks_.pool().largest_hole()});
      }
      waiting_.pop_front();
      running_.push_back(&request);
      admit(plan, request, 0);
      add_row(plan, request, request.num_tokens);
      budget = std::max(0, budget - request.num_tokens);
    }
  }
};

}  // namespace

const PolicyTraits orca = {
    .name = "orca",
    .make = [](const EngineConfig& c) -> std::unique_ptr<Scheduler> { return std::make_unique<Orca>(c); },
    .block_rules = [](const EngineConfig&) { return BlockRules{.contiguous = true}; },
    .whole_prompts = [](const EngineConfig&) { return true; },
};

}  // namespace tokenyard::policies
