// Random worlds: invariants after every operation, K/V that are what they should be, and an end for every request.
#include "catch.h"
#include "core/random_life.h"

using namespace tokenyard;
using namespace tokenyard::test;

TEST_CASE("random worlds keep every invariant and end every request", "[random]") {
  const bool async = GENERATE(false, true);
  for (const Policy policy : all_policies()) {
    if (async && policy == Policy::static_batch) continue;
    Tally tally;
    for (std::uint64_t seed = 1; tally.operations < scaled(100'000); ++seed) {
      Dice dice(seed);
      EngineConfig config = random_config(policy, dice);
      config.async_scheduling = async;
      INFO(name_of(policy) << (async ? " async" : "") << " seed " << seed);
      live_through(config, seed, 120, tally);
    }
    INFO(name_of(policy) << (async ? " async" : ""));
    // The worlds are no good unless the interesting things happen in them.
    CHECK(tally.finished > tally.operations / 100);
    const bool paged = policy == Policy::nano_vllm || policy == Policy::vllm_v1;
    if (paged) CHECK(tally.preemptions > tally.operations / 1000);
    if (paged) CHECK(tally.hits > tally.operations / 200);
    if (policy == Policy::orca) CHECK(tally.copies > tally.operations / 1000);
  }
}
