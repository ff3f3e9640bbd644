// Records a run: an observer of the engine that turns what happens into trace records.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/observer.h"
#include "core/trace/sink.h"

namespace tokenyard {

// Turns what the engine does into records. Keeps only refusals that go on. O(rows) a step, without allocation in the long run.
class TraceRecorder final : public EngineObserver {
 public:
  explicit TraceRecorder(TraceSink& sink) : sink_(sink) {}  // borrowed

  void on_join(const Request& request, const std::string& refused, std::int64_t live) override;
  void on_cancel(const Request& request, std::int64_t step, TimeNs at, bool gone) override;
  void on_wait(const StepPlan& plan, TimeNs now) override;
  void on_plan(const StepPlan& plan, const Scheduler& scheduler, bool ahead) override;
  // Writes the step's record, and after it who joined or was cancelled meanwhile.
  void on_commit(const StepOutcome& outcome) override;
  void on_failure() override;

 private:
  struct Standing {
    std::int32_t request;
    std::int64_t since;
    Reason last;
    bool seen;
  };
  void record_rows(const StepPlan& plan, const Scheduler& scheduler, StepRecord& record);
  void record_blocks(const StepPlan& plan, StepRecord& record);
  void record_refusals(const StepPlan& plan, StepRecord& record);
  void record_disturbed(const Scheduler& scheduler, StepRecord& record);
  void write_held();

  TraceSink& sink_;
  StepRecord records_[2];  // of the steps in flight, the older one first
  int in_flight_ = 0;
  std::vector<std::variant<JoinRecord, CancelRecord>> held_;  // until the step in flight is written
  std::vector<Standing> standing_;
  std::optional<StepRecord::Wait> waited_;
};

}  // namespace tokenyard
