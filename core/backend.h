// The seam: everything that can carry out a step. The engine never asks which one it has.
#pragma once

#include <cstdint>
#include <stdexcept>

#include "core/step_plan.h"

namespace tokenyard {

// The device failed. The message is one sentence for a user.
struct BackendError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct BackendLimits {
  std::int32_t max_context = 0;  // tokens of one request; 0: no limit
  std::int32_t num_blocks = 0;   // the KV pool's; 0: whatever the configuration says
  bool computes = false;         // produces real K/V, so it takes no strict peer
  bool overlaps = false;  // takes the next plan while one is in flight, so that rows may wait for tokens (Row::waits_for)
};

class Backend {
 public:
  virtual ~Backend() = default;

  virtual BackendLimits limits() const { return {}; }

  // Starts `plan`, which stays valid and unchanged until the matching collect() returns; its requests and their tables may
  // change before. Plans are carried out in the order submitted. A row of a request that has ended meanwhile may say
  // anything. REQUIRES: the plan has rows; every earlier plan is collected, or one is not and limits().overlaps.
  virtual void submit(const StepPlan& plan) = 0;

  // Waits for the oldest submitted plan; the result is valid until the next call. Throws BackendError when the device
  // failed; the engine then ends every live request and its trace stays readable.
  virtual const StepResult& collect() = 0;

  // The clock: never runs backwards. A simulator's stands still but for collect() and wait_until().
  virtual TimeNs now() const = 0;

  // Returns at `time`, or earlier after wake(). kNever: only wake() ends the wait.
  virtual void wait_until(TimeNs time) = 0;

  // Makes the wait in progress, or else the next one, return at once. From any thread.
  virtual void wake() = 0;
};

}  // namespace tokenyard
