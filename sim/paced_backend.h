// A simulated GPU in real time: a step takes as long as the cost model says it would, so that a server can be tried against a
// GPU nobody has.
#pragma once

#include <deque>

#include "core/backend.h"
#include "core/base/live_clock.h"
#include "sim/sim_backend.h"

namespace tokenyard {

class PacedBackend final : public Backend {
 public:
  explicit PacedBackend(const CostModel& cost, std::int32_t max_context = 0) : gpu_(cost, max_context) {}

  BackendLimits limits() const override { return gpu_.limits(); }
  void submit(const StepPlan& plan) override;
  // Sleeps until the step would be over. A step begins when it was submitted, or when the one before it ends; what the engine
  // itself takes between two steps counts, as it does on a GPU.
  const StepResult& collect() override;
  TimeNs now() const override { return clock_.now(); }
  void wait_until(TimeNs time) override { clock_.wait_until(time); }
  void wake() override { clock_.wake(); }

 private:
  SimBackend gpu_;
  LiveClock clock_;
  std::deque<TimeNs> submitted_at_;
  TimeNs ends_ = 0;  // of the latest step
};

}  // namespace tokenyard
