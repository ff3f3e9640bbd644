// Whoever watches a run: a trace, metrics, a viewer, a server's page. The engine tells them what happens and knows none of
// them.
//
// Calls come on the engine's thread, in the order things happen. What is handed over is valid during the call; an observer
// changes nothing of it. An exception that an observer throws ends the run and leaves Engine::step.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/request.h"
#include "core/step_plan.h"

namespace tokenyard {

class Scheduler;

// A committed step.
struct StepOutcome {
  const StepPlan& plan;
  const StepResult& result;
  TimeNs start;                       // when it began to run; never before the end of the step before
  TimeNs end;                         // when its tokens were there
  const Scheduler& scheduler;         // after the commit
  const std::vector<Request*>& left;  // who leaves the engine with this step, in order, without blocks
};

class EngineObserver {
 public:
  virtual ~EngineObserver() = default;

  // A request has joined, or is refused: then `refused` says why, and on_leave() follows. `live`: requests in the engine now.
  virtual void on_join(const Request& /*request*/, const std::string& /*refused*/, std::int64_t /*live*/) {}

  // A request was cancelled before step `step`. `gone`: it leaves now, otherwise it stays as padding until its batch ends.
  virtual void on_cancel(const Request& /*request*/, std::int64_t /*step*/, TimeNs /*at*/, bool /*gone*/) {}

  // No step could be made; plan.refusals says why.
  virtual void on_wait(const StepPlan& /*plan*/, TimeNs /*now*/) {}

  // A step was planned. Whoever leaves in it still has its blocks. `ahead`: the step before is not committed yet.
  virtual void on_plan(const StepPlan& /*plan*/, const Scheduler& /*scheduler*/, bool /*ahead*/) {}

  // A step runs: whoever left with the step before it has given its blocks back, and the step after it is not planned yet.
  virtual void on_run(const StepPlan& /*plan*/, const Scheduler& /*scheduler*/) {}

  // Its tokens are taken. The requests' first_token_at and last_token_at do not count them yet, and no client has heard of
  // them.
  virtual void on_commit(const StepOutcome& /*outcome*/) {}

  // A request has left: finished, cancelled, refused or failed. `why` explains a refusal or a failure.
  virtual void on_leave(const Request& /*request*/, const std::string& /*why*/) {}

  // The device failed: the steps in flight will have no outcome. on_cancel() and on_leave() follow for every live request.
  virtual void on_failure() {}
};

}  // namespace tokenyard
