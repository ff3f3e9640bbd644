#include "catch.h"
#include "core/base/input_error.h"
#include "core/trace/state.h"
#include "core/trace/support.h"
#include "viz/model/moment.h"
#include "viz/model/trace_file.h"

using namespace tokenyard;
using namespace tokenyard::test;
using namespace tokenyard::viz;

namespace {

// The trace of docs/trace-format.md's example.
const char* const kExample =
    R"({"tokenyard_trace":1,"program":"tokenyard 0.1.0","backend":"sim","engine":{"policy":"vllm_v1","max_num_seqs":4,"max_num_batched_tokens":12,"max_model_len":0,"block_size":4,"num_blocks":7,"enable_prefix_caching":true,"eos_token_id":-1,"enable_chunked_prefill":true,"queue_order":"fcfs","free_order":"unhashed_first","long_prefill_token_threshold":0,"watermark_blocks":0,"admission_gate":true,"batch_timeout":0,"delivery":"batch_end","reservation":"max","strict_peer":false}}
{"join":0,"id":"ann","step":0,"at":0,"arrival":0,"prompt":[[1,0,6],[10,6,3]],"max_tokens":6}
{"step":0,"t":0,"dur":1000,"parts":[750,0,0,0,0,250],"admit":[[0,0,9,[1,-2]]]}
{"join":1,"id":"bob","step":1,"at":1000,"arrival":10,"prompt":[[1,0,6],[11,6,3]],"max_tokens":4}
{"join":2,"id":"cem","step":1,"at":1000,"arrival":20,"prompt":[[1,0,6],[12,6,1]],"max_tokens":3}
{"step":1,"t":1000,"dur":1000,"parts":[750,0,0,0,0,250],"admit":[[1,4,5,[1,4,5]],[2,4,3,[1,6]]]}
{"step":2,"t":2000,"dur":1000,"parts":[750,0,0,0,0,250]}
{"step":3,"t":3000,"dur":1000,"parts":[750,0,0,0,0,250],"preempt":[[2,2,"blocks",1,0,1]],"refuse":[[2,"preemption",1,0]]}
{"step":4,"t":4000,"dur":1000,"parts":[750,0,0,0,0,250],"grow":[[0,[6]]],"refuse":[[2,"admission_gate",2,0]],"refused_until":[[2,"preemption",1,0,3]],"finish":[[1,"length"]]}
{"step":5,"t":5000,"dur":1000,"parts":[750,0,0,0,0,250],"admit":[[2,4,5,[1,5,4]]],"refused_until":[[2,"admission_gate",2,0,4]],"finish":[[0,"length"],[2,"length"]]}
{"end":6,"at":6000}
)";

struct SpanSeen {
  Phase phase;
  TimeNs begin, end;
  std::int32_t tokens;
  friend bool operator==(const SpanSeen&, const SpanSeen&) = default;
};

std::vector<SpanSeen> spans_of(const TraceModel& model, std::int32_t request) {
  std::vector<SpanSeen> out;
  for (std::int32_t i = 0; i < std::ssize(model.request(request).spans); ++i) {
    const Span& span = model.request(request).spans[static_cast<std::size_t>(i)];
    out.push_back({span.phase(), span.begin, model.end_of(request, i), model.tokens_of(request, i)});
  }
  return out;
}

std::string written(const std::string& name, const std::string& text) {
  const std::string path = temporary(name);
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

// Keeps the state as it is while each step runs.
struct Witness : TraceSink {
  void on_header(const TraceHeader& h) override { state = std::make_unique<TraceState>(h); }
  void on_join(const JoinRecord& r) override { state->apply(r); }
  void on_cancel(const CancelRecord& r) override { state->apply(r); }
  void on_step(const StepRecord& r) override {
    state->begin(r);
    seen.push_back(*state);
    state->finish(r);
  }
  void on_end(std::int64_t, TimeNs) override {}
  std::unique_ptr<TraceState> state;
  std::vector<TraceState> seen;
};

void require_same_seats(const TraceModel& model, const Moment& moment, const TraceState& truth) {
  REQUIRE(moment.seated.size() == truth.running().size());
  for (std::size_t i = 0; i < moment.seated.size(); ++i) {
    const TraceState::Request& r = truth.request(truth.running()[i]);
    if (moment.seated[i].request != r.join.request) FAIL("the running order differs");
    if (moment.seated[i].table != r.blocks) FAIL("a table differs");
    if (computed_tokens(model, r.join.request, moment.step) != r.num_computed) FAIL("the computed tokens differ");
  }
  REQUIRE(moment.used_blocks == truth.num_usable() - truth.num_free());
}

void require_same(const TraceModel& model, const Moment& moment, const TraceState& truth) {
  require_same_seats(model, moment, truth);
  std::int32_t cached = 0;
  for (std::size_t b = 0; b < moment.blocks.size(); ++b) {
    const TraceState::Block& t = truth.blocks()[b];
    const Block& m = moment.blocks[b];
    CAPTURE(moment.step, b, m.references, t.references, m.findable, t.findable);
    if (m.references != t.references || m.findable != t.findable) FAIL("a block differs");
    if (m.owner != t.owner || m.index != t.index) FAIL("a block's owner differs");
    cached += t.references == 0 && t.findable;
  }
  REQUIRE(moment.cached_blocks == cached);
  REQUIRE(std::vector(truth.evicted().begin(), truth.evicted().end()) == moment.evicted);
  std::vector<std::pair<std::int32_t, Reason>> held;
  std::vector<std::pair<std::int32_t, Reason>> standing;
  for (const std::int32_t h : moment.held) {
    held.emplace_back(model.held()[static_cast<std::size_t>(h)].request, model.held()[static_cast<std::size_t>(h)].first);
  }
  for (const TraceState::Standing& s : truth.refusals()) standing.emplace_back(s.request, s.reason);
  REQUIRE(held == standing);
  std::vector<MomentRow> rows = rows_of(model, moment);
  std::erase_if(rows, [](const MomentRow& row) { return row.phase == Phase::stalled; });
  REQUIRE(rows.size() == truth.rows().size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const TraceState::Row& row = truth.rows()[i];
    if (rows[i].request != row.request || rows[i].first != row.first || rows[i].tokens != row.count) FAIL("a row differs");
  }
  const Step& step = model.step(moment.step);
  REQUIRE(step.waiting == truth.num_waiting());
  REQUIRE(step.cached_blocks == cached);
}

}  // namespace

TEST_CASE("Spans, seats, marks and refusals of the format's example", "[viz]") {
  TraceFile file(written("example.trace", kExample));
  file.read_all();
  REQUIRE(file.error().empty());
  REQUIRE(!file.unfinished());
  const TraceModel& m = file.model();
  CHECK(spans_of(m, 0) ==
        std::vector<SpanSeen>{{Phase::queued, 0, 0, 0}, {Phase::prefill, 0, 1000, 9}, {Phase::decode, 1000, 6000, 5}});
  CHECK(spans_of(m, 1) ==
        std::vector<SpanSeen>{{Phase::queued, 10, 1000, 0}, {Phase::prefill, 1000, 2000, 5}, {Phase::decode, 2000, 5000, 3}});
  CHECK(spans_of(m, 2) == std::vector<SpanSeen>{{Phase::queued, 20, 1000, 0},
                                                {Phase::prefill, 1000, 2000, 3},
                                                {Phase::decode, 2000, 3000, 1},
                                                {Phase::preempted, 3000, 5000, 0},
                                                {Phase::prefill, 5000, 6000, 5}});
  REQUIRE(m.events().size() == 1);
  CHECK(m.events()[0].at == 3000);
  CHECK(m.events()[0].request == 2);
  CHECK(m.events()[0].mark == Mark::preempted);
  REQUIRE(m.held().size() == 2);
  CHECK(m.held()[0].since == 3);
  CHECK(m.held()[0].until == 3);
  CHECK(m.held()[1].since == 4);
  CHECK(m.held()[1].until == 4);
  REQUIRE(m.seats().size() == 3);
  // cem lost seat 2 in step 3; bob left seat 1 after step 4, and 1 is the first one free.
  CHECK(m.seats()[2].sittings.size() == 1);
  REQUIRE(m.seats()[1].sittings.size() == 2);
  CHECK(m.seats()[1].sittings[1].request == 2);
  CHECK(m.seats()[1].sittings[1].begin == 5000);
  CHECK(m.request(1).cached == 4);
  CHECK(m.step(1).hit_tokens == 8);
  CHECK(m.step(1).asked_tokens == 16);
  CHECK(m.step_at(-1) == -1);
  CHECK(m.step_at(2999) == 2);
  CHECK(m.step_at(3000) == 3);
  CHECK(m.end() == 6000);

  Seeker seeker(m);
  const Moment& at_4 = seeker.seek(4);
  CHECK(*at_4.table_of(0) == std::vector<BlockId>{1, 2, 3, 6});
  CHECK(at_4.table_of(2) == nullptr);
  CHECK(at_4.taken == std::vector<BlockId>{6});
  CHECK(at_4.evicted == std::vector<BlockId>{6});  // it held cem's tokens 5 to 8
  CHECK(at_4.blocks[1].references == 2);
  const std::vector<Fill> fills = fills_of(m, at_4);
  CHECK(fills[6].used == 1);   // the 13th token
  CHECK(fills[6].later == 1);  // ann's 14th: its 15th and last one needs no K/V
}

TEST_CASE("The model agrees with the expander at every step, wherever one seeks from", "[viz]") {
  const Policy policy = GENERATE(Policy::static_batch, Policy::orca, Policy::nano_vllm, Policy::vllm_v1);
  CAPTURE(name_of(policy));
  Dice dice(number_of(policy) + 77);
  std::int64_t preemptions = 0;
  std::int64_t evicted = 0;
  std::int64_t stalled = 0;
  std::int64_t cancelled = 0;
  std::int64_t keyframed = 0;
  for (int round = 0; round < 40; ++round) {
    CAPTURE(round);
    const EngineConfig config = random_engine_config(policy, dice);
    TestBackend backend;
    ModelBuilder builder("model");
    Witness witness;
    Tee tee({&builder, &witness});
    std::vector<MemoryUse> memory;
    Metrics metrics;
    std::int64_t steps = 0;
    run_traced(config, random_workload(dice, config, 60), backend, tee, [&](const Engine&, const Metrics& current) {
      if (builder.model().num_steps() == steps) return;
      steps = builder.model().num_steps();
      const MemoryUse& truth = current.memory;
      const MemoryUse& seen = builder.model().steps().back().memory;
      REQUIRE(seen.used == truth.used);
      REQUIRE(seen.reserved == truth.reserved);
      REQUIRE(seen.internal == truth.internal);
      REQUIRE(seen.external == truth.external);
      REQUIRE(seen.free == truth.free);
      metrics = current;
    });
    const TraceModel& m = builder.model();
    REQUIRE(m.num_steps() == std::ssize(witness.seen));
    Seeker playing(m);
    Seeker jumping(m);
    for (std::int32_t s = 0; s < m.num_steps(); ++s) {
      require_same(m, playing.seek(s), witness.seen[static_cast<std::size_t>(s)]);
      const auto to = static_cast<std::int32_t>(dice.roll(0, m.num_steps() - 1));
      require_same(m, jumping.seek(to), witness.seen[static_cast<std::size_t>(to)]);
      preemptions += m.step(s).preempted;
      evicted += m.step(s).evicted_blocks;
      stalled += m.step(s).stalled;
    }
    keyframed += m.num_steps();
    for (std::int32_t r = 0; r < m.num_requests(); ++r) {
      const viz::Request& request = m.request(r);
      TimeNs before = request.begin;
      for (const SpanSeen& span : spans_of(m, r)) {
        REQUIRE(span.begin == before);
        REQUIRE(span.end >= span.begin);
        before = span.end;
      }
      REQUIRE(before == request.end);
      cancelled += request.reason == FinishReason::cancelled;
      std::int64_t sat = 0;
      for (const Seat& seat : m.seats()) {
        for (const Sitting& sitting : seat.sittings) sat += sitting.request == r;
      }
      const std::int64_t admissions = std::count_if(m.request(r).spans.begin(), m.request(r).spans.end(), [](const Span& s) {
        return s.phase() == Phase::queued || s.phase() == Phase::preempted;
      });
      const bool sits_at_end =
          request.spans.back().phase() != Phase::queued && request.spans.back().phase() != Phase::preempted;
      REQUIRE(sat == (sits_at_end ? admissions : admissions - 1));
    }
    for (const Seat& seat : m.seats()) {
      for (std::size_t i = 1; i < seat.sittings.size(); ++i) REQUIRE(seat.sittings[i - 1].end <= seat.sittings[i].begin);
    }
    REQUIRE(m.itl().count() == metrics.itl.count());
    REQUIRE(m.itl().percentile(99) == metrics.itl.percentile(99));
    REQUIRE(m.sum_steps(0, m.num_steps()).tokens == metrics.computed_tokens);
  }
  INFO(preemptions << " preemptions, " << evicted << " evicted, " << stalled << " stalled, " << cancelled << " cancelled");
  CHECK(keyframed > 500);
  CHECK(cancelled > 10);
  if (policy == Policy::vllm_v1 || policy == Policy::nano_vllm) {
    CHECK(preemptions > 20);
    CHECK(evicted > 20);
  }
  if (policy == Policy::nano_vllm) CHECK(stalled > 100);
}

// A step that was planned ahead may still give rows and blocks to whom the step before ended; the model shows an end where it
// happened.
TEST_CASE("The model of a run that plans ahead keeps its accounts", "[viz]") {
  const Policy policy = GENERATE(Policy::orca, Policy::nano_vllm, Policy::vllm_v1);
  CAPTURE(name_of(policy));
  Dice dice(number_of(policy) + 78);
  std::int64_t late = 0;
  for (int round = 0; round < 40; ++round) {
    CAPTURE(round);
    const EngineConfig config = random_engine_config(policy, dice, true);
    TestBackend backend;
    ModelBuilder builder("model");
    // The state when a step runs and the outcome of the one before is known; but blocks' flags as the step began.
    struct Known : Witness {
      void on_step(const StepRecord& r) override {
        state->begin(r);
        flags.emplace_back();
        for (const TraceState::Block& block : state->blocks()) flags.back().push_back(block.findable);
        state->finish(r);
        seen.push_back(*state);
        for (const TraceState::Row& row : state->rows()) late += !state->request(row.request).live();
      }
      std::vector<std::vector<bool>> flags;
      std::int64_t late = 0;
    } witness;
    Tee tee({&builder, &witness});
    Metrics metrics;
    run_traced(config, random_workload(dice, config, 60), backend, tee,
               [&](const Engine&, const Metrics& current) { metrics = current; });
    late += witness.late;
    const TraceModel& m = builder.model();
    REQUIRE(m.num_steps() == std::ssize(witness.seen));
    Seeker playing(m);
    Seeker jumping(m);
    const auto check = [&](const Moment& moment) {
      const TraceState& truth = witness.seen[static_cast<std::size_t>(moment.step)];
      require_same_seats(m, moment, truth);
      for (std::size_t b = 0; b < moment.blocks.size(); ++b) {
        CAPTURE(moment.step, b);
        if (moment.blocks[b].references != truth.blocks()[b].references) FAIL("a block's references differ");
        if (moment.blocks[b].findable != witness.flags[static_cast<std::size_t>(moment.step)][b])
          FAIL("a findable block differs");
      }
    };
    for (std::int32_t s = 0; s < m.num_steps(); ++s) {
      check(playing.seek(s));
      check(jumping.seek(static_cast<std::int32_t>(dice.roll(0, m.num_steps() - 1))));
    }
    std::int64_t output = 0;
    witness.state->end();
    for (std::int32_t r = 0; r < m.num_requests(); ++r) {
      const TraceState::Request& truth = witness.state->request(r);
      CAPTURE(r, name_of(m.request(r).reason));
      REQUIRE(m.request(r).output == truth.num_tokens() - truth.num_prompt);
      if (truth.reason != FinishReason::cancelled) output += m.request(r).output;
    }
    REQUIRE(output == metrics.output_tokens);
    REQUIRE(m.itl().count() == metrics.itl.count());
    REQUIRE(m.itl().percentile(99) == metrics.itl.percentile(99));
  }
  CHECK(late > 20);
}

TEST_CASE("Sums over any run of steps equal adding them one by one", "[viz]") {
  TestBackend backend;
  Dice dice(6);
  ModelBuilder builder("model");
  const EngineConfig config = random_engine_config(Policy::vllm_v1, dice);
  run_traced(config, random_workload(dice, config, 400), backend, builder);
  const TraceModel& m = builder.model();
  REQUIRE(m.num_steps() > 600);
  for (int round = 0; round < 2000; ++round) {
    const auto first = static_cast<std::int32_t>(dice.roll(0, m.num_steps()));
    const auto end = static_cast<std::int32_t>(dice.roll(first, m.num_steps()));
    StepSum truth;
    for (std::int32_t s = first; s < end; ++s) truth.add(sum_of(m.step(s), s));
    const StepSum sum = m.sum_steps(first, end);
    REQUIRE(sum.count == end - first);
    REQUIRE(sum.tokens == truth.tokens);
    REQUIRE(sum.fullest == truth.fullest);
    REQUIRE(sum.longest == truth.longest);
    REQUIRE(sum.most_used == truth.most_used);
    REQUIRE(sum.timed.in_phase == truth.timed.in_phase);  // whole numbers, added exactly
    double time = 0, tokens = 0, waiting = 0;
    std::int32_t live = 0;
    for (std::int32_t s = first; s < end; ++s) {
      const viz::Step& step = m.step(s);
      const auto took = static_cast<double>(std::max<TimeNs>(1, step.duration));
      time += took;
      tokens += took * step.tokens();
      waiting += took * step.waiting;
      live = std::max(live, step.running + step.waiting);
    }
    REQUIRE(sum.most_live == live);
    if (first == end) continue;
    REQUIRE(sum.means().tokens() == Approx(tokens / time));
    REQUIRE(sum.means().waiting == Approx(waiting / time));
    if (end == first + 1) REQUIRE(sum.means().rows == Approx(m.step(first).rows()));
  }
}

TEST_CASE("A trace that is cut off, broken or still growing shows what came before", "[viz]") {
  const std::string text = kExample;
  const std::size_t step_4 = text.find("{\"step\":4");
  SECTION("cut off in a line") {
    TraceFile file(written("cut.trace", text.substr(0, step_4 + 20)));
    file.read_all();
    CHECK(file.error().empty());
    CHECK(file.unfinished());
    CHECK(file.unfinished_in_words() == temporary("cut.trace") + ": cut off in the middle of line 9");
    CHECK(file.model().num_steps() == 4);
    CHECK(file.model().end_of(0, 2) == 4000);
  }
  SECTION("growing") {
    const std::string path = written("growing.trace", text.substr(0, step_4 + 20));
    TraceFile file(path);
    file.read_all();
    CHECK(file.model().num_steps() == 4);
    std::ofstream(path, std::ios::binary | std::ios::app) << text.substr(step_4 + 20);
    file.read_all();
    CHECK(file.model().num_steps() == 6);
    CHECK(!file.unfinished());
    CHECK(spans_of(file.model(), 2).size() == 5);
  }
  SECTION("no JSON in a line") {
    std::string broken = text;
    broken.replace(step_4, 8, "{\"stop\":");
    TraceFile file(written("broken.trace", broken));
    file.read_all();
    CHECK(file.error().find("broken.trace: line 9, column 2: expected \"step\"") != std::string::npos);
    CHECK(!file.unfinished());
    CHECK(file.model().num_steps() == 4);
    CHECK(!file.read(1));
  }
  SECTION("a record that does not fit the ones before") {
    std::string broken = text;
    broken.replace(broken.find("\"grow\":[[0,[6]]]"), 16, "\"grow\":[[0,[1]]]");
    TraceFile file(written("misfit.trace", broken));
    file.read_all();
    CAPTURE(file.error());
    CHECK(file.error().find("misfit.trace: line 9: step ") != std::string::npos);
    CHECK(file.error().find("block 1 is handed out to request 0 and is not free") != std::string::npos);
    CHECK(file.model().num_steps() == 4);
    Seeker seeker(file.model());
    CHECK(seeker.seek(3).seated.size() == 2);
  }
  SECTION("no header") {
    CHECK_THROWS_AS(TraceFile(written("empty.trace", "")), InputError);
    CHECK_THROWS_AS(TraceFile(temporary("missing.trace")), InputError);
  }
}
