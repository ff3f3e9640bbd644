// Running a scenario from its beginning to its end.
#pragma once

#include <functional>
#include <string>

#include "core/engine.h"
#include "core/metrics.h"
#include "core/trace/sink.h"
#include "sim/scenario.h"

namespace tokenyard {

struct RunOptions {
  Slo slo;
  TraceSink* trace = nullptr;  // borrowed; gets the whole trace, header and end too
  std::string program;         // who writes the trace: "tokenyard 0.1.0"
  // After each step or wait, with the simulated time; may be empty.
  std::function<void(const Engine&, const Metrics&, TimeNs)> after_step;
};

struct RunResult {
  Metrics metrics;
  EngineConfig engine;  // as the engine resolved it
};

// Depends on nothing but the scenario. Safe to call from several threads at once.
RunResult run_scenario(const Scenario& scenario, const RunOptions& options = {});

}  // namespace tokenyard
