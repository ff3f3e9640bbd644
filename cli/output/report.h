// What a run prints: the table users of `vllm bench serve` know, the same as JSON, and a line of progress on terminals.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "core/engine.h"
#include "core/metrics.h"

namespace tokenyard::cli {

struct ReportContext {
  std::string scenario;  // name
  std::string model, hardware;
  std::string timing;      // where step times come from: "llama-3.1-8b on a100-80gb"
  std::string error_note;  // what is known of the cost model's error; empty where time was measured
  std::string backend;
  EngineConfig engine;
};

// `text` is "ttft:500 tpot:50 e2el:2000" split at blanks; milliseconds. Throws InputError.
Slo parse_slo(const std::vector<std::string>& words);

// Why a run's numbers say nothing: no request came, or every one was refused. Empty when some were served.
std::string nothing_served(const Metrics& metrics);

std::string result_table(const Metrics& metrics, const ReportContext& context);
// The table on stdout and, when it says nothing, why on stderr.
void print_result(const Metrics& metrics, const ReportContext& context);
// Field names of `vllm bench serve --save-result`; times in its units.
std::string result_json(const Metrics& metrics, const ReportContext& context);

// One line on stderr, rewritten a few times a second while a run takes long; silent when stderr is no terminal.
class Progress {
 public:
  Progress();
  ~Progress() { erase(); }
  void erase();
  void update(const Engine& engine, const Metrics& metrics, TimeNs now);

 private:
  using Clock = std::chrono::steady_clock;
  bool terminal_;
  bool shown_ = false;
  Clock::time_point start_, next_;
};

}  // namespace tokenyard::cli
