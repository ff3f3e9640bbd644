// Traces in memory and in files, for the tests of the trace.
#pragma once

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "core/metrics.h"
#include "core/test_backend.h"
#include "core/trace/config_json.h"
#include "core/trace/reader.h"
#include "core/trace/recorder.h"
#include "core/trace/writer.h"

namespace tokenyard::test {

using Record = std::variant<JoinRecord, StepRecord, CancelRecord, std::pair<std::int64_t, TimeNs>>;

struct MemorySink : TraceSink {
  void on_header(const TraceHeader& h) override { header = h; }
  void on_join(const JoinRecord& r) override { records.emplace_back(r); }
  void on_step(const StepRecord& r) override { records.emplace_back(r); }
  void on_cancel(const CancelRecord& r) override { records.emplace_back(r); }
  void on_end(std::int64_t steps, TimeNs at) override { records.emplace_back(std::pair(steps, at)); }

  TraceHeader header;
  std::vector<Record> records;
};

struct Tee : TraceSink {
  explicit Tee(std::vector<TraceSink*> all) : sinks(std::move(all)) {}
  void on_header(const TraceHeader& h) override {
    for (TraceSink* s : sinks) s->on_header(h);
  }
  void on_join(const JoinRecord& r) override {
    for (TraceSink* s : sinks) s->on_join(r);
  }
  void on_step(const StepRecord& r) override {
    for (TraceSink* s : sinks) s->on_step(r);
  }
  void on_cancel(const CancelRecord& r) override {
    for (TraceSink* s : sinks) s->on_cancel(r);
  }
  void on_end(std::int64_t steps, TimeNs at) override {
    for (TraceSink* s : sinks) s->on_end(steps, at);
  }
  std::vector<TraceSink*> sinks;
};

inline TraceHeader header_of(const EngineConfig& config) { return {"tokenyard test", "test", config, {}, {}, {}}; }

// A path for this test program only.
inline std::string temporary(const std::string& name) {
  static const auto folder = [] {
    const auto path = std::filesystem::temp_directory_path() / ("tokenyard_test_" + std::to_string(std::random_device{}()));
    std::filesystem::create_directories(path);
    struct Removed {
      std::filesystem::path path;
      ~Removed() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
      }
    };
    static const Removed removed{path};
    return path;
  }();
  return (folder / name).string();
}

inline std::string contents(const std::string& path) {
  std::ostringstream out;
  out << std::ifstream(path, std::ios::binary).rdbuf();
  return out.str();
}

inline TraceReader reader_of(const std::string& text, const std::string& name = "t.trace") {
  return {std::make_unique<std::istringstream>(text), name};
}

inline std::vector<Record> read_all(TraceSource& source) {
  std::vector<Record> records;
  while (true) {
    switch (source.next()) {
      case TraceSource::Kind::join: records.emplace_back(source.join()); break;
      case TraceSource::Kind::step: records.emplace_back(source.step()); break;
      case TraceSource::Kind::cancel: records.emplace_back(source.cancel()); break;
      case TraceSource::Kind::end: records.emplace_back(std::pair(source.end_steps(), source.end_at())); break;
      case TraceSource::Kind::none: return records;
    }
  }
}

// Runs a workload to its end, into `sink`; `after_step` is called after every step or wait.
inline void run_traced(const EngineConfig& config, ListSource source, TestBackend& backend, TraceSink& sink,
                       const std::function<void(const Engine&, const Metrics&)>& after_step = {}) {
  sink.on_header(header_of(config));
  Metrics metrics;
  TraceRecorder recorder(sink);
  Engine engine(config, backend, {&metrics, &recorder});
  while (true) {
    backend.rows.clear();
    if (!engine.step(&source)) break;
    if (after_step) after_step(engine, metrics);
    if (engine.num_steps() > 20'000) {
      throw std::logic_error("the run does not end: " + engine_config_json(config));
    }
  }
  sink.on_end(engine.num_steps(), backend.now());
}

// A configuration an engine takes; now and then vLLM with its defects.
inline EngineConfig random_engine_config(Policy policy, Dice& dice, bool async = false) {
  EngineConfig config = random_config(policy, dice);
  while (validate(config)) config = random_config(policy, dice);
  if (policy == Policy::orca) {  // a context that fits, or `max` refuses everybody
    config.max_model_len = std::max(4, config.num_blocks * config.block_size / dice.roll(1, 4));
  }
  // Where priorities tie and nothing guards admission, the peer preempts in circles for ever (docs/policies.md); ours does not.
  const bool circles = config.queue_order == QueueOrder::priority && !config.admission_gate;
  config.strict_peer = policy == Policy::vllm_v1 && config.enable_chunked_prefill && dice.chance(30) && !circles;
  config.async_scheduling = async;
  return config;
}

// The text of the trace of a random workload.
inline std::string random_trace(std::uint64_t seed, Policy policy, std::int32_t requests, bool async = false) {
  Dice dice(seed);
  const EngineConfig config = random_engine_config(policy, dice, async);
  const std::string path = temporary("random.trace");
  {
    TestBackend backend;
    TraceWriter writer(path);
    run_traced(config, random_workload(dice, config, requests), backend, writer);
  }
  return contents(path);
}

}  // namespace tokenyard::test
