// Carries out steps on an NVIDIA GPU: bf16 weights, activations and K/V, sums in fp32.
//
// A request gets the same tokens and logits, bit by bit, alone and in every batch, under every policy and chunking, with and
// without prefix hits and preemptions: products keep one order of sums (gemm.h), attention is split at absolute positions
// (kernels/attention.h), everything else works on one row at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "backends/cuda/device_weights.h"
#include "core/backend.h"
#include "core/config.h"

namespace tokenyard {

struct CudaOptions {
  std::int32_t num_ids = 0;             // token ids the tokenizer knows, the only ones sampled; 0: the whole vocabulary
  double gpu_memory_utilization = 0.9;  // of the card's memory; what weights and activations leave of it is for K/V
  bool graphs = true;                   // capture steps of one token a request; false: to measure what that is worth
  bool time_parts = true;               // measure StepResult::parts; costs about 10 us a step

  // As CpuOptions::on_logits and every_position.
  std::function<void(const Request& request, std::int32_t position, std::span<const float> logits)> on_logits;
  bool every_position = false;
};

// What the card and this model on it are, for reports.
struct CudaFacts {
  std::string device;
  int driver_cuda = 0;  // 13000 for 13.0
  std::int64_t total_bytes = 0;
  std::int64_t weight_bytes = 0;
  std::int64_t kv_bytes = 0;
  std::int64_t kv_bytes_per_token = 0;
  std::int32_t num_graphs = 0;
};

// Two steps may be in flight. After a BackendError none is. Nothing is allocated after construction.
class CudaBackend final : public Backend {
 public:
  // REQUIRES: the engine has the same configuration. The pool has config.num_blocks blocks, or as many as fit (limits() tells);
  // 0: as many as fit. At most 1024 log probabilities a token are reported. Throws BackendError when the card cannot do it,
  // std::invalid_argument for the configuration or a shape that has no kernels; one sentence.
  CudaBackend(cuda::DeviceWeights weights, const EngineConfig& config, CudaOptions options = {});
  ~CudaBackend() override;

  BackendLimits limits() const override;
  void submit(const StepPlan& plan) override;
  const StepResult& collect() override;
  TimeNs now() const override;
  void wait_until(TimeNs time) override;
  void wake() override;

  CudaFacts facts() const;
  // Bytes a second, of a kernel that only reads the K/V cache: what a step that reads weights and K/V can come near to.
  // Between steps.
  double measure_read_bandwidth();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// Why no CudaBackend can be made on this machine, or nothing.
const std::string& why_no_cuda();

// Why the kernels cannot compute a model of this shape, or nothing.
std::string unsupported_by_cuda(const ModelShape& model);

}  // namespace tokenyard
