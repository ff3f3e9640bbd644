// First come, first served: prompts are computed whole, and nobody is preempted.
#include "core/scheduler.h"

namespace tokenyard::policies {
namespace {

class Plain final : public Scheduler {
 public:
  explicit Plain(const EngineConfig& config) : Scheduler(config) {}

 private:
  std::optional<std::string> policy_impossible(const RequestSpec& spec) const override {
    if (blocks_.blocks_for(longest(spec, spec.prompt.size())) <= blocks_.num_usable()) return std::nullopt;
    return "prompt + max_tokens need more blocks than there are";
  }

  void compose(TimeNs, StepPlan& plan) override {
    for (Request* request : running_) {
      if (!ends_in_flight(*request)) add_row(plan, *request, 1);  // its blocks are there since its admission
    }
    while (!waiting_.empty() && running_.size() < static_cast<std::size_t>(config_.max_num_seqs)) {
      Request& request = *waiting_.front();
      const std::int32_t tokens = longest(request.spec, request.num_prompt);
      const std::int32_t needed = blocks_.blocks_for(tokens);
      if (needed > blocks_.num_free()) {
        return refuse(plan, request, {Cause::blocks, needed, blocks_.num_free()});
      }
      blocks_.admit(request, {}, tokens);
      waiting_.pop_front();
      running_.push_back(&request);
      admit(plan, request, 0);
      add_row(plan, request, request.num_tokens);
    }
  }
};

}  // namespace

extern const PolicyTraits plain;
const PolicyTraits plain = {
    .name = "plain",
    .make = [](const EngineConfig& c) -> std::unique_ptr<Scheduler> { return std::make_unique<Plain>(c); },
    .block_rules = [](const EngineConfig&) { return BlockRules{}; },
    .whole_prompts = [](const EngineConfig&) { return true; },
};

}  // namespace tokenyard::policies
