#include "core/trace_state.h"

#include "catch.h"
#include "core/input_error.h"
#include "trace_support.h"

using namespace tokenyard;
using namespace tokenyard::test;

namespace {

struct StateSink : TraceSink {
  void on_header(const TraceHeader& h) override { state = std::make_unique<TraceState>(h); }
  void on_join(const JoinRecord& r) override { state->apply(r); }
  void on_step(const StepRecord& r) override {
    state->apply(r);
    stepped = true;
    moves += std::ssize(r.moved);
    skips += std::ssize(r.skipped);
    withdrawn += std::ssize(r.unfindable);
    ghosts += std::ssize(r.findable);
    waits += r.waited ? 1 : 0;
    done += std::ssize(r.done);
    refusals += std::ssize(r.refused);
  }
  void on_cancel(const CancelRecord& r) override {
    state->apply(r);
    ++cancels;
  }
  void on_end(std::int64_t, TimeNs) override {}

  std::unique_ptr<TraceState> state;
  bool stepped = false;
  std::int64_t moves = 0, skips = 0, withdrawn = 0, ghosts = 0, waits = 0, done = 0, refusals = 0, cancels = 0;
};

void require_same(const TraceState& state, const Engine& engine) {
  const Scheduler& scheduler = engine.scheduler();
  std::vector<const Request*> running(scheduler.running().begin(), scheduler.running().end());
  std::int32_t waiting = 0;
  for (const Request* request : scheduler.waiting().in_order()) {
    if (request->blocks.empty()) {
      ++waiting;
      const TraceState::Request& seen = state.request(request->number);
      const auto life = request->state == RequestState::preempted ? TraceState::Life::preempted : TraceState::Life::queued;
      if (seen.life != life || seen.num_computed != 0 || !seen.blocks.empty()) FAIL("a waiting request differs");
    } else {
      running.push_back(request);
    }
  }
  REQUIRE(state.running().size() == running.size());
  for (std::size_t i = 0; i < running.size(); ++i) {
    const Request& truth = *running[i];
    const TraceState::Request& seen = state.request(state.running()[i]);
    CAPTURE(i, truth.number);
    if (seen.join.request != truth.number) FAIL("the running order differs");
    if (seen.tokens != truth.tokens) FAIL("the tokens differ");
    if (seen.num_computed != truth.num_computed) FAIL("the computed tokens differ");
    if (seen.blocks != truth.blocks) FAIL("the tables differ");
    if (seen.num_registered != truth.num_registered) FAIL("the registered blocks differ");
    if (seen.num_preemptions != truth.num_preemptions) FAIL("the preemptions differ");
    if (seen.done != (truth.finish_reason != FinishReason::none)) FAIL("who is done differs");
  }
  REQUIRE(state.num_waiting() == waiting);
  const BlockPool& pool = scheduler.blocks().pool();
  REQUIRE(state.num_free() == pool.num_free());
  REQUIRE(state.num_table_entries() == scheduler.blocks().num_table_entries());
  for (BlockId b = 0; b < pool.num_blocks(); ++b) {
    const TraceState::Block& seen = state.blocks()[static_cast<std::size_t>(b)];
    CAPTURE(b);
    if (seen.references != pool.references(b)) FAIL("the references differ");
    if (seen.findable != pool.findable(b)) FAIL("the findable blocks differ");
  }
}

}  // namespace

TEST_CASE("The expander follows the scheduler step by step, whatever happens", "[trace]") {
  const Policy policy = GENERATE(Policy::static_batch, Policy::orca, Policy::nano_vllm, Policy::vllm_v1);
  CAPTURE(name_of(policy));
  Dice dice(static_cast<std::uint64_t>(policy) + 1);
  StateSink total;
  std::int64_t steps = 0;
  TraceState::Totals totals;
  for (int round = 0; round < 150; ++round) {
    const EngineConfig config = random_engine_config(policy, dice);
    CAPTURE(round);
    StateSink sink;
    TestBackend backend;
    run_traced(config, random_workload(dice, config, 40), backend, sink, [&](const Engine& engine) {
      require_same(*sink.state, engine);
      if (!std::exchange(sink.stepped, false)) return;
      std::vector<TestBackend::SeenRow> rows;
      for (const TraceState::Row& r : sink.state->rows()) rows.push_back({r.request, r.first, r.count, r.padding, r.sample});
      REQUIRE(rows == backend.rows);
    });
    steps += sink.state->totals().steps;
    totals.preemptions += sink.state->totals().preemptions;
    totals.hit_tokens += sink.state->totals().hit_tokens;
    totals.evicted_blocks += sink.state->totals().evicted_blocks;
    for (auto [sum, part] : {std::pair(&total.moves, sink.moves),
                             {&total.skips, sink.skips},
                             {&total.withdrawn, sink.withdrawn},
                             {&total.ghosts, sink.ghosts},
                             {&total.waits, sink.waits},
                             {&total.done, sink.done},
                             {&total.refusals, sink.refusals},
                             {&total.cancels, sink.cancels}}) {
      *sum += part;
    }
  }
  INFO(name_of(policy) << ": " << steps << " steps, " << totals.preemptions << " preemptions, " << totals.hit_tokens
                       << " hit tokens, " << totals.evicted_blocks << " evicted, " << total.moves << " moves, " << total.skips
                       << " skips, " << total.withdrawn << " unfindable, " << total.ghosts << " ghosts, " << total.waits
                       << " waits, " << total.done << " done, " << total.refusals << " refusals, " << total.cancels
                       << " cancels");
  CHECK(steps > 3000);
  CHECK(total.refusals > 100);
  CHECK(total.cancels > 50);
  if (policy == Policy::static_batch) {
    CHECK(total.done > 100);
    CHECK(total.waits > 10);
  } else if (policy == Policy::orca) {
    CHECK(total.moves > 10);
    CHECK(total.skips > 10);
    CHECK(totals.preemptions > 0);
  } else {
    CHECK(totals.preemptions > 100);
    CHECK(totals.hit_tokens > 1000);
    CHECK(totals.evicted_blocks > 1000);
    CHECK(total.withdrawn > 10);
    CHECK((policy == Policy::nano_vllm || total.ghosts > 0));
  }
}
