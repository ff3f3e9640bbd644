// A GPU that exists only as a cost model: a virtual clock, and tokens nobody computed.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>

#include "core/backend.h"
#include "sim/cost_model.h"

namespace tokenyard {

// Plans run one after the other, however many are submitted. Samples the request's scripted output where there is one, else
// unnamed tokens until its spec.output_tokens are there.
class SimBackend final : public Backend {
 public:
  // `max_context`: the longest sequence the model takes, tokens; 0: any.
  explicit SimBackend(const CostModel& cost, std::int32_t max_context = 0) : cost_(cost), max_context_(max_context) {}

  BackendLimits limits() const override { return {max_context_, 0, false, true}; }
  void submit(const StepPlan& plan) override { submitted_.push_back({&plan, !submitted_.empty()}); }
  // O(rows). REQUIRES: a submitted plan.
  const StepResult& collect() override;
  TimeNs now() const override { return now_; }
  void wait_until(TimeNs time) override;
  void wake() override;

 private:
  CostModel cost_;
  std::int32_t max_context_;
  TimeNs now_ = 0;
  struct Submitted {
    const StepPlan* plan;
    bool ahead;  // while another was in flight
  };
  std::deque<Submitted> submitted_;
  StepResult result_;

  std::mutex mutex_;
  std::condition_variable woken_;
  bool wake_ = false;
};

}  // namespace tokenyard
