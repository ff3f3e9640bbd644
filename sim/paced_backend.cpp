#include "sim/paced_backend.h"

#include <algorithm>
#include <chrono>
#include <thread>

namespace tokenyard {

void PacedBackend::submit(const StepPlan& plan) {
  submitted_at_.push_back(now());
  gpu_.submit(plan);
}

const StepResult& PacedBackend::collect() {
  const StepResult& result = gpu_.collect();
  ends_ = std::max(ends_, submitted_at_.front()) + result.duration;
  submitted_at_.pop_front();
  const TimeNs left = ends_ - now();
  if (left > 0) std::this_thread::sleep_for(std::chrono::nanoseconds(left));
  return result;
}

}  // namespace tokenyard
