// The reference: carries out steps on the CPU in single precision, over the same paged K/V as the GPU.
//
// Every number is a sum in a fixed order that neither the batch, the chunk, the block size, the number of threads or ranks nor
// the instruction set changes: a request gets the same logits, bit by bit, however it is scheduled.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "backends/model/weights.h"
#include "core/backend.h"
#include "core/base/live_clock.h"
#include "core/config.h"

namespace tokenyard {

struct CpuOptions {
  std::int32_t threads = 0;          // 0: one a core
  std::int32_t tensor_parallel = 1;  // ranks that share the model, each a thread with its part of `threads`: 1, 2, 4 or 8
  // fp8: what of K and V eight bits can hold, kept in single precision all the same: the answers of fp8, not its savings.
  KvDtype kv_dtype = KvDtype::automatic;
  std::int32_t num_ids = 0;  // token ids the tokenizer knows, the only ones sampled; 0: the whole vocabulary

  // Sees the logits (the vocabulary's, valid during the call) after the token at `position`, which predict the next one: of
  // every sampled row, in row order, or else of every position computed. On the engine's thread.
  std::function<void(const Request& request, std::int32_t position, std::span<const float> logits)> on_logits;
  bool every_position = false;
  // Called by every rank on its own thread before it computes a step; what it throws is that rank's failure. For tests of one.
  std::function<void(std::int32_t rank)> on_rank;
};

// Padding of static batches is computed (its matrix products are), as a padded batch would. submit() computes and
// throws BackendError; requests should have passed refusal() of backends/model/sampler.h. After a rank's thread hung or was
// ended (backends/model/rank_team.h) every submit() throws, and what the backend has is kept until the process ends.
class CpuBackend final : public Backend {
 public:
  // `weights` is borrowed. REQUIRES: the engine has the same block_size and eos_token_id. The pool has config.num_blocks
  // blocks, whose memory is taken as they are used: 8 x layers x kv_heads x head_dim bytes a token. Throws
  // std::invalid_argument, one sentence, and InputError where the model cannot be cut over the ranks.
  CpuBackend(const Weights& weights, const EngineConfig& config, CpuOptions options = {});
  ~CpuBackend() override;

  BackendLimits limits() const override;
  void submit(const StepPlan& plan) override;
  const StepResult& collect() override { return result_; }
  TimeNs now() const override { return clock_.now(); }
  void wait_until(TimeNs time) override { clock_.wait_until(time); }
  void wake() override { clock_.wake(); }

 private:
  class Steps;

  BackendLimits limits_;
  std::unique_ptr<Steps> steps_;
  StepResult result_;
  LiveClock clock_;
};

}  // namespace tokenyard
