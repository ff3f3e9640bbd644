// What every policy must live through: a random world, and all that has to hold in it.
#pragma once

#include <map>

#include "catch.h"
#include "core/world.h"

namespace tokenyard::test {

struct Tally {
  long operations = 0, preemptions = 0, hits = 0, copies = 0, finished = 0;
};

// One world of `steps` steps, then a drain in which nobody joins any more.
inline void live_through(const EngineConfig& config, std::uint64_t seed, int steps, Tally& tally) {
  World world(config, seed);
  std::map<const Request*, std::int32_t> computed;  // since the last admission
  for (int step = 0; step < steps || world.live() > 0; ++step) {
    REQUIRE(step < steps + 3000);  // everybody ends
    world.mingle(step < steps);
    world.scheduler().check_invariants();
    world.schedule();
    const StepPlan& plan = world.plan();
    for (const Preemption& p : plan.preemptions) computed.erase(p.victim);
    for (const Admission& a : plan.admissions) computed[a.request] = a.hit_tokens;
    std::int64_t tokens = 0;
    for (const Row& row : plan.rows) {
      tokens += row.count;
      if (row.count == 0) continue;
      REQUIRE(computed.at(row.request) == row.first);  // no position twice, none left out
      computed[row.request] += row.count;
    }
    for (const Refusal& r : plan.refusals) REQUIRE(r.reason.needed > r.reason.available);
    for (const Preemption& p : plan.preemptions) REQUIRE(p.reason.needed > p.reason.available);
    const bool budgeted = config.policy == Policy::vllm_v1 || (config.policy == Policy::nano_vllm && plan.prefill_only);
    if (budgeted) REQUIRE(tokens <= config.max_num_batched_tokens);
    REQUIRE_NOTHROW(world.compute());
    world.commit();
    for (const Request* r : world.gone()) {
      REQUIRE(r->finish_reason != FinishReason::none);
      REQUIRE(r->num_output() <= r->spec.max_tokens);
      computed.erase(r);
    }
    world.scheduler().check_invariants();
    tally.operations += 3;
    tally.preemptions += static_cast<long>(plan.preemptions.size());
    tally.copies += static_cast<long>(plan.copies.size());
    for (const Admission& a : plan.admissions) tally.hits += a.hit_tokens > 0 ? 1 : 0;
  }
  tally.finished += world.finished();
  REQUIRE(world.scheduler().idle());
  REQUIRE(world.scheduler().blocks().num_referenced() == 0);
}

}  // namespace tokenyard::test
