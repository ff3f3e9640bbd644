#include "sim/sim_backend.h"

#include <algorithm>

namespace tokenyard {

const StepResult& SimBackend::collect() {
  const auto [submitted, ahead] = submitted_.front();
  const StepPlan& plan = *submitted;
  submitted_.pop_front();
  result_.parts = cost_.cost(plan, ahead);
  result_.duration = result_.parts.total();
  if (now_ > kNever / 2) throw BackendError("the simulated clock has passed 146 years; the hardware or step time is absurd");
  now_ += result_.duration;
  result_.tokens.resize(plan.rows.size());
  auto next_token = result_.tokens.begin();
  for (const Row& row : plan.rows) {
    const Request& request = *row.request;  // a plan made meanwhile may know of more tokens
    if (row.sample) *next_token++ = workload_token(request, row.first + row.count - request.num_prompt);
  }
  result_.tokens.erase(next_token, result_.tokens.end());
  return result_;
}

void SimBackend::wait_until(TimeNs time) {
  std::unique_lock lock(mutex_);
  if (time == kNever) {
    woken_.wait(lock, [&] { return wake_; });
  } else if (!wake_) {
    now_ = std::max(now_, time);
  }
  wake_ = false;
}

void SimBackend::wake() {
  {
    const std::lock_guard lock(mutex_);
    wake_ = true;
  }
  woken_.notify_one();
}

}  // namespace tokenyard
