// Facts of runs, by name, for exercises: of the whole run, of each step and of each request. docs/exercises.md lists them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/metrics.h"
#include "core/trace/sink.h"
#include "core/trace/state.h"
#include "sim/exercise.h"
#include "sim/scenario.h"

namespace tokenyard {

using Facts = std::map<std::string, double>;

// The names there are, for messages and checks: a run's (result_values.h has more), a step's, a request's, a shape's.
const std::vector<std::string>& run_fact_names();
const std::vector<std::string>& step_fact_names();
const std::vector<std::string>& request_fact_names();
const std::vector<std::string>& shape_fact_names();

// Takes a run's records and keeps their facts. Expanding the trace checks it: throws InputError where a record does not fit.
class FactsSink final : public TraceSink {
 public:
  // What is counted of one request; -1 where there is none.
  struct RequestNotes {
    TimeNs arrival = 0, first_token = -1, last_token = -1, pause = 0, admitted = -1;
    std::int64_t pause_step = -1, first_step = -1, last_step = -1, computed = 0, prefill_steps = 0;
    std::int32_t output = 0, cached = 0, preemptions = 0, prompt = 0, priority = 0;
    std::int32_t blocks = 0;  // the most it held
    BlockId first_block = -1, last_block = -1;
  };

  void on_header(const TraceHeader& header) override;
  void on_join(const JoinRecord& join) override;
  void on_step(const StepRecord& step) override;
  void on_cancel(const CancelRecord& cancel) override { state_->apply(cancel); }
  void on_end(std::int64_t, TimeNs) override { state_->end(); }

  Facts run() const;
  const std::vector<Facts>& steps() const { return steps_; }
  std::vector<Facts> requests() const;  // by number
  const std::string& id(std::size_t request) const { return state_->requests()[request].join.spec.id; }

 private:
  void note_tokens(const StepRecord& step, const std::vector<TraceState::Row>& rows);

  std::optional<TraceState> state_;
  std::vector<Facts> steps_;
  std::vector<RequestNotes> requests_;
  std::int64_t sampled_rows_ = 0;
};

// What is known of a model, a GPU and an engine's configuration before anything runs.
Facts shape_facts(const ModelShape* model, const HardwareSpec* hardware, const EngineConfig* engine,
                  const Execution& execution);

}  // namespace tokenyard
