#include "core/trace/state.h"

#include "catch.h"
#include "core/base/input_error.h"
#include "core/trace/support.h"

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

// What the expander must know of an engine.
struct Truth {
  explicit Truth(const Engine& engine) {
    const Scheduler& scheduler = engine.scheduler();
    for (const tokenyard::Request* request : scheduler.running()) running.push_back(*request);
    for (const tokenyard::Request* request : scheduler.waiting().in_order()) {
      (request->blocks.empty() ? waiting : running).push_back(*request);
    }
    const BlockPool& pool = scheduler.blocks().pool();
    num_free = pool.num_free();
    block_size = scheduler.blocks().block_size();
    num_table_entries = scheduler.blocks().num_slots() / scheduler.blocks().block_size();
    for (BlockId b = 0; b < pool.num_blocks(); ++b) blocks.emplace_back(pool.references(b), pool.findable(b));
  }

  std::vector<tokenyard::Request> running, waiting;
  std::int32_t num_free;
  std::int64_t num_table_entries;
  std::int32_t block_size;
  std::vector<std::pair<std::int32_t, bool>> blocks;
};

void require_same(const TraceState& state, const Truth& truth) {
  for (const tokenyard::Request& request : truth.waiting) {
    const TraceState::Request& seen = state.request(request.number);
    const auto life = request.state == RequestState::preempted ? TraceState::Life::preempted : TraceState::Life::queued;
    if (seen.life != life || seen.num_computed != 0 || !seen.blocks.empty()) FAIL("a waiting request differs");
  }
  REQUIRE(state.running().size() == truth.running.size());
  for (std::size_t i = 0; i < truth.running.size(); ++i) {
    const tokenyard::Request& want = truth.running[i];
    const TraceState::Request& seen = state.request(state.running()[i]);
    CAPTURE(i, want.number);
    if (seen.join.request != want.number) FAIL("the running order differs");
    if (seen.tokens != want.tokens) FAIL("the tokens differ");
    if (seen.num_computed != want.num_computed) FAIL("the computed tokens differ");
    if (seen.blocks != want.blocks) FAIL("the tables differ");
    if (seen.num_registered * truth.block_size != want.num_published) FAIL("the published blocks differ");
    if (seen.num_preemptions != want.num_preemptions) FAIL("the preemptions differ");
    if (seen.done != (want.finish_reason != FinishReason::none)) FAIL("who is done differs");
  }
  REQUIRE(state.num_waiting() == std::ssize(truth.waiting));
  REQUIRE(state.num_free() == truth.num_free);
  REQUIRE(state.num_table_entries() == truth.num_table_entries);
  for (std::size_t b = 0; b < truth.blocks.size(); ++b) {
    CAPTURE(b);
    if (state.blocks()[b].references != truth.blocks[b].first) FAIL("the references differ");
    if (state.blocks()[b].findable != truth.blocks[b].second) FAIL("the findable blocks differ");
  }
}

void require_same(std::span<const TraceState::Row> rows, const std::vector<TestBackend::SeenRow>& truth) {
  std::vector<TestBackend::SeenRow> seen;
  for (const TraceState::Row& r : rows) seen.push_back({r.request, r.first, r.count, r.padding, r.sample});
  REQUIRE(seen == truth);
}

}  // namespace

TEST_CASE("The expander follows the scheduler step by step, whatever happens", "[trace]") {
  const Policy policy = GENERATE(Policy::static_batch, Policy::orca, Policy::nano_vllm, Policy::vllm_v1);
  CAPTURE(name_of(policy));
  Dice dice(number_of(policy) + 1);
  StateSink total;
  std::int64_t steps = 0;
  TraceState::Totals totals;
  for (int round = 0; round < 150; ++round) {
    const EngineConfig config = random_engine_config(policy, dice);
    CAPTURE(round);
    StateSink sink;
    TestBackend backend;
    run_traced(config, random_workload(dice, config, 40), backend, sink, [&](const Engine& engine, const Metrics&) {
      require_same(*sink.state, Truth(engine));
      if (std::exchange(sink.stepped, false)) require_same(sink.state->rows(), backend.rows);
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

TEST_CASE("The expander follows a scheduler that plans ahead", "[trace]") {
  const Policy policy = GENERATE(Policy::orca, Policy::nano_vllm, Policy::vllm_v1);
  CAPTURE(name_of(policy));
  Dice dice(number_of(policy) + 1);
  // A step is recorded by the call after the one that planned it; what that call left behind is the truth.
  struct Planned {
    std::optional<Truth> truth;
    std::vector<TestBackend::SeenRow> rows;
  };
  struct Sink : StateSink {
    void on_step(const StepRecord& r) override {
      StateSink::on_step(r);
      require_same(*state, *latest.truth);
      require_same(state->rows(), latest.rows);
      ahead += r.ahead;
    }
    Planned latest;
    std::int64_t ahead = 0;
  };
  std::int64_t steps = 0;
  std::int64_t ahead = 0;
  TraceState::Totals totals;
  for (int round = 0; round < 150; ++round) {
    const EngineConfig config = random_engine_config(policy, dice, true);
    CAPTURE(round);
    Sink sink;
    TestBackend backend;
    std::int64_t planned = 0;
    run_traced(config, random_workload(dice, config, 40), backend, sink, [&](const Engine& engine, const Metrics&) {
      if (std::exchange(planned, engine.num_steps()) != engine.num_steps()) sink.latest = {Truth(engine), backend.rows};
    });
    sink.state->end();
    REQUIRE(sink.state->running().empty());
    REQUIRE(sink.state->num_free() == sink.state->num_usable());
    steps += sink.state->totals().steps;
    ahead += sink.ahead;
    totals.preemptions += sink.state->totals().preemptions;
    totals.hit_tokens += sink.state->totals().hit_tokens;
    totals.evicted_blocks += sink.state->totals().evicted_blocks;
  }
  INFO(steps << " steps, " << ahead << " planned ahead, " << totals.preemptions << " preemptions, " << totals.hit_tokens
             << " hit tokens, " << totals.evicted_blocks << " evicted");
  CHECK(steps > 3000);
  CHECK(ahead > steps / 2);
  if (policy == Policy::orca) return;
  CHECK(totals.preemptions > 100);
  CHECK(totals.hit_tokens > 1000);
  CHECK(totals.evicted_blocks > 1000);
}
