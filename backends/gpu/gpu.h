// The GPU as the rest of the program sees it. The CUDA code and its libraries (200 MB once loaded) are in a module of their
// own, libtokenyard_cuda.so, which is loaded when one of these functions first needs it. So these exist in every build, with
// CUDA or without.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backends/model/weights.h"
#include "core/backend.h"
#include "core/base/model_shape.h"
#include "core/base/sampling_params.h"
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
  bool by_nccl = false;              // the cards do not reach each other's memory
  int driver_cuda = 0;               // the newest CUDA the driver knows: 13000 for 13.0
  std::int64_t total_bytes = 0;
  std::int64_t free_bytes = 0;  // before anything was taken
  std::int64_t weight_bytes = 0;
  std::int64_t activation_bytes = 0;  // of the largest step, with what the libraries took
  std::int64_t kv_bytes = 0;
  std::int64_t kv_bytes_per_token = 0;
  std::int32_t num_graphs = 0;

  // What the kernels make of the card: kernels::Card.
  int capability = 0;  // 90 is 9.0
  int compiled_for = 0;
  bool by_driver = false;
  std::int32_t multiprocessors = 0;
  std::int64_t shared_bytes = 0;
  bool early_start = false;
  bool clusters = false;
  // Products are prepared for so many shapes and numbers of rows; for so many of them no algorithm of cuBLASLt passed the gate,
  // and a slow kernel is used.
  std::int32_t products = 0;
  std::int32_t slow_products = 0;
};

// A step to be profiled: `rows` requests decode a token each, which attends with `context` tokens, itself among them.
struct ProfiledStep {
  std::int32_t rows = 1;
  std::int32_t context = 1024;
  SamplingParams sampling;
};

struct StepProfile {
  struct Kernel {
    std::string name;
    std::int32_t count;  // in the step
    double us;           // each: the mean over those of all layers, launched one after another as in a step
    double bytes;        // each: weights, K/V and activations that it reads and writes, counted once
  };
  struct Span {
    std::string kernel;
    std::int32_t layer;
    TimeNs begin, end;  // from the step's begin
  };
  double step_us;  // the step as the backend runs it, one captured graph
  std::vector<Kernel> kernels;
  // A step with an event between neighbouring kernels, which keeps each from starting while the one before still runs: it
  // takes longer than step_us.
  std::vector<Span> timeline;
};

class GpuBackend : public Backend {
 public:
  virtual GpuFacts facts() const = 0;
  // Bytes a second of a kernel that only reads the K/V cache: the most that a step, which reads weights and K/V, can reach.
  // REQUIRES: no step is in flight.
  virtual double measure_read_bandwidth() = 0;
  // Fills the K/V cache with random numbers. REQUIRES: no step is in flight and no request is live. Throws BackendError, one
  // sentence, when the step does not fit, or with several cards.
  virtual StepProfile profile(const ProfiledStep& step) = 0;
};

// Why this machine has no GPU to compute on, one sentence: no driver, no module, a library it needs, no card, an old one.
// Empty: there is one. Looks once; thread-safe.
const std::string& why_no_gpu();

// What a user should know before a wait: that the driver has to compile the kernels for this card. Empty: nothing, or no GPU.
std::string gpu_note();
// The compute capabilities that the kernels were compiled for, in words; empty: there is no module.
std::string gpu_code();

// Why so many GPUs cannot serve this model under this configuration, one sentence; empty: they can.
std::string why_not_on_gpu(const ModelShape& model, const EngineConfig& config, std::int32_t tensor_parallel = 1);

// A backend with a model's weights, copied from the mapped files, or with random ones of a model's shape. Its rules are
// CudaBackend's (backends/cuda/cuda_backend.h). Throws BackendError or std::invalid_argument, one sentence.
std::unique_ptr<GpuBackend> make_gpu_backend(const Weights& weights, const EngineConfig& config, GpuOptions options = {});
std::unique_ptr<GpuBackend> make_gpu_backend(const ModelShape& shape, std::uint32_t seed, const EngineConfig& config,
                                             GpuOptions options = {});

}  // namespace tokenyard
