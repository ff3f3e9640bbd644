// What Prometheus asks a server for, under vLLM's names (its docs/design/metrics.md), so that boards made for it work.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/observer.h"

namespace tokenyard::serve {

// What holds now, as the engine's thread last saw it.
struct Gauges {
  std::int64_t running = 0;
  std::int64_t waiting = 0;  // those the engine has not seen yet too
  double kv_use = 0;         // share of the blocks that requests hold, 0 .. 1
};

// How many values were at most each of some fixed edges.
class Histogram {
 public:
  explicit Histogram(std::vector<double> edges) : edges_(std::move(edges)), counts_(edges_.size() + 1) {}
  void add(double value);
  // In Prometheus' text format. `labels`: `model_name="x"`.
  void append(std::string& out, const char* name, const char* help, const std::string& labels) const;

 private:
  std::vector<double> edges_;  // ascending
  std::vector<std::int64_t> counts_;
  double sum_ = 0;
};

// Watches the engine on its thread; text() and generated_tokens() may be called on any. Times are the backend's clock. One lock
// for each call of the engine, none for a token.
class ServerMetrics final : public EngineObserver {
 public:
  explicit ServerMetrics(const std::string& model_name);

  void on_commit(const StepOutcome& outcome) override;
  void on_leave(const Request& request, const std::string& why) override;

  // The exposition format, version 0.0.4.
  std::string text(const Gauges& now) const;
  std::int64_t generated_tokens() const;

 private:
  std::string labels_;
  mutable std::mutex mutex_;  // guards all below
  std::int64_t prompt_tokens_ = 0, generation_tokens_ = 0, prefix_queries_ = 0, prefix_hits_ = 0, preemptions_ = 0;
  std::int64_t stopped_ = 0, length_ = 0, aborted_ = 0, failed_ = 0;
  std::unordered_map<const Request*, TimeNs> admitted_;  // when a live request first was; looked up, never walked
  Histogram ttft_, itl_, tpot_, e2e_, queue_, inference_, prefill_, decode_, prompt_length_, output_length_, step_tokens_;
};

}  // namespace tokenyard::serve
