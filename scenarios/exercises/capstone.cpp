// To begin with: first come, first served, with prompts cut to the budget, and all the blocks a request can need when it is
// admitted. Promised are a first token within 1 s and then one every 60 ms on average. Who is served when, and how much in a
// step?
#include <algorithm>

#include "core/scheduler.h"

namespace {

using namespace tokenyard;

constexpr TimeNs kPromisedFirst = 1'000'000'000;  // after spec.arrival
constexpr TimeNs kPromisedNext = 60'000'000;      // on average

class Mine final : public Scheduler {
 public:
  explicit Mine(const EngineConfig& config) : Scheduler(config) {}

 private:
  // Who of those that wait is admitted next. nullptr: nobody.
  Request* choose(TimeNs /*now*/) const { return waiting_.front(); }

  void compose(TimeNs now, StepPlan& plan) override {
    std::int32_t budget = config_.max_num_batched_tokens;
    for (Request* request : running_) {
      if (budget == 0) return refuse(plan, *request, {Cause::token_budget, 1, 0});
      const std::int32_t count = std::min(request->num_tokens - request->num_computed, budget);
      add_row(plan, *request, count);
      budget -= count;
    }
    while (!waiting_.empty()) {
      Request* const chosen = choose(now);
      if (chosen == nullptr) return;
      Request& request = *chosen;
      const auto seats = static_cast<std::int32_t>(running_.size()) + 1;
      if (seats > config_.max_num_seqs) return refuse(plan, request, {Cause::seats, seats, config_.max_num_seqs});
      if (budget == 0) return refuse(plan, request, {Cause::token_budget, 1, 0});
      const std::int32_t tokens = longest(request.spec, request.num_prompt);
      const std::int32_t needed = blocks_.blocks_for(tokens);
      if (needed > blocks_.num_free()) return refuse(plan, request, {Cause::blocks, needed, blocks_.num_free()});
      blocks_.admit(request, {}, tokens);
      waiting_.erase(&request);
      running_.push_back(&request);
      admit(plan, request, 0);
      const std::int32_t count = std::min(request.num_tokens, budget);
      add_row(plan, request, count);
      budget -= count;
    }
  }
};

const PolicyTraits traits = {
    .name = "mine",
    .make = [](const EngineConfig& c) -> std::unique_ptr<Scheduler> { return std::make_unique<Mine>(c); },
    .block_rules = [](const EngineConfig&) { return BlockRules{}; },
};

}  // namespace

extern "C" const PolicyTraits* policy() { return &traits; }
