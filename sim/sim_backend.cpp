#include "sim/sim_backend.h"

#include <algorithm>

namespace tokenyard {
namespace {

Token sample(const Row& row) {
  const RequestSpec& spec = row.request->spec;
  const std::int32_t output = row.first + row.count - row.request->num_prompt;  // a plan made meanwhile may know of more
  if (static_cast<std::size_t>(output) < spec.scripted_output.size()) {
    return spec.scripted_output[static_cast<std::size_t>(output)];
  }
  return spec.output_tokens >= 0 && output + 1 >= spec.output_tokens ? kUnnamedEnd : kUnnamedToken;
}

}  // namespace

const StepResult& SimBackend::collect() {
  const StepPlan& plan = *submitted_.front();
  submitted_.pop_front();
  result_.parts = cost_.cost(plan);
  result_.duration = result_.parts.total();
  if (now_ > kNever / 2) throw BackendError("the simulated clock has passed 146 years; the hardware or step time is absurd");
  now_ += result_.duration;
  result_.tokens.clear();
  for (const Row& row : plan.rows) {
    if (row.sample) result_.tokens.push_back(sample(row));
  }
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
