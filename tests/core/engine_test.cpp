#include "core/engine.h"
#include "core/metrics.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "catch.h"
#include "core/test_backend.h"
#include "core/world.h"

using namespace tokenyard;
using namespace tokenyard::test;

namespace {

EngineConfig small() {
  EngineConfig c;
  c.policy = Policy::vllm_v1;
  c.block_size = 4;
  c.num_blocks = 65;
  c.max_num_seqs = 8;
  c.max_num_batched_tokens = 64;
  return c;
}

RequestSpec request(const std::string& id, std::int32_t prompt, std::int32_t output, TimeNs arrival = 0) {
  RequestSpec spec;
  spec.id = id;
  spec.arrival = arrival;
  spec.prompt.append(static_cast<ContentId>(std::hash<std::string>{}(id) >> 12), 0, prompt);
  spec.max_tokens = output;
  return spec;
}

struct Heard {
  std::string id;
  FinishReason reason;
  std::int32_t output;
  std::string why;
};

class Listener final : public RequestListener {
 public:
  explicit Listener(std::vector<Heard>& heard) : heard_(heard) {}
  void on_token(const Request&, Token, const TokenLogprobs*) override { ++tokens; }
  void on_end(const Request& r, const std::string& why) override {
    heard_.push_back({r.spec.id, r.finish_reason, r.num_output(), why});
  }
  int tokens = 0;

 private:
  std::vector<Heard>& heard_;
};

// Like TestBackend, on the real clock: waits really wait until somebody wakes them.
class WallBackend final : public TestBackend {
 public:
  WallBackend() : TestBackend(0) {}
  TimeNs now() const override {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start_).count();
  }
  void wait_until(TimeNs time) override {
    std::unique_lock lock(mutex_);
    const auto woken = [&] { return awake_; };
    if (time == kNever) {
      condition_.wait(lock, woken);
    } else {
      condition_.wait_until(lock, start_ + std::chrono::nanoseconds(time), woken);
    }
    awake_ = false;
  }
  void wake() override {
    const std::lock_guard lock(mutex_);
    awake_ = true;
    condition_.notify_one();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::mutex mutex_;
  std::condition_variable condition_;
  bool awake_ = false;
};

}  // namespace

TEST_CASE("a source's requests run to their end, with the latencies the clock says", "[engine]") {
  TestBackend backend(1000);
  Metrics metrics;
  Engine engine(small(), backend, {&metrics});
  ListSource source;
  source.join(request("a", 10, 3, 500));
  source.join(request("b", 10, 1, 700));
  source.sort();
  engine.run(source);
  CHECK(metrics.completed == 2);
  CHECK(metrics.output_tokens == 4);
  CHECK(metrics.input_tokens == 20);
  // a joins at 500 and has its first token at 1500; b arrives meanwhile and has its only one at 2500.
  CHECK(metrics.ttft.percentile(0) == 1000);
  CHECK(metrics.ttft.percentile(100) == 1800);
  CHECK(metrics.e2el.percentile(100) == 3000);
  CHECK(metrics.tpot.count() == 1);
  CHECK(metrics.tpot.mean() == 1000);
  CHECK(metrics.itl.count() == 2);
  CHECK(metrics.steps == 3);
  CHECK(metrics.duration() == 3000);
  CHECK(metrics.busy == 3000);
}

TEST_CASE("refusals reach the listener with their numbers, and nobody else is harmed", "[engine]") {
  TestBackend backend;
  Metrics metrics;
  Engine engine(small(), backend, {&metrics});
  std::vector<Heard> heard;
  const auto listener = std::make_shared<Listener>(heard);
  engine.submit(request("big", 1000, 4), listener);
  engine.submit(request("ok", 10, 4), listener);
  engine.submit(request("ok", 10, 4), listener);
  engine.submit(request("none", 0, 4), listener);
  while (engine.step(nullptr)) {
  }
  REQUIRE(heard.size() == 4);
  CHECK(heard[0].why == "the prompt needs 250 blocks of 4 tokens; the pool has 64");
  CHECK(heard[1].why == "a live request has the same id");
  CHECK(heard[2].why == "the prompt is empty");
  CHECK(heard[3].reason == FinishReason::length);
  CHECK(listener->tokens == 4);
  CHECK(engine.num_live() == 0);
  CHECK(metrics.refused == 3);
}

TEST_CASE("cancelled requests leave at once and give back their blocks", "[engine]") {
  for (const Policy policy : all_policies()) {
    INFO(name_of(policy));
    EngineConfig config = small();
    config.policy = policy;
    TestBackend backend;
    Metrics metrics;
    Engine engine(config, backend, {&metrics});
    std::vector<Heard> heard;
    const auto listener = std::make_shared<Listener>(heard);
    const std::uint64_t first = engine.submit(request("first", 10, 50), listener);
    const std::uint64_t waits = engine.submit(request("waits", 10, 50), listener);
    for (int i = 0; i < 5; ++i) engine.step(nullptr);
    engine.cancel(first);
    engine.cancel(waits);
    engine.cancel(12345);
    while (engine.step(nullptr)) {
    }
    REQUIRE(heard.size() == 2);
    CHECK(heard[0].reason == FinishReason::cancelled);
    CHECK(heard[1].reason == FinishReason::cancelled);
    CHECK(engine.scheduler().blocks().num_referenced() == 0);
    CHECK(metrics.cancelled == 2);
  }
}

TEST_CASE("a client that has all it wanted ends its request as a stop, once there is a token", "[engine]") {
  for (const Policy policy : all_policies()) {
    INFO(name_of(policy));
    EngineConfig config = small();
    config.policy = policy;
    TestBackend backend;
    Metrics metrics;
    Engine engine(config, backend, {&metrics});
    std::vector<Heard> heard;
    const auto listener = std::make_shared<Listener>(heard);
    const std::uint64_t begun = engine.submit(request("begun", 10, 50), listener);
    while (listener->tokens < 3) engine.step(nullptr);
    const std::uint64_t silent = engine.submit(request("silent", 10, 50), listener);
    engine.cancel(silent, FinishReason::stop);
    engine.cancel(begun, FinishReason::stop);
    while (engine.step(nullptr)) {
    }
    std::map<std::string, FinishReason> reasons;
    for (const Heard& h : heard) reasons[h.id] = h.reason;
    CHECK(reasons == std::map<std::string, FinishReason>{{"begun", FinishReason::stop}, {"silent", FinishReason::cancelled}});
    CHECK(engine.scheduler().blocks().num_referenced() == 0);
    CHECK(metrics.completed == 1);
    CHECK(metrics.cancelled == 1);
    CHECK(metrics.ttft.mean() > 0);
  }
}

TEST_CASE("a failed device ends every request and keeps the engine whole", "[engine]") {
  TestBackend backend;
  backend.fails_at = 3;
  Engine engine(small(), backend);
  std::vector<Heard> heard;
  const auto listener = std::make_shared<Listener>(heard);
  for (int i = 0; i < 20; ++i) engine.submit(request("r" + std::to_string(i), 30, 20), listener);
  CHECK_THROWS_AS(
      [&] {
        while (engine.step(nullptr)) {
        }
      }(),
      BackendError);
  CHECK(heard.size() == 20);
  for (const Heard& h : heard) CHECK((h.reason == FinishReason::error && h.why == "the test device failed"));
  CHECK(engine.num_live() == 0);
  CHECK(engine.scheduler().blocks().num_referenced() == 0);
}

namespace {

// Takes two plans, and remembers in which order things were asked of it and what rows waited for.
class DeepBackend final : public TestBackend {
 public:
  explicit DeepBackend(bool overlaps) : overlaps_(overlaps) {}
  BackendLimits limits() const override {
    BackendLimits limits;
    limits.overlaps = overlaps_;
    return limits;
  }
  void submit(const StepPlan& plan) override {
    calls += " s" + std::to_string(plan.step);
    for (const Row& row : plan.rows) {
      if (row.waits_for >= 0) calls += ":" + row.request->spec.id + "<" + std::to_string(row.waits_for);
    }
    submitted_.push_back(&plan);
  }
  const StepResult& collect() override {
    calls += " c" + std::to_string(submitted_.front()->step);
    TestBackend::submit(*submitted_.front());
    submitted_.erase(submitted_.begin());
    return TestBackend::collect();
  }
  std::string calls;

 private:
  bool overlaps_;
  std::vector<const StepPlan*> submitted_;
};

}  // namespace

TEST_CASE("planning ahead, a step is submitted before the one in flight is collected", "[engine]") {
  const bool overlaps = GENERATE(true, false);
  EngineConfig config = small();
  config.async_scheduling = true;
  DeepBackend backend(overlaps);
  Metrics metrics;
  Engine engine(config, backend, {&metrics});
  ListSource source;
  source.join(request("a", 5, 2));
  RequestSpec stops = request("b", 5, 9);
  stops.output_tokens = 2;
  source.join(std::move(stops));
  engine.run(source);
  // b's end is known only when a third step has been planned for it; a's length was known all along.
  CHECK(backend.calls == (overlaps ? " s0 s1:a<0:b<1 c0 s2:b<1 c1 c2" : " s0 c0 s1:a<0:b<1 c1 s2:b<1 c2"));
  CHECK(engine.num_steps() == 3);
  CHECK(metrics.completed == 2);
  CHECK(metrics.output_tokens == 4);  // what the third step sampled is nobody's
  CHECK(metrics.e2el.percentile(100) == 2000);
  CHECK(engine.scheduler().idle());
  CHECK(engine.scheduler().blocks().num_referenced() == 0);
}

TEST_CASE("requests of equal rank do not take each other's blocks for ever", "[engine]") {
  EngineConfig config = small();
  config.block_size = 2;
  config.num_blocks = 32;
  config.max_num_seqs = 2;
  config.max_num_batched_tokens = 6;
  config.long_prefill_token_threshold = 2;
  config.enable_prefix_caching = false;
  config.admission_gate = false;
  config.queue_order = QueueOrder::priority;
  TestBackend backend;
  Metrics metrics;
  Engine engine(config, backend, {&metrics});
  ListSource source;
  for (const char* id : {"b", "a", "c"}) source.join(request(id, 50, 6));
  while (engine.step(&source)) REQUIRE(engine.num_steps() < 2000);
  CHECK(metrics.completed == 3);
  CHECK(metrics.preemptions > 0);
}

TEST_CASE("a wrong configuration is one sentence before anything runs", "[engine]") {
  TestBackend backend;
  const auto message = [&](auto change) -> std::string {
    EngineConfig config = small();
    change(config);
    try {
      Engine engine(config, backend);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "";
  };
  CHECK(message([](EngineConfig&) {}) == "");
  CHECK(message([](EngineConfig& c) { c.max_num_seqs = 0; }).rfind("max_num_seqs is 0;", 0) == 0);
  CHECK(message([](EngineConfig& c) { c.max_num_batched_tokens = 0; }).rfind("max_num_batched_tokens is 0;", 0) == 0);
  CHECK(message([](EngineConfig& c) { c.num_blocks = 0; }).rfind("num_blocks is 0;", 0) == 0);
  CHECK(message([](EngineConfig& c) { c.num_blocks = 1; }).find("null block") != std::string::npos);
  CHECK(message([](EngineConfig& c) { c.block_size = -4; }).rfind("block_size is -4;", 0) == 0);
  CHECK(message([](EngineConfig& c) { c.max_num_seqs = 100; }).find("seat") != std::string::npos);
}

TEST_CASE("many threads submit and cancel while the engine serves", "[engine][threads]") {
  WallBackend backend;
  Engine engine(small(), backend);
  std::vector<Heard> heard;  // written on the engine's thread only
  const auto listener = std::make_shared<Listener>(heard);
  std::thread server([&] { engine.serve(); });
  std::vector<std::thread> clients;
  const int each = test::scaled(200);
  for (int t = 0; t < 4; ++t) {
    clients.emplace_back([&, t] {
      for (int i = 0; i < each; ++i) {
        RequestSpec spec = request("t" + std::to_string(t) + "-" + std::to_string(i), 5 + i % 20, 1 + i % 30, -1);
        const std::uint64_t ticket = engine.submit(std::move(spec), listener);
        if (i % 3 == 0) engine.cancel(ticket);
        if (i % 50 == 0) std::this_thread::yield();
      }
    });
  }
  for (std::thread& client : clients) client.join();
  engine.stop();
  server.join();
  CHECK(heard.size() == static_cast<std::size_t>(4 * each));
  std::map<std::string, int> ends;
  for (const Heard& h : heard) {
    CHECK(++ends[h.id] == 1);
    CHECK((h.reason == FinishReason::length || h.reason == FinishReason::cancelled));
  }
  CHECK(engine.num_live() == 0);
  CHECK(engine.scheduler().blocks().num_referenced() == 0);
}
