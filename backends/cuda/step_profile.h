// Times a step kernel by kernel.
#pragma once

#include <functional>

#include "backends/cuda/forward.h"
#include "backends/gpu/gpu.h"

namespace tokenyard::cuda {

// What `enqueue` launches: a step of one rank whose inputs are in place, captured, and repeated as often as asked for.
struct EnqueuedStep {
  const ModelShape& model;
  ProfiledStep step;
  std::int32_t tokens;    // padded
  std::int64_t kv_bytes;  // of a token in a layer
  std::function<void()> enqueue;
};
StepProfile profile_step(Forward& forward, const EnqueuedStep& what, cudaStream_t stream);

}  // namespace tokenyard::cuda
