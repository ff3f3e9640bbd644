// A step of more tokens than the activations have room for is computed in passes.
#pragma once

#include <cstdint>
#include <vector>

#include "core/step_plan.h"

namespace tokenyard::cuda {

struct Pass {
  StepPlan plan;
  std::int32_t padding = 0;  // tokens that are computed and belong to no request
};

// Cuts `plan` into passes of at most `most_tokens` tokens; most plans are one. Only static batching knows no budget. Rows keep
// their order, so that what a row shares with an earlier one is there before it is read. Of a plan that is submitted while
// another is in flight only a row that has the step to itself is cut, so the last pass has all samples a next step may wait
// for. Reuses the memory of `passes`. Pure host code. REQUIRES: the plan has rows.
void split_into_passes(const StepPlan& plan, std::int32_t most_tokens, std::vector<Pass>& passes);

}  // namespace tokenyard::cuda
