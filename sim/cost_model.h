// How long a step takes on a GPU: per operation t0 + max(flops / (e_f * peak), bytes / (e_b * bandwidth)).
// docs/cost-model.md derives every term. Doubles are rounded once per part, so the same step takes the same nanoseconds on
// every machine.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/base/model_shape.h"
#include "core/step_plan.h"
#include "sim/hardware_spec.h"

namespace tokenyard {

struct Execution {
  std::int32_t tensor_parallel = 1;
  bool cuda_graphs = true;
  std::int32_t block_size = 16;  // tokens; what a block copy moves
  bool hides_host = false;       // the host prepares a step while the one before runs (async_scheduling)
  KvDtype kv_dtype = KvDtype::automatic;
};

// For lessons and tests: every step takes per_step + per_token x positions computed.
struct ConstantTime {
  TimeNs per_step = 0;
  TimeNs per_token = 0;
};

// What of a step its duration depends on.
struct StepLoad {
  std::int64_t positions = 0;    // computed, padding too
  std::int64_t sampled = 0;      // rows that go through the LM head
  std::int64_t decode_rows = 0;  // of one position
  std::int64_t decode_kv = 0;    // tokens they attend to
  std::int64_t prefill_kv = 0;   // tokens the other rows attend to: each row's last position + 1
  double pairs = 0;              // of a query and a key of these rows
  std::int64_t copied_blocks = 0;

  // From a plan's or an expanded trace's row.
  void add(const auto& row) {
    const std::int64_t count = std::int64_t{row.count} + row.padding;
    const std::int64_t end = row.first + count;
    positions += count;
    sampled += row.sample || row.count == 0;  // a padding row goes through the LM head with its batch
    if (count == 1) {
      ++decode_rows;
      decode_kv += end;
    } else {
      prefill_kv += end;
      pairs += static_cast<double>(count) * (static_cast<double>(row.first) + static_cast<double>(count + 1) * 0.5);
    }
  }
};

class CostModel {
 public:
  // Throws InputError when the model cannot be split over `execution.tensor_parallel` such GPUs.
  CostModel(const ModelShape& model, const HardwareSpec& hardware, const Execution& execution);
  explicit CostModel(ConstantTime constant) : constant_time_(true), constant_(constant) {}

  // O(rows).
  StepParts cost(const StepPlan& plan) const;
  StepParts cost(const StepLoad& load) const;

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
  bool hides_host_ = false;
};

// Blocks of K/V that fit beside the weights:
//   (memory * utilization - weights - reserve) / (block_size * K/V bytes per token)
//   reserve = 0.6 GiB + max_num_batched_tokens * (4 hidden + 3 intermediate / P) * bytes + max_num_seqs * vocabulary * 12
// 0.6 GiB for the driver's context, library workspaces and graphs; the activations of the widest layer; logits as fp32 twice
// more than once, as a sampler needs them. Throws InputError with the numbers when not even one block fits.
std::int32_t kv_blocks(const ModelShape& model, const HardwareSpec& hardware, const Execution& execution, double utilization,
                       std::int32_t max_num_batched_tokens, std::int32_t max_num_seqs);

}  // namespace tokenyard
