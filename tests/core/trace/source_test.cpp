// Memory and files are the same to whoever reads a trace.
#include "core/trace/source.h"

#include "catch.h"
#include "core/trace/diff.h"
#include "core/trace/memory.h"
#include "core/trace/replay.h"
#include "core/trace/support.h"

using namespace tokenyard;
using namespace tokenyard::test;

namespace {

// One run, recorded in memory and in a file.
struct Recorded {
  std::shared_ptr<MemoryTrace> memory = std::make_shared<MemoryTrace>();
  std::string text;
};

Recorded recorded(std::uint64_t seed, std::int32_t blocks = 0) {
  Dice dice(seed);
  EngineConfig config = random_engine_config(Policy::vllm_v1, dice);
  if (blocks > 0) config.num_blocks = blocks;
  Recorded out;
  const std::string path = temporary("source.trace");
  {
    TraceWriter writer(path);
    Tee tee({out.memory.get(), &writer});
    TestBackend backend;
    run_traced(config, random_workload(dice, config, 40), backend, tee);
  }
  out.text = contents(path);
  return out;
}

}  // namespace

TEST_CASE("A trace in memory yields what its file yields, as often as it is asked", "[trace]") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    CAPTURE(seed);
    const Recorded run = recorded(seed);
    TraceReader file = reader_of(run.text);
    const std::vector<Record> expected = read_all(file);
    REQUIRE(expected.size() > 10);
    for (int again = 0; again < 2; ++again) {
      MemoryTraceSource memory(run.memory, "memory");
      CHECK(memory.header() == file.header());
      CHECK(read_all(memory) == expected);
      CHECK(memory.next() == TraceSource::Kind::none);
    }
    MemoryTraceSource memory(run.memory, "memory");
    TraceReader same = reader_of(run.text);
    const TraceDifference difference = diff_traces(memory, same);
    CAPTURE(difference.text);
    CHECK(difference.same);
    MemoryTraceSource again(run.memory, "memory");
    CHECK(replay(again).identical);
  }
}

TEST_CASE("A source can be passed on to a sink, and a trace in memory goes on when it has grown", "[trace]") {
  const Recorded run = recorded(7);
  MemoryTraceSource from(run.memory, "memory");
  const auto copy = std::make_shared<MemoryTrace>();
  copy->on_header(from.header());
  MemoryTraceSource follower(copy, "copy");
  CHECK(follower.next() == TraceSource::Kind::none);
  std::vector<Record> seen;
  while (pass_on(from, *copy) != TraceSource::Kind::none) {
    const std::vector<Record> more = read_all(follower);
    REQUIRE(more.size() == 1);
    seen.push_back(more.front());
  }
  TraceReader file = reader_of(run.text);
  CHECK(seen == read_all(file));
}

TEST_CASE("The first difference is the same between two runs in memory and between their files", "[trace]") {
  const Recorded a = recorded(3), b = recorded(3, 400);
  MemoryTraceSource left(a.memory, "A"), right(b.memory, "B");
  TraceReader left_file = reader_of(a.text, "A"), right_file = reader_of(b.text, "B");
  const TraceDifference memory = diff_traces(left, right), file = diff_traces(left_file, right_file);
  CHECK_FALSE(memory.same);
  CHECK(memory.text == file.text);
  CHECK(memory.steps == file.steps);
}
