// As nano-vLLM does it: waiting prompts first, whole, in a step of their own; everybody decodes when none waits.
// Make it mix: decodes in every step, and a slice of a prompt beside them.
#include <algorithm>

#include "core/scheduler.h"

namespace {

using namespace tokenyard;

class Mine final : public Scheduler {
 public:
  explicit Mine(const EngineConfig& config) : Scheduler(config) {}

 private:
  void compose(TimeNs, StepPlan& plan) override {
    std::int32_t budget = config_.max_num_batched_tokens;
    admit_waiting(plan, budget);
    if (!plan.rows.empty()) return;
    continue_running(plan, budget);
  }

  // Whoever runs computes what it has not computed yet: one token, or the rest of a prompt, as far as the budget reaches.
  void continue_running(StepPlan& plan, std::int32_t& budget) {
    for (Request* request : running_) {
      if (budget == 0) return refuse(plan, *request, {Cause::token_budget, 1, 0});
      const std::int32_t count = std::min(request->num_tokens - request->num_computed, budget);
      add_row(plan, *request, count);
      budget -= count;
    }
  }

  void admit_waiting(StepPlan& plan, std::int32_t& budget) {
    while (!waiting_.empty()) {
      Request& request = *waiting_.front();
      const auto seats = static_cast<std::int32_t>(running_.size()) + 1;
      if (seats > config_.max_num_seqs) return refuse(plan, request, {Cause::seats, seats, config_.max_num_seqs});
      const std::int32_t count = request.num_tokens;
      if (count > budget) return refuse(plan, request, {Cause::token_budget, count, budget});
      const std::int32_t tokens = longest(request.spec, request.num_prompt);  // all it can ever need
      const std::int32_t needed = blocks_.blocks_for(tokens);
      if (needed > blocks_.num_free()) return refuse(plan, request, {Cause::blocks, needed, blocks_.num_free()});
      blocks_.admit(request, {}, tokens);
      waiting_.pop_front();
      running_.push_back(&request);
      admit(plan, request, 0);
      add_row(plan, request, count);
      budget -= count;
    }
  }
};

const PolicyTraits traits = {
    .name = "mine",
    .make = [](const EngineConfig& c) -> std::unique_ptr<Scheduler> { return std::make_unique<Mine>(c); },
    .block_rules = [](const EngineConfig&) { return BlockRules{}; },
    .whole_prompts = [](const EngineConfig&) { return true; },
};

}  // namespace

extern "C" const PolicyTraits* policy() { return &traits; }
