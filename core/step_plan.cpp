#include "core/step_plan.h"

namespace tokenyard {

void StepPlan::clear() {
  prefill_only = false;
  rows.clear();
  admissions.clear();
  preemptions.clear();
  refusals.clear();
  new_blocks.clear();
  copies.clear();
  wake_at = kNever;
}

const char* name_of(Cause cause) {
  switch (cause) {
    case Cause::blocks: return "blocks";
    case Cause::watermark: return "watermark";
    case Cause::admission_gate: return "admission_gate";
    case Cause::region: return "region";
    case Cause::seats: return "seats";
    case Cause::token_budget: return "token_budget";
    case Cause::preemption: return "preemption";
    case Cause::batch_running: return "batch_running";
    case Cause::batch_timeout: return "batch_timeout";
  }
  return "?";
}

}  // namespace tokenyard
