#include "sim/capacity.h"

#include <vector>

#include "catch.h"
#include "core/base/input_error.h"
#include "sim/run.h"
#include "support.h"

using namespace tokenyard;

namespace {

Probe at(double scale, bool met) {
  Probe probe;
  probe.rate_scale = probe.rate = scale;
  probe.met = met;
  return probe;
}

}  // namespace

TEST_CASE("the search closes in on the edge from any start") {
  for (const double edge : {0.003, 0.7, 1.0, 1.3, 40.0, 3000.0}) {
    for (const double start : {0.25, 1.0, 9.0}) {
      std::vector<double> tried;
      const Capacity found = find_capacity(
          [&](double scale) {
            tried.push_back(scale);
            return at(scale, scale <= edge);
          },
          start, 0.02);
      REQUIRE(found.met);
      REQUIRE(found.missed);
      CHECK(found.met->rate_scale <= edge);
      CHECK(found.missed->rate_scale > edge);
      CHECK(found.missed->rate_scale <= 1.02 * found.met->rate_scale);
      CHECK(tried.size() <= 30);
    }
  }
}

TEST_CASE("a goal that no rate, or any rate, meets ends the search") {
  int runs = 0;
  const auto always = [&](bool met) {
    return [&, met](double scale) {
      ++runs;
      return at(scale, met);
    };
  };
  const Capacity never = find_capacity(always(false), 1, 0.02);
  CHECK_FALSE(never.met);
  CHECK(never.missed->rate_scale < 1e-5);
  const Capacity any = find_capacity(always(true), 1, 0.02);
  CHECK_FALSE(any.missed);
  CHECK(any.met->rate_scale > 1e5);
  CHECK(runs <= 42);
}

TEST_CASE("goals name a field of the result") {
  const std::vector<Goal> goals = parse_goals("ttft_p99=500ms,tpot_mean=0.05s,e2el_median=900us");
  REQUIRE(goals.size() == 3);
  CHECK(goals[0].metric == "p99_ttft_ms");
  CHECK(goals[0].limit == 500);
  CHECK(goals[1].metric == "mean_tpot_ms");
  CHECK(goals[1].limit == Approx(50));
  CHECK(goals[2].metric == "median_e2el_ms");
  CHECK(goals[2].limit == Approx(0.9));
  for (const char* wrong :
       {"", "ttft=5ms", "ttft_p99", "ttft_p99=", "ttft_p99=5", "ttft_p99=5 ms", "ttft_p98=5ms", "abc_p99=5ms", "ttft_p99=-5ms",
        "ttft_p99=5ms,", "ttft_std=1ms", "ttft_p99=nanms", "ttft_p99=0ms"}) {
    CAPTURE(wrong);
    CHECK_THROWS_AS(parse_goals(wrong), InputError);
  }
}

TEST_CASE("clients that give up count against a goal") {
  Metrics metrics;
  metrics.joined = 100;
  metrics.cancelled = 1;
  CHECK(make_probe(1, metrics, {}).met);
  metrics.cancelled = 2;
  CHECK_FALSE(make_probe(1, metrics, {}).met);
  CHECK(make_probe(1, metrics, {}).lost == 0.02);
}

TEST_CASE("the capacity of a server of known speed is found") {
  // One seat, 10 ms a step, answers of 10 tokens: ten requests a second at most, or the queue grows.
  Scenario scenario = scenario_of(R"({"tokenyard_scenario": 1, "name": "one seat", "step_time": {"per_step_us": 10000},
      "engine": {"max_num_seqs": 1, "num_blocks": 1000},
      "workload": [{"type": "generate", "count": 400, "arrivals": {"type": "constant", "rate_per_s": 1},
                    "prompt_tokens": 16, "output_tokens": 10}]})");
  const std::vector<Goal> goals = parse_goals("ttft_p99=20ms");
  const Capacity found = find_capacity(
      [&](double scale) {
        scenario.rate_scale = scale;
        return make_probe(scale, run_scenario(scenario).metrics, goals);
      },
      1, 0.01);
  REQUIRE(found.met);
  CHECK(found.met->rate == Approx(10).epsilon(0.02));
}
