// The GPU as the rest of the program sees it. The CUDA code and its libraries (200 MB once loaded) are in a module of their
// own, libtokenyard_cuda.so, which is loaded when one of these functions first needs it. So these exist in every build, with
// CUDA or without.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "backends/model/weights.h"
#include "core/backend.h"
#include "core/base/model_shape.h"
#include "core/config.h"

namespace tokenyard {

struct GpuOptions {
  std::int32_t tensor_parallel = 1;  // cards that share the model: the first so many, 1, 2, 4 or 8
  KvDtype kv_dtype = KvDtype::automatic;
  std::int32_t num_ids = 0;             // token ids the tokenizer knows, the only ones sampled; 0: the whole vocabulary
  double gpu_memory_utilization = 0.9;  // of the card's memory; what weights and activations leave of it is for K/V
  bool graphs = true;                   // capture steps of one token a request; false: to measure what that is worth
  bool time_parts = true;               // measure StepResult::parts; costs about 10 us a step

  // As CpuOptions::on_logits and every_position.
  std::function<void(const Request& request, std::int32_t position, std::span<const float> logits)> on_logits;
  bool every_position = false;
  std::function<void(std::int32_t rank)> on_rank;  // as CpuOptions::on_rank
};

// What the card and this model on it are, for reports.
struct GpuFacts {
  std::string device;
  std::int32_t tensor_parallel = 1;  // cards; the bytes below are of one of them
  int driver_cuda = 0;               // the newest CUDA the driver knows: 13000 for 13.0
  std::int64_t total_bytes = 0;
  std::int64_t weight_bytes = 0;
  std::int64_t kv_bytes = 0;
  std::int64_t kv_bytes_per_token = 0;
  std::int32_t num_graphs = 0;
};

class GpuBackend : public Backend {
 public:
  virtual GpuFacts facts() const = 0;
  // Bytes a second of a kernel that only reads the K/V cache: the most that a step, which reads weights and K/V, can reach.
  // REQUIRES: no step is in flight.
  virtual double measure_read_bandwidth() = 0;
};

// Why this machine has no GPU to compute on, one sentence: no driver, no module, a library it needs, no card, an old one.
// Empty: there is one. Looks once; thread-safe.
const std::string& why_no_gpu();

// Why so many GPUs cannot serve this model under this configuration, one sentence; empty: they can.
std::string why_not_on_gpu(const ModelShape& model, const EngineConfig& config, std::int32_t tensor_parallel = 1);

// A backend with a model's weights, copied from the mapped files, or with random ones of a model's shape. Its rules are
// CudaBackend's (backends/cuda/cuda_backend.h). Throws BackendError or std::invalid_argument, one sentence.
std::unique_ptr<GpuBackend> make_gpu_backend(const Weights& weights, const EngineConfig& config, GpuOptions options = {});
std::unique_ptr<GpuBackend> make_gpu_backend(const ModelShape& shape, std::uint32_t seed, const EngineConfig& config,
                                             GpuOptions options = {});

}  // namespace tokenyard
