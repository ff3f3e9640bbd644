// Memory in pages: a request gets a block when it needs one. When none is free, somebody gives way.
// One decision is wrong.
#include "core/scheduler.h"

namespace {

using namespace tokenyard;

class Mine final : public Scheduler {
 public:
  explicit Mine(const EngineConfig& config) : Scheduler(config) {}

 private:
  // Who gives way: an index of running_, which is in the order of admission.
  std::size_t choose_victim() const { return 0; }

  void compose(TimeNs, StepPlan& plan) override {
    std::int32_t budget = config_.max_num_batched_tokens;
    for (std::size_t next = 0; next < running_.size();) {
      Request& request = *running_[next];
      const std::int32_t needed = blocks_.missing(request, request.num_tokens);
      if (needed > blocks_.num_free()) {
        give_way(plan, choose_victim(), next, request, needed);
        continue;  // look again: at this request, or, when it gave way itself, at the next one
      }
      if (needed > 0) {
        plan.new_blocks.push_back({&request, static_cast<std::int32_t>(request.blocks.size())});
        blocks_.extend(request, needed);
      }
      add_row(plan, request, 1);
      --budget;
      ++next;
    }
    while (!waiting_.empty() && plan.preemptions.empty()) {
      Request& request = *waiting_.front();
      const auto seats = static_cast<std::int32_t>(running_.size()) + 1;
      if (seats > config_.max_num_seqs) return refuse(plan, request, {Cause::seats, seats, config_.max_num_seqs});
      if (request.num_tokens > budget) return refuse(plan, request, {Cause::token_budget, request.num_tokens, budget});
      const std::int32_t needed = blocks_.blocks_for(request.num_tokens);
      if (needed > blocks_.num_free()) return refuse(plan, request, {Cause::blocks, needed, blocks_.num_free()});
      blocks_.admit(request, {}, request.num_tokens);
      waiting_.pop_front();
      running_.push_back(&request);
      admit(plan, request, 0);
      add_row(plan, request, request.num_tokens);
      budget -= request.num_tokens;
    }
  }

  // Takes the victim's blocks, and the row it may have in this step already.
  void give_way(StepPlan& plan, std::size_t v, std::size_t& next, Request& request, std::int32_t needed) {
    Request& victim = *running_[v];
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(v));
    if (v < next) --next;
    std::erase_if(plan.rows, [&](const Row& row) { return row.request == &victim; });
    std::erase_if(plan.new_blocks, [&](const NewBlocks& blocks) { return blocks.request == &victim; });
    preempt(plan, victim, request, {Cause::blocks, needed, blocks_.num_free()});
  }
};

const PolicyTraits traits = {
    .name = "mine",
    .make = [](const EngineConfig& c) -> std::unique_ptr<Scheduler> { return std::make_unique<Mine>(c); },
    .block_rules = [](const EngineConfig&) { return BlockRules{}; },
    .whole_prompts = [](const EngineConfig&) { return true; },
    .whole_contexts = [](const EngineConfig&) { return true; },
};

}  // namespace

extern "C" const PolicyTraits* policy() { return &traits; }
