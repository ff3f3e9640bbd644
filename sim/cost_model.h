// How long a step takes on a GPU: per operation t0 + sqrt((flops / (e_f * peak))^2 + (bytes / (e_b * bandwidth))^2).
// With more rows t0 grows. docs/cost-model.md derives every term. Doubles are rounded once per part, so the same step takes the
// same nanoseconds on every machine.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/base/model_shape.h"
#include "core/step_plan.h"
#include "sim/hardware_spec.h"

namespace tokenyard {

struct Execution {
  std::int32_t tensor_parallel = 1;
  bool cuda_graphs = true;
  std::int32_t block_size = 16;  // tokens; what a block copy moves
  KvDtype kv_dtype = KvDtype::automatic;
};

// For lessons and tests: every step takes per_step + per_token x positions computed.
struct ConstantTime {
  TimeNs per_step = 0;
  TimeNs per_token = 0;
};

// What of a step its duration depends on.
struct StepLoad {
  std::int64_t positions = 0;  // computed, padding too
  std::int64_t sampled = 0;    // rows that go through the LM head
  std::int64_t rows = 0;
  std::int64_t decode_rows = 0;     // of one position
  std::int64_t decode_kv = 0;       // tokens they attend to
  std::int64_t longest_decode = 0;  // and the most that one of them attends to
  std::int64_t prefill_kv = 0;      // tokens the other rows attend to: each row's last position + 1
  double pairs = 0;                 // of a query and a key of these rows
  std::int64_t copied_blocks = 0;
  bool ahead = false;  // planned and submitted while the step before ran

  // From a plan's or an expanded trace's row.
  void add(const auto& row) {
    const std::int64_t count = std::int64_t{row.count} + row.padding;
    const std::int64_t end = row.first + count;
    positions += count;
    ++rows;
    sampled += row.sample || row.count == 0;  // a padding row goes through the LM head with its batch
    if (count == 1) {
      ++decode_rows;
      decode_kv += end;
      longest_decode = longest_decode < end ? end : longest_decode;
    } else {
      prefill_kv += end;
      pairs += static_cast<double>(count) * (static_cast<double>(row.first) + static_cast<double>(count + 1) * 0.5);
    }
  }
};

// By what the t0 of a product or an element-wise kernel is multiplied with so many rows: 1 + t0_growth x log2(rows, at most
// 256), with the logarithm straight between powers of two, so that it is exact; t0_one_row with one.
double t0_share(std::int64_t rows, const HardwareSpec& hardware);

class CostModel {
 public:
  // Throws InputError when the model cannot be split over `execution.tensor_parallel` such GPUs.
  CostModel(const ModelShape& model, const HardwareSpec& hardware, const Execution& execution);
  explicit CostModel(ConstantTime constant) : constant_time_(true), constant_(constant) {}

  // O(rows). `ahead` as StepLoad::ahead.
  StepParts cost(const StepPlan& plan, bool ahead = false) const;
  StepParts cost(const StepLoad& load) const;

 private:
  struct Affine {  // nanoseconds over T positions
    double fixed = 0, per_token = 0;
    double at(double tokens) const { return fixed + per_token * tokens; }
  };
  struct Gemm {  // [T, k] x [k, n]
    double flops_per_token = 0;
    Affine bytes;
    // Nearly the larger of the two, and more where they are alike. IEEE's square root is exact on every machine.
    double at(double tokens) const {
      const double compute = flops_per_token * tokens, read = bytes.at(tokens);
      return std::sqrt(compute * compute + read * read);
    }
  };
  double t0_share(std::int64_t rows) const;
  Gemm gemm(double n, double k, const HardwareSpec& hardware, double bytes_per_element) const;

  bool constant_time_ = false;
  ConstantTime constant_;

  double layers_ = 0;
  double t0_growth_ = 0, t0_one_row_ = 1;
  double gemm_t0_ = 0;
  Gemm qkv_, out_, gate_up_, down_, lm_head_;
  double decode_t0_ = 0, decode_per_row_ = 0, decode_per_longest_ = 0, decode_per_kv_ = 0;
  bool one_kernel_ = false;  // for decodes and chunks of a step: mixed_per_row_ and mixed_per_kv_ stand for the three above
  double mixed_per_row_ = 0, mixed_per_kv_ = 0;
  double prefill_t0_ = 0, prefill_per_pair_ = 0, prefill_per_kv_ = 0, prefill_per_token_ = 0;
  double elementwise_kernels_ = 0;                         // of a layer
  double elementwise_t0_ = 0, elementwise_per_token_ = 0;  // of all layers, the embedding and the last norm
  double elementwise_least_tokens_ = 1;
  Affine sampler_;
  bool parallel_ = false;
  Affine all_reduce_;  // of one layer
  double per_copied_block_ = 0;
  Affine host_;                                                   // over rows
  double throttle_ = 0, peak_per_token_ = 0, peak_per_pair_ = 0;  // nanoseconds, at the peak
  double launch_ = 0, pieces_ = 0;                                // of a kernel; of all layers' graphs
  bool cuda_graphs_ = true;
};

// Blocks of K/V that fit beside the weights:
//   (memory * utilization - weights - reserve) / (block_size * K/V bytes per token)
//   reserve = 0.6 GiB + max_num_batched_tokens * (4 hidden + 3 intermediate / P) * bytes + max_num_seqs * vocabulary * 12
// 0.6 GiB for the driver's context, library workspaces and graphs; the activations of the widest layer; logits as fp32 twice
// more than once, as a sampler needs them. Throws InputError with the numbers when not even one block fits.
std::int32_t kv_blocks(const ModelShape& model, const HardwareSpec& hardware, const Execution& execution, double utilization,
                       std::int32_t max_num_batched_tokens, std::int32_t max_num_seqs);

}  // namespace tokenyard
