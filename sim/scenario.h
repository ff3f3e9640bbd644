// A scenario file: a model on some hardware under an engine configuration, and the requests that come. docs/scenarios.md.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/engine.h"
#include "sim/cost_model.h"
#include "sim/sim_backend.h"
#include "sim/workload.h"

namespace tokenyard {

inline constexpr int kScenarioVersion = 1;
inline constexpr double kLeastRateScale = 1e-6, kMostRateScale = 1e6;

struct Scenario {
  std::string name, title, teaches, look_for;

  // Both, or neither under a constant step time.
  std::optional<ModelShape> model;
  std::optional<HardwareSpec> hardware;
  std::optional<ConstantTime> step_time;
  Execution execution;
  double gpu_memory_utilization = 0.9;

  EngineConfig engine;  // valid, num_blocks resolved
  std::uint64_t seed = 0;
  double rate_scale = 1;  // how many times as fast the workload's requests come
  std::vector<std::shared_ptr<const Workload>> workload;

  // The resolved scenario as a scenario file: nothing left to a default or a name. Loading it gives the same scenario again.
  std::string json;
};

// Reads a scenario file or, by its content, wraps in a default scenario (Llama-3.1-8B on one A100, vllm_v1): recorded
// traffic of a known kind (workload_files.cpp), a peer's workload or recording ("config" and "requests"; its blocks are usable
// ones where it is nano-vLLM's, steps take 10 ms). `overrides` are "path.to.key=value" (value: JSON, else a string), applied
// before anything is read; a number picks from a list, and a path may lead into a built-in model or hardware. Throws
// InputError.
Scenario load_scenario(const std::string& path, const std::vector<std::string>& overrides = {});
// The same from text; `name` stands for the file in messages, `directory` is where its paths start.
Scenario parse_scenario(const std::string& text, const std::string& name, const std::string& directory,
                        const std::vector<std::string>& overrides = {});

// These requests (their prompts named token by token) on a model and hardware, each a built-in name or a file.
Scenario scenario_of_requests(const std::vector<RequestSpec>& requests, const std::string& name, const std::string& model,
                              const std::string& hardware, const std::vector<std::string>& overrides = {});

CostModel make_cost_model(const Scenario& scenario);
std::unique_ptr<SimBackend> make_backend(const Scenario& scenario);
std::unique_ptr<RequestSource> make_source(const Scenario& scenario);

// What is known of the cost model's error, with the hardware's name: one line to stand beside results.
std::string error_note(const Scenario& scenario);

}  // namespace tokenyard
