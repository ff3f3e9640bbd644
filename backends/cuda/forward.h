// The decoder on the card: the launches of one step, in order. Eager and captured steps go through the same function.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "backends/cuda/device.h"
#include "backends/cuda/device_weights.h"
#include "backends/cuda/gemm.h"
#include "backends/cuda/step_inputs.h"
#include "core/step_plan.h"
#include "kernels/attention.h"
#include "kernels/sample.h"

namespace tokenyard::cuda {

// What the sampler writes, in pinned memory: kernels::Sample's outputs.
struct SampledRows {
  std::int32_t* tokens;
  float* logprobs;
  std::int32_t* ranks;
  std::int32_t* top_tokens;
  float* top_logprobs;
};

// Events around a step and around the parts of one of its layers. The layers are alike, so that layer's shares are the step's.
class StepTimer {
 public:
  enum Mark { begin, layer, norm, qkv, heads, attention, o, mlp_norm, gate_up, swiglu, down, head, end, num_marks };
  void record(Mark mark, cudaStream_t stream, bool capturing) const { events_[mark].record(stream, capturing); }
  // After the step has ended. Without a host part.
  StepParts parts() const;
  const Event& last() const { return events_[end]; }

 private:
  Event events_[num_marks];
};

class Forward {
 public:
  // `tokens`, `rows`: the padded sizes that steps and heads may have, ascending. Takes the activations' memory and passes every
  // product through its gate. Throws BackendError. `weights` is borrowed.
  Forward(const DeviceWeights& weights, const StepInputs& inputs, const std::vector<std::int32_t>& tokens,
          const std::vector<std::int32_t>& rows, std::int32_t positions, std::int32_t num_ids, std::int32_t top_capacity,
          cudaStream_t stream);

  // Before the first step. `data` is borrowed.
  void use_cache(Bf16* data, const kernels::KvShape& shape) {
    cache_data_ = data;
    cache_.emplace(data, shape);
  }

  // Everything from ids to sampled tokens, whose inputs are in place. `before`: what the step before sampled, for the rows
  // that wait for it. `timer` may be null.
  void enqueue(const StepShape& shape, const std::int32_t* before, const SampledRows& sampled, const StepTimer* timer,
               cudaStream_t stream, bool capturing) const;

  // The logits after some of the tokens of the last step: head_tokens [rows], on the device, rows one of the padded sizes.
  // [rows, weights.head_rows()].
  const Bf16* logits_of(const std::int32_t* head_tokens, std::int32_t rows, cudaStream_t stream) const;
  const Bf16* logits() const { return logits_; }  // of the last step's head rows

 private:
  void place(Layout& layout, std::int64_t tokens, std::int64_t rows);
  void layers(const StepShape& shape, const StepArrays& arrays, const StepTimer* timer, cudaStream_t stream,
              bool capturing) const;

  const DeviceWeights& weights_;
  const ModelShape& config_;
  const StepInputs& inputs_;
  std::int32_t num_ids_;
  std::int32_t top_capacity_;
  CublasLt cublas_;
  std::vector<Gemm> gemms_;  // qkv, o, gate_up, down, head
  Bf16* cache_data_ = nullptr;
  std::optional<kernels::AttentionCache> cache_;

  DeviceMemory memory_;
  float* cosine_ = nullptr;    // [positions, head_dim / 2]
  float* sine_ = nullptr;      // [positions, head_dim / 2]
  float* residual_ = nullptr;  // [tokens, hidden]
  Bf16* normed_ = nullptr;     // [tokens, hidden]
  Bf16* qkv_ = nullptr;        // [tokens, (heads + 2 kv_heads) head_dim]
  Bf16* q_ = nullptr;          // [tokens, heads, head_dim]
  Bf16* attended_ = nullptr;   // [tokens, heads, head_dim]
  Bf16* branch_ = nullptr;     // [tokens, hidden], what the next norm adds to the residual
  Bf16* gate_up_ = nullptr;    // [tokens, 2 intermediate]
  Bf16* gated_ = nullptr;      // [tokens, intermediate]
  Bf16* head_in_ = nullptr;    // [rows, hidden]
  Bf16* logits_ = nullptr;     // [rows, head_rows]
  float* partial_values_ = nullptr;
  float* partial_shares_ = nullptr;
  std::int32_t* tickets_ = nullptr;
  std::int64_t positions_;
};

}  // namespace tokenyard::cuda
