// A backend, a source and random workloads for tests of what stands around the engine. Small numbers, so that everything
// happens: preemption, eviction, sharing, waiting.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/backend.h"
#include "core/dice.h"
#include "core/engine.h"

namespace tokenyard::test {

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
      if (row.sample) result_.tokens.push_back(next_token(*row.request, row.first + row.count - row.request->num_prompt));
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
  // The token after `n` others.
  static Token next_token(const Request& request, std::int32_t n) {
    const RequestSpec& spec = request.spec;
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

inline ListSource random_workload(Dice& dice, const EngineConfig& config, std::int32_t requests) {
  ListSource source;
  const std::int32_t capacity = usable_blocks(config) * config.block_size;
  TimeNs at = 0;
  for (std::int32_t i = 0; i < requests; ++i) {
    if (dice.chance(70)) at += dice.roll(0, 4000);
    RequestSpec spec;
    spec.id = "r" + std::to_string(i);
    spec.arrival = at;
    const std::int32_t total = dice.roll(2, config.strict_peer ? capacity : capacity + 4);
    std::int32_t prompt = dice.roll(1, total - 1);
    if (dice.chance(60)) {
      const std::int32_t shared = dice.roll(1, prompt);
      spec.prompt.append(dice.roll(0, 2), 0, shared);
      prompt -= shared;
    }
    if (dice.chance(50)) {
      if (prompt > 0) spec.prompt.append(100 + i, dice.roll(0, 3), prompt);
    } else {
      for (std::int32_t t = 0; t < prompt; ++t) spec.prompt.append(dice.roll(0, 1));
    }
    spec.max_tokens = dice.roll(1, std::max(1, total - spec.prompt.size()));
    spec.output_tokens = dice.roll(1, 12);
    spec.min_tokens = dice.chance(10) ? 1 : 0;
    spec.priority = dice.roll(0, 3);
    spec.ignore_eos = dice.chance(20);
    if (dice.chance(20)) {
      for (std::int32_t t = dice.roll(1, 10); t > 0; --t) spec.scripted_output.push_back(dice.roll(0, 9));
    }
    if (dice.chance(10)) spec.stop_token_ids = {3, 4};
    if (dice.chance(10)) source.cancel(at + dice.roll(0, 20000), spec.id);
    source.join(std::move(spec));
  }
  source.sort();
  return source;
}

}  // namespace tokenyard::test
