// Carries out steps on an NVIDIA GPU, or on several that share a model: bf16 weights, activations and K/V, sums in fp32.
//
// A request gets the same tokens and logits, bit by bit, alone and in every batch, under every policy and chunking, with and
// without prefix hits and preemptions: products keep one order of sums (gemm.h), attention is split at absolute positions
// (kernels/attention.h), everything else works on one row at a time. On two cards they are those of one.
#pragma once

#include <memory>
#include <string>

#include "backends/gpu/gpu.h"
#include "backends/model/weights.h"
#include "core/config.h"

namespace tokenyard {

// Two steps may be in flight. After a BackendError none is. Nothing is allocated after construction.
class CudaBackend final : public GpuBackend {
 public:
  // REQUIRES: the engine has the same configuration. The pool has config.num_blocks blocks, or as many as fit (limits() tells);
  // 0: as many as fit. At most 1024 log probabilities a token are reported. Throws BackendError when the card cannot do it,
  // std::invalid_argument for the configuration or a shape that has no kernels, InputError for one that cannot be cut over the
  // ranks; one sentence.
  // The weights are copied to the cards, each rank's slices by a thread of its own; or random ones of the shape are made there.
  CudaBackend(const Weights& weights, const EngineConfig& config, GpuOptions options = {});
  CudaBackend(const ModelShape& model, std::uint32_t seed, const EngineConfig& config, GpuOptions options = {});
  ~CudaBackend() override;

  BackendLimits limits() const override;
  void submit(const StepPlan& plan) override;
  const StepResult& collect() override;
  TimeNs now() const override;
  void wait_until(TimeNs time) override;
  void wake() override;

  GpuFacts facts() const override;
  double measure_read_bandwidth() override;
  StepProfile profile(const ProfiledStep& step) override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

namespace cuda {

// Why the kernels, on so many cards, cannot compute a model of this shape in blocks of this size, one sentence; empty: they
// can.
std::string why_not(const ModelShape& model, const EngineConfig& config, std::int32_t tensor_parallel);

}  // namespace cuda
}  // namespace tokenyard
