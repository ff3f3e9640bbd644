// Simulates a scenario again in the background whenever it is varied.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/trace/memory.h"
#include "sim/scenario.h"
#include "viz/model/trace_model.h"

namespace tokenyard::viz {

struct SimulatedRun {
  std::shared_ptr<const TraceModel> model;   // null: error says why
  std::shared_ptr<const MemoryTrace> trace;  // what the model was made from
  std::shared_ptr<const Scenario> scenario;
  std::vector<std::string> overrides;
  std::string error;
  double seconds = 0;
};

// Runs it here and now. `cancelled` is asked after every step and may be empty; then an empty model without an error comes out.
SimulatedRun simulate_into_model(const std::string& scenario, const std::vector<std::string>& overrides,
                                 const std::string& name, const std::function<bool()>& cancelled = {});

// One worker thread; the latest wish wins, and a run for an older one is given up after the step it is in. Where there are no
// threads, poll() runs the latest wish itself.
class WhatIf {
 public:
  WhatIf();
  ~WhatIf();
  WhatIf(const WhatIf&) = delete;
  WhatIf& operator=(const WhatIf&) = delete;

  void ask(std::string scenario, std::vector<std::string> overrides, std::string name);
  // A finished run that nobody has taken yet. With threads it never blocks for a run.
  std::optional<SimulatedRun> poll();
  bool busy() const;

 private:
  struct Wish {
    std::string scenario;
    std::vector<std::string> overrides;
    std::string name;
  };
  void work();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Wish> wish_;
  std::optional<SimulatedRun> done_;
  std::uint64_t wishes_ = 0;  // so far
  bool running_ = false;
  bool stop_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace tokenyard::viz
