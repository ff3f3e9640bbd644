#include "core/trace/replay.h"

#include "catch.h"
#include "core/base/input_error.h"
#include "core/trace/support.h"

using namespace tokenyard;
using namespace tokenyard::test;

namespace {

std::pair<ReplayOutcome, std::string> replayed(const std::string& text) {
  TraceReader reader = reader_of(text);
  const std::string path = temporary("replayed.trace");
  ReplayOutcome outcome;
  {
    TraceWriter copy(path);
    outcome = replay(reader, &copy);
  }
  return {outcome, contents(path)};
}

std::string edited(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("A replay makes the same trace again, byte by byte", "[trace]") {
  const Policy policy = GENERATE(from_range(std::begin(all_policies()), std::end(all_policies())));
  const bool async = GENERATE(false, true);
  if (async && policy == Policy::static_batch) return;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    CAPTURE(name_of(policy), seed, async);
    const std::string text = random_trace(seed, policy, 30, async);
    const auto [outcome, copy] = replayed(text);
    CHECK(outcome.first_difference == "");
    REQUIRE(outcome.identical);
    CHECK(outcome.complete);
    CHECK(outcome.steps > 5);
    CHECK(outcome.metrics.steps == outcome.steps);
    REQUIRE(copy == text);
  }
}

TEST_CASE("A trace that was cut off is replayed as far as it goes", "[trace]") {
  const Policy policy = GENERATE(from_range(std::begin(all_policies()), std::end(all_policies())));
  const bool async = GENERATE(false, true);
  if (async && policy == Policy::static_batch) return;
  CAPTURE(name_of(policy), async);
  const std::string text = random_trace(7, policy, 8, async);
  for (std::size_t size = text.find('\n') + 1; size < text.size(); size += 7) {
    const auto [outcome, copy] = replayed(text.substr(0, size));
    const std::size_t whole = text.rfind('\n', size - 1) + 1;
    if (outcome.first_difference != "") FAIL("cut at " << size << ": " << outcome.first_difference);
    CHECK_FALSE(outcome.complete);
    if (copy != text.substr(0, whole)) FAIL("cut at " << size);
  }
}

TEST_CASE("A device that fails is replayed to its failure", "[trace]") {
  const Policy policy = GENERATE(from_range(std::begin(all_policies()), std::end(all_policies())));
  const bool async = GENERATE(false, true);
  if (async && policy == Policy::static_batch) return;
  Dice dice(4);
  EngineConfig config;
  config.policy = policy;
  config.async_scheduling = async;
  config.num_blocks = 60;
  config.block_size = 4;
  const std::string path = temporary("failed.trace");
  {
    TraceWriter writer(path);
    TestBackend backend;
    backend.fails_at = 9;
    CHECK_THROWS_AS(run_traced(config, random_workload(dice, config, 20), backend, writer), BackendError);
  }
  const std::string text = contents(path);
  REQUIRE(text.find("\"error\"") != std::string::npos);
  const auto [outcome, copy] = replayed(text);
  CHECK(outcome.first_difference == "");
  CHECK_FALSE(outcome.complete);
  CHECK(copy == text);
}

TEST_CASE("A replay names the first difference", "[trace]") {
  EngineConfig config;
  config.num_blocks = 40;
  config.block_size = 4;
  const std::string path = temporary("fine.trace");
  {
    TraceWriter writer(path);
    TestBackend backend;
    ListSource source;
    for (const char* id : {"a", "b"}) {
      RequestSpec spec;
      spec.id = id;
      spec.prompt.append(1, 0, 6);
      spec.max_tokens = 3;
      source.join(std::move(spec));
    }
    run_traced(config, source, backend, writer);
  }
  const std::string text = contents(path);
  REQUIRE(replayed(text).first.identical);
  const auto difference = [&](const std::string& from, const std::string& to) {
    return replayed(edited(text, from, to)).first.first_difference;
  };
  CHECK(difference("\"admit\":[[0,0,6,[1,2]],[1,4,2,[1,3]]]", "\"admit\":[[0,0,6,[1,2]],[1,4,2,[1,4]]]") ==
        "step 0 differs from the recorded step 0 in admit");
  CHECK(difference("\"finish\":[[0,\"length\"],[1,\"length\"]]", "\"finish\":[[0,\"length\"]]") ==
        "step 2 differs from the recorded step 2 in finish");
  CHECK(difference("\"join\":1", "\"join\":2") ==
        "recorded: request 2 joins before step 0; here: request 1 joins before step 0");
  CHECK(difference("\"end\":3", "\"end\":4") == "recorded: 4 steps; here: 3");
  CHECK(difference("{\"end\":3", R"({"step":3,"t":3000,"dur":5})"
                                 "\n"
                                 R"({"end":4)") == "recorded: step 3; here: nothing is left to do");
  CHECK(difference("{\"step\":2", R"({"cancel":7,"step":2,"at":2000,"reason":"cancelled"})"
                                  "\n"
                                  R"({"step":2)") == "recorded: request 7 ends (cancelled) before step 2; here: step 2");
  const std::string early = text.substr(0, text.find("{\"step\":2")) + R"({"end":2,"at":2000})"
                                                                       "\n";
  CHECK(replayed(early).first.first_difference == "");  // nothing was recorded after it, so nothing differs
}

TEST_CASE("Changed traces are replayed, refused or told apart, never worse", "[trace]") {
  for (const Policy policy : all_policies()) {
    const std::string texts[] = {random_trace(3, policy, 8), random_trace(3, policy, 8, policy != Policy::static_batch)};
    Dice dice(1);
    for (int i = 0; i < 2000; ++i) {
      const std::string& text = texts[i % 2];
      std::string changed = text;
      const auto at = static_cast<std::size_t>(
          dice.roll(static_cast<std::int32_t>(text.find('\n')), static_cast<std::int32_t>(text.size()) - 1));
      changed[at] = static_cast<char>('0' + dice.roll(0, 9));
      try {
        TraceReader reader = reader_of(changed);
        replay(reader);
      } catch (const InputError&) {
      }
    }
  }
}
