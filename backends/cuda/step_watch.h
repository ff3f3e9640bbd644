// The kernels of a step by name, and who sees them being launched.
#pragma once

#include <cstdint>

namespace tokenyard::cuda {

// In order; those from norm to down are in every layer. Decode attention is two kernels, counted as one.
enum class StepKernel : std::int32_t {
  embedding,
  norm,
  qkv,
  heads,
  attention,
  o,
  mlp_norm,
  gate_up,
  swiglu,
  down,
  last_norm,
  head,
  sampling,
};
inline constexpr std::int32_t kStepKernels = 13;

class StepWatch {
 public:
  // False: leave it out.
  virtual bool before(StepKernel kernel, std::int32_t layer) = 0;

 protected:
  ~StepWatch() = default;
};

}  // namespace tokenyard::cuda
