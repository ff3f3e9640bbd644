// To begin with: first come, first served. Make it admit short prompts first, and starve nobody.
//
// waiting_.in_order() lists who waits, in the order of arrival; request->spec.arrival is when it came, in nanoseconds, and
// request->num_prompt how many tokens it has to compute. waiting_.erase(request) takes one out, wherever it stands.
#include "core/scheduler.h"

namespace {

using namespace tokenyard;

class Mine final : public Scheduler {
 public:
  explicit Mine(const EngineConfig& config) : Scheduler(config) {}

 private:
  Request* choose(TimeNs /*now*/) const { return waiting_.front(); }

  void compose(TimeNs now, StepPlan& plan) override {
    std::int32_t budget = config_.max_num_batched_tokens;
    for (Request* request : running_) {
      add_row(plan, *request, 1);
      --budget;
    }
    while (!waiting_.empty()) {
      Request& request = *choose(now);
      const auto seats = static_cast<std::int32_t>(running_.size()) + 1;
      if (seats > config_.max_num_seqs) return refuse(plan, request, {Cause::seats, seats, config_.max_num_seqs});
      if (request.num_tokens > budget) return refuse(plan, request, {Cause::token_budget, request.num_tokens, budget});
      const std::int32_t tokens = longest(request.spec, request.num_prompt);
      const std::int32_t needed = blocks_.blocks_for(tokens);
      if (needed > blocks_.num_free()) return refuse(plan, request, {Cause::blocks, needed, blocks_.num_free()});
      blocks_.admit(request, {}, tokens);
      waiting_.erase(&request);
      running_.push_back(&request);
      admit(plan, request, 0);
      add_row(plan, request, request.num_tokens);
      budget -= request.num_tokens;
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
