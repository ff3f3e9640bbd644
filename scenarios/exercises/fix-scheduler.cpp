// First come, first served. A prompt is computed whole, and a request gets all the blocks it can ever need when it is admitted.
// One thing is wrong.
#include "core/scheduler.h"

namespace {

using namespace tokenyard;

class Mine final : public Scheduler {
 public:
  explicit Mine(const EngineConfig& config) : Scheduler(config) {}

 private:
  void compose(TimeNs, StepPlan& plan) override {
    std::int32_t budget = config_.max_num_batched_tokens;  // tokens this step may compute
    for (Request* request : running_) {
      add_row(plan, *request, 1);
      --budget;
    }
    while (!waiting_.empty()) {
      Request& request = *waiting_.front();
      const auto seats = static_cast<std::int32_t>(running_.size()) + 1;
      if (seats > config_.max_num_seqs) return refuse(plan, request, {Cause::seats, seats, config_.max_num_seqs});
      if (request.num_tokens > budget) return refuse(plan, request, {Cause::token_budget, request.num_tokens, budget});
      const std::int32_t tokens = longest(request.spec, request.num_prompt);  // prompt and the longest answer
      const std::int32_t needed = blocks_.blocks_for(tokens);
      if (needed > blocks_.num_free()) return refuse(plan, request, {Cause::blocks, needed, blocks_.num_free()});
      blocks_.admit(request, {}, tokens);
      waiting_.pop_front();
      running_.push_back(&request);
      admit(plan, request, 0);
      add_row(plan, request, request.num_tokens);
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
