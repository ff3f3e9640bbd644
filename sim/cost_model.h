// How long a step takes on a GPU: per operation t0 + max(flops / (e_f * peak), bytes / (e_b * bandwidth)).
// docs/cost-model.md derives every term. Doubles are rounded once per part, so the same step takes the same nanoseconds on
// every machine.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/step_plan.h"
#include "sim/hardware_spec.h"
#include "sim/model_spec.h"

namespace tokenyard {

struct Execution {
  std::int32_t tensor_parallel = 1;
  bool cuda_graphs = true;
  std::int32_t block_size = 16;  // tokens; what a block copy moves
};

// For lessons and tests: every step takes per_step + per_token x positions computed.
struct ConstantTime {
  TimeNs per_step = 0;
  TimeNs per_token = 0;
};

class CostModel {
 public:
  // Throws InputError when the model cannot be split over `execution.tensor_parallel` such GPUs.
  CostModel(const ModelSpec& model, const HardwareSpec& hardware, const Execution& execution);
  explicit CostModel(ConstantTime constant) : constant_time_(true), constant_(constant) {}

  // O(rows).
  StepParts cost(const StepPlan& plan) const;

 private:
  struct Affine {  // nanoseconds over T positions
    double fixed = 0, per_token = 0;
    double at(double tokens) const { return fixed + per_token * tokens; }
  };
  struct Gemm {  // [T, k] x [k, n]
    double flops_per_token = 0;
    Affine bytes;
    double at(double tokens) const { return std::max(flops_per_token * tokens, bytes.at(tokens)); }
  };
  Gemm gemm(double n, double k, const HardwareSpec& hardware, double bytes_per_element) const;

  bool constant_time_ = false;
  ConstantTime constant_;

  double layers_ = 0;
  double gemm_t0_ = 0;
  Gemm qkv_, out_, gate_up_, down_, lm_head_;
  double decode_t0_ = 0, decode_per_row_ = 0, decode_per_kv_ = 0;
  double prefill_t0_ = 0, prefill_per_pair_ = 0, prefill_per_kv_ = 0, prefill_per_token_ = 0;
  Affine elementwise_;  // of all layers, the embedding and the last norm
  Affine sampler_;
  bool parallel_ = false;
  Affine all_reduce_;  // of one layer
  double per_copied_block_ = 0;
  double host_step_ = 0, launch_ = 0;
  bool cuda_graphs_ = true;
};

// Blocks of K/V that fit beside the weights:
//   (memory * utilization - weights - reserve) / (block_size * K/V bytes per token)
//   reserve = 0.6 GiB + max_num_batched_tokens * (4 hidden + 3 intermediate / P) * bytes + max_num_seqs * vocabulary * 12
// 0.6 GiB for the driver's context, library workspaces and graphs; the activations of the widest layer; logits as fp32 twice
// more than once, as a sampler needs them. Throws InputError with the numbers when not even one block fits.
std::int32_t kv_blocks(const ModelSpec& model, const HardwareSpec& hardware, const Execution& execution, double utilization,
                       std::int32_t max_num_batched_tokens, std::int32_t max_num_seqs);

}  // namespace tokenyard
