#include <thread>

#include "core/metrics.h"
#include "support.h"

using namespace tokenyard;

namespace {

struct World {
  explicit World(const std::string& text, const std::vector<std::string>& overrides = {})
      : scenario(scenario_of(text, overrides)),
        backend(make_backend(scenario)),
        source(make_source(scenario)),
        engine(scenario.engine, *backend, {&metrics}) {}
  const Metrics& run() {
    engine.run(*source);
    return metrics;
  }
  Scenario scenario;
  std::unique_ptr<SimBackend> backend;
  std::unique_ptr<RequestSource> source;
  Metrics metrics;
  Engine engine;
};

}  // namespace

TEST_CASE("the clock moves by steps and jumps over idle time") {
  World world(constant_scenario(R"({"type": "requests", "requests": [
      {"id": "a", "prompt_tokens": 100, "max_tokens": 3},
      {"id": "b", "arrival_ms": 500, "prompt_tokens": 100, "max_tokens": 2}]})"));
  const Metrics& m = world.run();
  CHECK(m.completed == 2);
  CHECK(m.steps == 5);
  CHECK(world.backend->now() == 502'000'000);
  CHECK(m.ttft.percentile(100) == 1e6);
  CHECK(m.busy == 5'000'000);
}

TEST_CASE("an output ends where the workload says") {
  World world(constant_scenario(R"({"type": "requests", "requests": [
      {"id": "short", "prompt_tokens": 10, "max_tokens": 50, "output_tokens": 4},
      {"id": "cut", "prompt_tokens": 10, "max_tokens": 5, "output_tokens": 40},
      {"id": "on", "prompt_tokens": 10, "max_tokens": 6, "output_tokens": 2, "ignore_eos": true},
      {"id": "least", "prompt_tokens": 10, "max_tokens": 60, "output_tokens": 2, "min_tokens": 7},
      {"id": "script", "prompt": [1, 2, 3], "max_tokens": 9, "outputs": [5, 6, 2, 7]}]})"),
              {"engine.eos_token_id=2"});
  CHECK(world.run().output_tokens == 4 + 5 + 6 + 7 + 3);
}

TEST_CASE("plans submitted ahead run one after the other") {
  SimBackend backend(CostModel(ConstantTime{100, 1}));
  Request request;
  request.num_tokens = request.num_prompt = 10;
  StepPlan first, second;
  first.rows = {{&request, 0, 4, 0, false}};
  second.rows = {{&request, 4, 6, 0, true}};
  backend.submit(first);
  backend.submit(second);
  CHECK(backend.collect().tokens.empty());
  CHECK(backend.now() == 104);
  CHECK(backend.collect().tokens == std::vector<Token>{kUnnamedToken});
  CHECK(backend.now() == 210);
}

TEST_CASE("waiting without a time ends with wake, also when that came first") {
  SimBackend backend(CostModel(ConstantTime{1, 0}));
  backend.wake();
  backend.wait_until(kNever);
  std::thread waker([&] { backend.wake(); });
  backend.wait_until(kNever);
  waker.join();
  CHECK(backend.now() == 0);
  backend.wait_until(50);
  CHECK(backend.now() == 50);
  backend.wait_until(20);
  CHECK(backend.now() == 50);
}

TEST_CASE("live requests are served in virtual time") {
  World world(constant_scenario(R"({"type": "requests", "requests": [{"id": "unused", "prompt_tokens": 1}]})"));
  std::thread server([&] { world.engine.serve(); });
  for (int i = 0; i < 50; ++i) {
    RequestSpec spec;
    spec.id = std::to_string(i);
    spec.arrival = -1;
    spec.prompt.append(text_name(0, TextKind::own, i), 0, 20);
    spec.max_tokens = 5;
    world.engine.submit(std::move(spec), nullptr);
  }
  world.engine.stop();
  server.join();
  CHECK(world.metrics.completed == 50);
}
