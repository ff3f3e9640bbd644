// The decoder on a card, or a rank's share of it: the launches of one step, in order. Eager and captured steps go through the
// same function.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "backends/cuda/collectives.h"
#include "backends/cuda/device.h"
#include "backends/cuda/device_weights.h"
#include "backends/cuda/gemm.h"
#include "backends/cuda/step_inputs.h"
#include "backends/cuda/step_watch.h"
#include "core/step_plan.h"
#include "kernels/attention.h"
#include "kernels/rank_norm.h"
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
  // After the step has ended. Without a host part. `ranks`: cards that share the model; the norms wait for the others then, and
  // are communication.
  StepParts parts(std::int32_t ranks) const;
  const Event& last() const { return events_[end]; }

 private:
  Event events_[num_marks];
};

// The products that sum over what is divided among ranks (o, down) are always at least two sums over halves of it, which the
// norm after them adds: so one card and two have the same bits. docs/gpu.md says what that costs.
inline constexpr std::int32_t kLeastSumParts = 2;

// Where cards do not reach each other's memory, partial results of at most so many tokens are gathered at a time: a card then
// has them of all ranks.
inline constexpr std::int32_t kGatheredTokens = 1024;

// Of a model's ranks: whether they reach each other's memory, or show each other what they have by Collectives.
enum class RankMeans { peer_memory, collectives };

// Multiples of 8, so that rows of logits are aligned.
inline std::int32_t logit_stride(const ModelShape& model) { return (model.vocabulary + 7) / 8 * 8; }

class Forward {
 public:
  // What a rank lets the others reach.
  struct Shared {
    kernels::Mailbox mailbox;
    const float* partial[2];
    Bf16* normed;
    Bf16* head_in;
    const Bf16* logits;  // of its share of the vocabulary
  };

  // `tokens`, `rows`: the padded sizes that steps and heads may have, ascending. Takes the activations' memory and passes every
  // product through its gate. `expand_blocks`: room for so many in ExpandedKv; 0 where K and V are bf16. Throws BackendError.
  // `weights` is borrowed.
  Forward(const DeviceWeights& weights, const StepInputs& inputs, const std::vector<std::int32_t>& tokens,
          const std::vector<std::int32_t>& rows, std::int32_t positions, std::int32_t num_ids, std::int32_t top_capacity,
          std::int32_t ranks, RankMeans means, std::int32_t expand_blocks, cudaStream_t stream);

  Shared shared() const;
  // What of every rank, by rank, is reached from now on; `watch` as RankLinks::watch. All must be idle. Without
  // `collectives`, where these are the means, nothing is gathered: for a rank that tries its kernels alone.
  std::byte* mailbox() const { return static_cast<std::byte*>(mailbox_); }
  std::int64_t mailbox_bytes() const { return kernels::Mailbox::bytes(sites_); }
  void link(std::int32_t rank, const std::vector<Shared>& all, kernels::RankWatch* watch, Collectives* collectives);
  // Gathers as every step of these padded sizes will, so that these can be captured. All ranks at once.
  void gather_once(const std::vector<std::int32_t>& tokens, const std::vector<std::int32_t>& rows, cudaStream_t stream) const;

  // Before the first step. `data` is borrowed.
  void use_cache(Bf16* data, const kernels::KvShape& shape, std::uint8_t* scales) {
    cache_data_ = data;
    cache_scales_ = scales;
    cache_.emplace(data, shape, scales);
  }

  // Everything from ids to sampled tokens, whose inputs are in place. `before`: what the step before sampled, for the rows
  // that wait for it. `timer` may be null.
  void enqueue(const StepShape& shape, const std::int32_t* before, const SampledRows& sampled, const StepTimer* timer,
               cudaStream_t stream, bool capturing) const;

  // The logits after some of the tokens of the last step, which had `tokens`: head_tokens [rows], on the device, rows one of
  // the padded sizes. [rows, logit_stride()]. All ranks call it at once; between steps, begin_step() comes first.
  const Bf16* logits_of(const std::int32_t* head_tokens, std::int32_t rows, std::int32_t tokens, cudaStream_t stream) const;
  void begin_step(cudaStream_t stream) const;
  const std::vector<Gemm>& products() const { return gemms_; }
  const Bf16* logits() const { return logits_; }  // of the last step's head rows

  // Whether a step of so many tokens computes the activation within the product before it, and norms within those after them,
  // which needs the former.
  bool gates(std::int32_t tokens) const;
  bool fuses(std::int32_t tokens) const;
  // Shows what is launched from now on to `watch`; null: to nobody.
  void show(StepWatch* watch) { watch_ = watch; }

 private:
  void place(Layout& layout, std::int64_t tokens, std::int64_t rows);
  // The norm of the residual with what the product before site `site` of the step gave.
  void add_and_norm(std::int32_t site, const Bf16* weight, std::int32_t tokens, cudaStream_t stream) const;
  kernels::RankNorm rank_norm(std::int32_t site, const Bf16* weight) const;
  // For the norm at `site`, some tokens at a time: gathers the ranks' partial results, then calls norm_of(args, tokens).
  template <class NormOf>
  void by_collectives(kernels::RankNorm args, std::int32_t tokens, cudaStream_t stream, const NormOf& norm_of) const;
  void gather(const void* mine, std::int64_t bytes, cudaStream_t stream) const;
  kernels::Norm norm(std::int32_t site, const Bf16* weight) const;
  template <class Launch>
  void run(StepKernel kernel, std::int32_t layer, const Launch& launch) const {
    if (watch_ == nullptr || watch_->before(kernel, layer)) launch();
  }
  bool shares_norms(std::int32_t tokens) const;
  std::int32_t qkv_width() const;
  void layers(const StepShape& shape, const StepArrays& arrays, const StepTimer* timer, cudaStream_t stream,
              bool capturing) const;

  const DeviceWeights& weights_;
  const ModelShape& config_;
  const StepInputs& inputs_;
  std::int32_t num_ids_;
  std::int32_t top_capacity_;
  std::int32_t ranks_;
  RankMeans means_;
  std::int32_t sum_parts_;  // of o and down on this rank
  std::int32_t sites_;      // kernels of a step that wait for other ranks: two a layer, and the logits
  CublasLt cublas_;
  std::vector<Gemm> gemms_;  // qkv, o, gate_up, down, head
  Bf16* cache_data_ = nullptr;
  std::uint8_t* cache_scales_ = nullptr;  // of fp8
  std::optional<kernels::AttentionCache> cache_;
  std::int32_t expand_blocks_;
  DeviceMemory expanded_memory_;
  std::optional<kernels::ExpandedKv> expanded_;

  DeviceMemory memory_;
  float* cosine_ = nullptr;    // [positions, head_dim / 2]
  float* sine_ = nullptr;      // [positions, head_dim / 2]
  float* residual_ = nullptr;  // [tokens, hidden]
  // [few tokens, hidden]: in fused layers, between the two norms. Such a norm reads one and writes the other.
  float* other_residual_ = nullptr;
  Bf16* normed_ = nullptr;    // [tokens, hidden]
  Bf16* qkv_ = nullptr;       // [tokens, (heads + 2 kv_heads) head_dim]
  Bf16* q_ = nullptr;         // [tokens, heads, head_dim]
  Bf16* attended_ = nullptr;  // [tokens, heads, head_dim]
  // What the next norm adds to the residual: fp32 [sum_parts][tokens, hidden]. With several ranks there are two, of o and of
  // down, since another rank may still read one.
  float* partial_[2] = {};
  Bf16* gate_up_ = nullptr;       // [tokens, 2 intermediate]
  Bf16* gated_ = nullptr;         // [tokens, intermediate]
  Bf16* head_in_ = nullptr;       // [rows, hidden]
  Bf16* share_logits_ = nullptr;  // [rows, head_rows]
  Bf16* logits_ = nullptr;        // [rows, logit_stride]; of one rank these are one
  float* partial_values_ = nullptr;
  float* partial_shares_ = nullptr;
  std::int32_t* tickets_ = nullptr;
  void* mailbox_ = nullptr;
  std::byte* gathered_ = nullptr;  // of all ranks, by rank: partial results, fp32 [tokens, hidden], or shares of the logits
  std::int64_t positions_;
  std::int64_t most_tokens_;
  std::vector<Shared> linked_;  // by rank
  kernels::RankLinks links_{};
  Collectives* collectives_ = nullptr;
  StepWatch* watch_ = nullptr;
};

}  // namespace tokenyard::cuda
