#include "sim/run.h"

#include <memory>
#include <optional>

#include "core/trace/recorder.h"

#include "core/base/model_json.h"

namespace tokenyard {

RunResult run_scenario(const Scenario& scenario, const RunOptions& options) {
  const std::unique_ptr<SimBackend> backend = make_backend(scenario);
  const std::unique_ptr<RequestSource> source = make_source(scenario);
  Metrics metrics(options.slo);
  std::vector<EngineObserver*> observers = {&metrics};
  std::optional<TraceRecorder> recorder;
  if (options.trace != nullptr) observers.push_back(&recorder.emplace(*options.trace));
  Engine engine(scenario.engine, *backend, observers);
  if (options.trace != nullptr) {
    options.trace->on_header({options.program, "sim", engine.scheduler().config(), scenario.json,
                              scenario.model ? to_json(*scenario.model) : "",
                              scenario.hardware ? to_json(*scenario.hardware) : ""});
  }
  while (engine.step(source.get())) {
    if (options.after_step) options.after_step(engine, metrics, backend->now());
  }
  if (options.trace != nullptr) options.trace->on_end(engine.num_steps(), backend->now());
  return {metrics, engine.scheduler().config()};
}

}  // namespace tokenyard
