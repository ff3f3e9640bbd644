// tokenyard_bench [FOLDER]: how long recorded hours take, with and without a trace. FOLDER holds azure2023/ and mooncake/ as
// they are published; docs/measurements.md has figures. Every run is a process of its own, so that each has its own peak
// memory; times are from reading the scenario to the last metric.
#include <fmt/core.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/engine.h"
#include "core/metrics.h"
#include "core/trace/recorder.h"
#include "core/trace/writer.h"
#include "sim/scenario.h"

namespace {

using namespace tokenyard;

constexpr int kRuns = 5;

struct Job {
  const char* name;
  const char* file;
  std::vector<std::string> overrides;
  bool trace;
};

struct Outcome {
  double ms = 0;
  std::int64_t steps = 0;
  std::int64_t requests = 0;
  double cpu_ms = 0;  // of the whole process; says more than the clock on a shared machine
  double peak_mb = 0;
};

Outcome simulate(const Job& job, const std::string& file, const std::string& trace_file) {
  const auto begin = std::chrono::steady_clock::now();
  const Scenario scenario = load_scenario(file, job.overrides);
  const auto backend = make_backend(scenario);
  const auto source = make_source(scenario);
  std::unique_ptr<TraceWriter> trace;
  if (job.trace) trace = std::make_unique<TraceWriter>(trace_file);
  Metrics metrics;
  std::vector<EngineObserver*> observers = {&metrics};
  std::optional<TraceRecorder> recorder;
  if (trace) observers.push_back(&recorder.emplace(*trace));
  Engine engine(scenario.engine, *backend, observers);
  if (trace) trace->on_header({"tokenyard_bench", "sim", scenario.engine, scenario.json, "", ""});
  engine.run(*source);
  if (trace) {
    trace->on_end(engine.num_steps(), backend->now());
    trace->flush();
  }
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
  return {took.count(), engine.num_steps(), metrics.completed, 0, 0};
}

// One run in a child. False when it failed.
bool measure(const Job& job, const std::string& file, const std::string& trace_file, Outcome& outcome) {
  int ends[2];
  if (pipe(ends) != 0) return false;
  const pid_t child = fork();
  if (child < 0) return false;
  if (child == 0) {
    try {
      const Outcome result = simulate(job, file, trace_file);
      _exit(write(ends[1], &result, sizeof result) == sizeof result ? 0 : 1);
    } catch (const std::exception& error) {
      fmt::print(stderr, "{}: {}\n", job.name, error.what());
      std::fflush(stderr);
      _exit(1);
    }
  }
  close(ends[1]);
  const bool whole = read(ends[0], &outcome, sizeof outcome) == sizeof outcome;
  close(ends[0]);
  int status = 0;
  rusage usage{};
  wait4(child, &status, 0, &usage);
  const auto ms = [](const timeval& time) {
    return 1e3 * static_cast<double>(time.tv_sec) + 1e-3 * static_cast<double>(time.tv_usec);
  };
  outcome.cpu_ms = ms(usage.ru_utime) + ms(usage.ru_stime);
  outcome.peak_mb = static_cast<double>(usage.ru_maxrss) / 1024;
  return whole && status == 0;
}

}  // namespace

int main(int argc, char** argv) {
  const char* shared = std::getenv("TOKENYARD_SHARED");
  const std::string folder =
      argc > 1 ? argv[1] : (shared != nullptr ? std::string(shared) : TOKENYARD_SOURCE_DIR "/../shared") + "/data";
  const std::string azure = "azure2023/AzureLLMInferenceTrace_conv.csv";
  const std::string mooncake = "mooncake/conversation_trace.jsonl";
  const std::vector<Job> jobs = {
      {"azure hour", azure.c_str(), {}, false},
      {"azure hour, trace", azure.c_str(), {}, true},
      {"azure hour x 10", azure.c_str(), {"workload.0.repeat=10"}, false},
      {"mooncake hour, b200",
       mooncake.c_str(),
       {"hardware=b200", "engine.max_num_batched_tokens=16384", "engine.block_size=16"},
       false},
  };
  const std::string trace_file =
      (std::filesystem::temp_directory_path() / fmt::format("tokenyard_bench.{}.trace", getpid())).string();

  fmt::print("{:<22}{:>9}{:>10}{:>10}{:>10}{:>10}{:>12}{:>10}{:>10}\n", "", "requests", "steps", "min ms", "median", "max",
             "min cpu ms", "peak MB", "trace MB");
  int status = 0;
  for (const Job& job : jobs) {
    const std::string file = folder + "/" + job.file;
    if (!std::filesystem::exists(file)) {
      fmt::print("{:<22}  skipped: no {}\n", job.name, file);
      continue;
    }
    std::vector<double> ms;
    Outcome outcome;
    double peak_mb = 0;
    std::vector<double> cpu_ms;
    for (int run = 0; run < kRuns; ++run) {
      if (!measure(job, file, trace_file, outcome)) {
        status = 1;
        break;
      }
      ms.push_back(outcome.ms);
      cpu_ms.push_back(outcome.cpu_ms);
      peak_mb = std::max(peak_mb, outcome.peak_mb);
    }
    if (ms.empty()) continue;
    std::sort(ms.begin(), ms.end());
    const double trace_mb = job.trace ? static_cast<double>(std::filesystem::file_size(trace_file)) / 1e6 : 0;
    fmt::print("{:<22}{:>9}{:>10}{:>10.1f}{:>10.1f}{:>10.1f}{:>12.1f}{:>10.1f}{:>10.1f}\n", job.name, outcome.requests,
               outcome.steps, ms.front(), ms[ms.size() / 2], ms.back(), *std::min_element(cpu_ms.begin(), cpu_ms.end()),
               peak_mb, trace_mb);
    std::filesystem::remove(trace_file);
  }
  return status;
}
