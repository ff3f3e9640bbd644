#include "core/trace/diff.h"

#include "catch.h"
#include "core/trace/reason_words.h"
#include "core/trace/support.h"

using namespace tokenyard;
using namespace tokenyard::test;

namespace {

const std::string kHead =
    R"({"tokenyard_trace":1,"program":"p","backend":"sim","engine":{"policy":"vllm_v1","num_blocks":9,"block_size":4}})"
    "\n";
std::string join(int number, const std::string& id, int at = 0) {
  return R"({"join":)" + std::to_string(number) + R"(,"id":")" + id + R"(","step":0,"at":)" + std::to_string(at) +
         R"(,"arrival":0,"prompt":[[7,0,5]],"max_tokens":2})" + "\n";
}
std::string step(const std::string& fields, int dur = 5) {
  return R"({"step":0,"t":9,"dur":)" + std::to_string(dur) + fields + "}\n";
}
const std::string kEnd = R"({"end":1,"at":14})"
                         "\n";

TraceDifference diff(const std::string& a, const std::string& b, bool ignore_time = false) {
  TraceReader left = reader_of(a, "A");
  TraceReader right = reader_of(b, "B");
  return diff_traces(left, right, {ignore_time});
}

}  // namespace

TEST_CASE("Two traces of one run are the same", "[trace]") {
  for (const Policy policy : all_policies()) {
    const std::string text = random_trace(9, policy, 20);
    const TraceDifference same = diff(text, text);
    CHECK(same.same);
    CHECK(same.steps > 10);
    CHECK(same.text == "the traces are the same: " + std::to_string(same.steps) + " steps");
    CHECK(same.headers.empty());
  }
}

TEST_CASE("What was sampled can be ignored, and what came of it cannot", "[trace]") {
  const auto differ = [](const std::string& left, const std::string& right, const TraceDiffOptions& options) {
    TraceReader a = reader_of(kHead + join(0, "alice") + left + kEnd, "A");
    TraceReader b = reader_of(kHead + join(0, "alice") + right + kEnd, "B");
    return diff_traces(a, b, options);
  };
  const std::string admitted = R"(,"admit":[[0,0,5,[1,2]]])";
  const std::string five = step(admitted + R"(,"tokens":[5])"), six = step(admitted + R"(,"tokens":[6])");
  CHECK(differ(five, six, {}).text.find("sampled tokens: 5") != std::string::npos);
  CHECK_FALSE(differ(five, six, {.ignore_time = true}).same);
  CHECK(differ(five, six, {.ignore_tokens = true}).text == "the traces are the same: 1 steps, sampled tokens ignored");
  const std::string stopped = step(admitted + R"(,"finish":[[0,"stop"]],"tokens":[6])");
  const TraceDifference difference = differ(five, stopped, {.ignore_tokens = true});
  CHECK_FALSE(difference.same);
  CHECK(difference.text.find("sampled") == std::string::npos);
  CHECK(difference.text.find("alice leaves: stop") != std::string::npos);
}

TEST_CASE("A difference is told in words: who ran on each side, and why the others did not", "[trace]") {
  const std::string joins = join(0, "alice") + join(1, "bob");
  const std::string a = kHead + joins + step(R"(,"admit":[[0,0,5,[1,2]]],"refuse":[[1,"blocks",9,6]])") + kEnd;
  const std::string b = kHead + joins + step(R"(,"admit":[[1,0,3,[1,2]]],"refuse":[[0,"seats",2,1]])") + kEnd;
  const TraceDifference d = diff(a, b);
  CHECK_FALSE(d.same);
  CHECK(d.steps == 0);
  CHECK(d.text ==
        "the traces part after 0 common steps, in step 0 of A at 9 ns and step 0 of B at 9 ns\n"
        "only in A:\n"
        "  bob is not admitted: needs 9 blocks, 6 free\n"
        "  alice is admitted, with 0 tokens found in the prefix cache\n"
        "  alice computes 5 tokens from position 0\n"
        "  alice has blocks 1 2\n"
        "  the rows stand in the order alice\n"
        "only in B:\n"
        "  alice is not admitted: needs seat 2 of 1\n"
        "  bob is admitted, with 0 tokens found in the prefix cache\n"
        "  bob computes 3 tokens from position 0\n"
        "  bob has blocks 1 2\n"
        "  the rows stand in the order bob\n"
        "refused in A:\n"
        "  bob is not admitted since step 0: needs 9 blocks, 6 free\n"
        "refused in B:\n"
        "  alice is not admitted since step 0: needs seat 2 of 1");
}

TEST_CASE("Requests are compared by id, times only when wanted", "[trace]") {
  const std::string admit0 = R"(,"admit":[[0,0,5,[1,2]]])";
  const std::string admit1 = R"(,"admit":[[1,0,5,[1,2]]])";
  const std::string a = kHead + join(0, "alice") + join(1, "bob") + step(admit0) + kEnd;
  CHECK_FALSE(diff(a, kHead + join(0, "alice") + join(1, "bob") + step(admit0, 6) + kEnd).same);
  CHECK(diff(a, kHead + join(0, "alice") + join(1, "bob") + step(admit0, 6) + kEnd, true).same);
  CHECK(diff(a, kHead + join(0, "alice") + join(1, "bob", 3) + step(admit0) + kEnd, true).same);
  CHECK_FALSE(diff(a, kHead + join(0, "alice") + join(1, "bob", 3) + step(admit0) + kEnd).same);
  CHECK_FALSE(diff(a, kHead + join(0, "alice") + join(1, "bob") + step(admit1) + kEnd).same);
  const TraceDifference swapped = diff(a, kHead + join(0, "bob") + join(1, "alice") + step(admit1) + kEnd, true);
  CHECK_FALSE(swapped.same);  // they join in another order
  CHECK(swapped.text.find("in another order") != std::string::npos);
  std::string other_prompt = a;
  other_prompt.replace(other_prompt.find("[7,0,5]"), 7, "[8,0,5]");
  CHECK_FALSE(diff(a, other_prompt, true).same);
  CHECK(diff(a, kHead + join(0, "alice") + join(1, "bob") + kEnd).text == "after 0 steps A goes on with step 0 and B ends");
  CHECK(diff(a, kHead + join(0, "alice") + join(1, "bob") + step(admit0)).text ==
        "after 1 steps A ends and B stops without an end");
}

namespace {

// Two requests of two tokens, computed in four steps of so many nanoseconds.
std::string four_steps(const std::vector<int>& durations, bool bob_waits = false) {
  std::string out = kHead + join(0, "alice") + join(1, "bob");
  int at = 0, number = 0;
  const auto add = [&](const std::string& fields) {
    const int dur = durations[static_cast<std::size_t>(number)];
    out += R"({"step":)" + std::to_string(number++) + R"(,"t":)" + std::to_string(at) + R"(,"dur":)" + std::to_string(dur) +
           R"(,"parts":[)" + std::to_string(dur - 1) + R"(,0,0,0,0,1])" + fields + "}\n";
    at += dur;
  };
  add(R"(,"admit":[[0,0,5,[1,2]]])");
  add(bob_waits ? R"(,"finish":[[0,"length"]])" : R"(,"admit":[[1,0,5,[3,4]]],"finish":[[0,"length"]])");
  add(bob_waits ? R"(,"admit":[[1,0,5,[3,4]]])" : R"(,"finish":[[1,"length"]])");
  if (bob_waits) add(R"(,"finish":[[1,"length"]])");
  return out + R"({"end":)" + std::to_string(number) + R"(,"at":)" + std::to_string(at) + "}\n";
}

}  // namespace

TEST_CASE("Where only times differ, it is said which steps and requests have changed most", "[trace]") {
  const std::string a = four_steps({10, 10, 10}), b = four_steps({10, 13, 20});
  const TraceDifference d = diff(a, b);
  CHECK_FALSE(d.same);
  CHECK(d.steps == 3);
  CHECK(d.text ==
        "the decisions are the same in all 3 steps, the times are not: they differ after 1 common steps\n"
        "the last step ends at 30 ns, 43 ns (+43.3 %)\n"
        "P50 of the steps' durations 10 ns, 13 ns (+30.0 %)\n"
        "P99 of the steps' durations 10 ns, 20 ns (+100.0 %)\n"
        "steps that changed most:\n"
        "  step 2 at 20 ns takes 10 ns, 20 ns (+100.0 %); most of it gemm +10 ns\n"
        "  step 1 at 10 ns takes 10 ns, 13 ns (+30.0 %); most of it gemm +3 ns\n"
        "requests that changed most, from arrival to end:\n"
        "  bob 30 ns, 43 ns (+43.3 %)\n"
        "  alice 20 ns, 23 ns (+15.0 %)");
  CHECK(diff(a, b, true).same);
}

TEST_CASE("After the first parting the next ones follow, each with somebody new", "[trace]") {
  TraceReader left = reader_of(four_steps({10, 10, 10}), "A"), right = reader_of(four_steps({10, 10, 10, 10}, true), "B");
  TraceComparison comparison(left, right, {.ignore_time = true});
  const auto first = comparison.next();
  REQUIRE(first);
  CHECK(first->step == 1);
  CHECK(first->request == "bob");
  CHECK(first->sides[0].place == "step 1 of A at 10 ns");
  CHECK(first->sides[0].only.front() == "bob is admitted, with 0 tokens found in the prefix cache");
  CHECK(first->sides[1].only == std::vector<std::string>{"the rows stand in the order alice"});
  // Bob is one step behind from then on, which is not news; the end is.
  const auto last = comparison.next();
  REQUIRE(last);
  CHECK(last->text == "after 3 steps A ends and B goes on with step 3");
  CHECK_FALSE(comparison.next());
}

TEST_CASE("Policies part where their rules do", "[trace]") {
  EngineConfig config;
  config.num_blocks = 40;
  config.block_size = 4;
  const auto trace = [&](Policy policy) {
    config.policy = policy;
    MemorySink ignored;
    const std::string path = temporary("policy.trace");
    {
      TraceWriter writer(path);
      TestBackend backend;
      Dice dice(2);
      run_traced(config, random_workload(dice, config, 12), backend, writer);
    }
    return contents(path);
  };
  const TraceDifference d = diff(trace(Policy::static_batch), trace(Policy::vllm_v1));
  CHECK_FALSE(d.same);
  CHECK(d.headers.find("policy: static, vllm_v1") != std::string::npos);
  CHECK(d.text.find("only in B:") != std::string::npos);
}

TEST_CASE("Reasons and times in words", "[trace]") {
  CHECK(in_words(Reason{Cause::blocks, 1, 0}) == "needs 1 block, 0 free");
  CHECK(in_words(Reason{Cause::admission_gate, 9, 6}) == "needs 9 blocks for its whole sequence, 6 free");
  CHECK(in_words(Reason{Cause::region, 9, 6}) == "needs 9 blocks in a row, the largest hole has 6");
  CHECK(in_words(Reason{Cause::token_budget, 300, 20}) == "needs 300 tokens of this step's budget, 20 left");
  CHECK(in_words(Reason{Cause::batch_timeout, 1500000, 0}) == "waits up to 1.5 ms for a fuller batch");
  CHECK(time_in_words(0) == "0 ns");
  CHECK(time_in_words(1'000'000'001) == "1.000000001 s");
  CHECK(time_in_words(-1'500) == "-1.5 us");
  CHECK(time_in_words(INT64_MIN) == "-9223372036.854775808 s");
}
