// A backend, a source and random workloads for tests of what stands around the engine. Small numbers, so that everything
// happens: preemption, eviction, sharing, waiting.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "core/backend.h"
#include "core/engine.h"

namespace tokenyard::testing {

// Every step takes `step_time` on a virtual clock. A request says its scripted_output, or else unnamed tokens until it has
// output_tokens of them.
class TestBackend : public Backend {
 public:
  struct SeenRow {
    std::int32_t request, first, count, padding;
    bool sample;
    friend bool operator==(const SeenRow&, const SeenRow&) = default;
  };

  explicit TestBackend(TimeNs step_time = 1000) : step_time_(step_time) {}

  void submit(const StepPlan& plan) override {
    if (plan.step == fails_at) throw BackendError("the test device failed");
    rows.clear();
    result_.tokens.clear();
    for (const Row& row : plan.rows) {
      rows.push_back({row.request->number, row.first, row.count, row.padding, row.sample});
      if (row.sample) result_.tokens.push_back(next_token(*row.request));
    }
    result_.duration = step_time_;
    result_.parts = {};
    result_.parts.gemm = step_time_ - step_time_ / 4;
    result_.parts.host = step_time_ / 4;
  }
  const StepResult& collect() override {
    now_ += step_time_;
    return result_;
  }
  TimeNs now() const override { return now_; }
  void wait_until(TimeNs time) override { now_ = std::max(now_, time); }
  void wake() override {}

  std::vector<SeenRow> rows;   // of the latest submitted step
  std::int64_t fails_at = -1;  // the step at which the device fails

 private:
  static Token next_token(const Request& request) {
    const RequestSpec& spec = request.spec;
    const std::int32_t n = request.num_output();
    if (!spec.scripted_output.empty()) {
      return n < std::ssize(spec.scripted_output) ? spec.scripted_output[static_cast<std::size_t>(n)] : kUnnamedEnd;
    }
    return spec.output_tokens >= 0 && n + 1 >= spec.output_tokens ? kUnnamedEnd : kUnnamedToken;
  }

  TimeNs step_time_;
  TimeNs now_ = 0;
  StepResult result_;
};

// Joins and cancels at given times.
class ListSource : public RequestSource {
 public:
  struct Timed {
    TimeNs at;
    SourceEvent event;
  };

  void join(RequestSpec spec) {
    const TimeNs at = spec.arrival;
    events_.push_back({at, {SourceEvent::Kind::join, std::move(spec), {}, -1}});
  }
  void cancel(TimeNs at, std::string id) { events_.push_back({at, {SourceEvent::Kind::cancel, {}, std::move(id), -1}}); }
  void sort() {
    std::stable_sort(events_.begin(), events_.end(), [](const Timed& a, const Timed& b) { return a.at < b.at; });
  }

  void poll(TimeNs now, std::int64_t, std::vector<SourceEvent>& due) override {
    for (; next_ < events_.size() && events_[next_].at <= now; ++next_) due.push_back(events_[next_].event);
  }
  TimeNs next_time() const override { return next_ < events_.size() ? events_[next_].at : kNever; }

 private:
  std::vector<Timed> events_;
  std::size_t next_ = 0;
};

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::int32_t between(std::int32_t least, std::int32_t most) {
    return least + static_cast<std::int32_t>(engine_() % (static_cast<std::uint64_t>(most - least) + 1));
  }
  bool chance(std::int32_t percent) { return between(1, 100) <= percent; }

 private:
  std::mt19937_64 engine_;
};

inline EngineConfig random_config(Random& random, Policy policy) {
  EngineConfig c;
  c.policy = policy;
  c.max_num_seqs = random.between(1, 8);
  c.max_num_batched_tokens = random.between(8, 40);
  c.block_size = random.chance(30) ? 1 : random.between(2, 5);
  c.num_blocks = random.between(12, 40) * (c.block_size == 1 ? 3 : 1);
  c.enable_prefix_caching = random.chance(80);
  c.long_prefill_token_threshold = random.chance(30) ? random.between(2, 8) : 0;
  c.watermark_blocks = random.chance(30) ? 1 : 0;
  c.admission_gate = random.chance(50);
  c.queue_order = random.chance(50) ? QueueOrder::priority : QueueOrder::fcfs;
  c.free_order = random.chance(50) ? FreeOrder::lru_all : FreeOrder::unhashed_first;
  c.enable_chunked_prefill = random.chance(80);
  c.strict_peer = policy == Policy::vllm_v1 && random.chance(30);
  if (c.strict_peer) c.enable_chunked_prefill = true;
  c.batch_timeout = random.chance(50) ? random.between(0, 20000) : 0;
  c.reservation = static_cast<Reservation>(random.between(0, 2));
  if (c.reservation == Reservation::max && policy == Policy::orca) {
    c.max_model_len = std::max(4, c.num_blocks * c.block_size / random.between(1, 4));
  }
  c.eos_token_id = 7;
  return c;
}

inline ListSource random_workload(Random& random, const EngineConfig& config, std::int32_t requests) {
  ListSource source;
  const std::int32_t capacity = usable_blocks(config) * config.block_size;
  TimeNs at = 0;
  for (std::int32_t i = 0; i < requests; ++i) {
    if (random.chance(70)) at += random.between(0, 4000);
    RequestSpec spec;
    spec.id = "r" + std::to_string(i);
    spec.arrival = at;
    const std::int32_t total = random.between(2, config.strict_peer ? capacity : capacity + 4);
    std::int32_t prompt = random.between(1, total - 1);
    if (random.chance(60)) {
      const std::int32_t shared = random.between(1, prompt);
      spec.prompt.append(random.between(0, 2), 0, shared);
      prompt -= shared;
    }
    if (random.chance(50)) {
      if (prompt > 0) spec.prompt.append(100 + i, random.between(0, 3), prompt);
    } else {
      for (std::int32_t t = 0; t < prompt; ++t) spec.prompt.append(random.between(0, 1));
    }
    spec.max_tokens = random.between(1, std::max(1, total - spec.prompt.size()));
    spec.output_tokens = random.between(1, 12);
    spec.min_tokens = random.chance(10) ? 1 : 0;
    spec.priority = random.between(0, 3);
    spec.ignore_eos = random.chance(20);
    if (random.chance(20)) {
      for (std::int32_t t = random.between(1, 10); t > 0; --t) spec.scripted_output.push_back(random.between(0, 9));
    }
    if (random.chance(10)) spec.stop_token_ids = {3, 4};
    if (random.chance(10)) source.cancel(at + random.between(0, 20000), spec.id);
    source.join(std::move(spec));
  }
  source.sort();
  return source;
}

}  // namespace tokenyard::testing
