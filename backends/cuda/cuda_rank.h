// One card's part of a model: its weights, its heads' K/V, its captured graphs, and the steps it has been given. Used by
// CudaBackend, which has one for every rank.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "backends/cuda/device_weights.h"
#include "backends/cuda/forward.h"
#include "backends/cuda/passes.h"
#include "backends/cuda/step_inputs.h"
#include "backends/cuda/step_shape.h"
#include "backends/gpu/gpu.h"
#include "core/base/live_clock.h"
#include "core/config.h"

namespace tokenyard::cuda {

inline constexpr std::int32_t kTopCapacity = 1024;  // log probabilities a token at most

// Kernels' own exceptions are failures of the device.
template <typename Do>
void on_device(const Do& what) {
  try {
    what();
  } catch (const kernels::DeviceError& error) {
    throw BackendError(std::string("the GPU failed: ") + error.what());
  }
}

// The padded sizes that steps may have, the same on every rank.
struct StepSizes {
  StepSizes(const ModelShape& model, const EngineConfig& config);
  std::int32_t max_context;
  std::vector<std::int32_t> rows;    // of heads, and of steps of one token a request
  std::vector<std::int32_t> tokens;  // of steps
};

class CudaRank {
 public:
  // `place`: which of how many. All of these are called on a thread whose current device is the rank's, unless they say
  // otherwise.
  struct Place {
    std::int32_t rank = 0;
    std::int32_t ranks = 1;
    RankMeans means = RankMeans::peer_memory;
  };
  CudaRank(Place place, Device device, DeviceWeights weights, const EngineConfig& config, const GpuOptions& options,
           const StepSizes& sizes);
  ~CudaRank();
  CudaRank(const CudaRank&) = delete;
  CudaRank& operator=(const CudaRank&) = delete;

  // Blocks of K/V that fit into the card's memory beside what is there now; throws BackendError if they are too few.
  std::int32_t blocks_that_fit() const;
  // Takes the K/V cache and runs a step of each kind by itself. With several ranks watch->failed is not 0, so that it waits for
  // no other.
  void take_cache(std::int32_t num_blocks, kernels::RankWatch* watch);
  // From now on the ranks wait for each other. All must be idle, and do it at once.
  Forward::Shared shared() const { return forward_.shared(); }
  void link(const std::vector<Forward::Shared>& all, kernels::RankWatch* watch, Collectives* collectives);
  void capture();
  void forget_graphs();

  // A step takes one of two slots; what follows names it. The first call of a step, of a pass, and after its end.
  void begin(int slot, const StepPlan& plan);
  void start(int slot, const Pass& pass);
  // Waits until the slot's last pass has ended, or says whether it has. On any thread.
  void wait(int slot) const { slots_[slot].done.synchronize(); }
  bool ended(int slot) const { return slots_[slot].done.passed(); }
  const SampledRows& sampled(int slot) const { return slots_[slot].sampled; }
  StepParts parts(int slot) const { return slots_[slot].timer.parts(place_.ranks); }
  TimeNs time_of(int slot) const { return elapsed(slots_[slot].began, slots_[slot].done); }
  // The logits after some tokens of the last pass, which had the shape of `pass`: on the host, bf16 [rows, logit_stride()].
  void logits(const std::vector<std::int32_t>& head_tokens, const Pass& pass, std::vector<std::uint16_t>& out);
  // Nothing is being computed. Never throws; on any thread.
  bool idle() const { return cudaStreamQuery(stream_) != cudaErrorNotReady; }
  // After a failure that the ranks met at different places.
  void forget_meetings();

  double measure_read_bandwidth();
  StepProfile profile(const ProfiledStep& step);  // GpuBackend::profile()
  void add_facts(GpuFacts& facts) const;

 private:
  // What a step in flight has to itself. Two of them take turns.
  struct Slot {
    PinnedMemory sampled_memory;
    SampledRows sampled{};
    StepTimer timer;
    Event began, done;
    std::map<std::int32_t, Graph> graphs;  // by padded number of rows
  };

  bool fp8() const { return options_.kv_dtype == KvDtype::fp8; }
  std::int64_t token_vectors() const { return std::int64_t{2} * model_.num_layers * model_.num_kv_heads; }
  std::int64_t token_bytes() const { return token_vectors() * (fp8() ? model_.head_dim + 1 : 2 * model_.head_dim); }
  std::uint8_t* scales() const;  // of fp8: behind the numbers
  void place_sampled(Slot& slot) const;
  StepShape shape_of(const Pass& pass) const;
  void enqueue(const StepShape& shape, const Slot& slot, bool capturing);
  void warm_up();
  void copy_blocks(const std::vector<BlockCopy>& copies);

  Place place_;
  Device device_;
  EngineConfig config_;
  const GpuOptions& options_;
  const StepSizes& sizes_;
  DeviceWeights weights_;
  const ModelShape& model_;  // this rank's
  Stream stream_;
  Slot slots_[2];
  StepInputs inputs_;
  Forward forward_;
  std::int32_t num_blocks_ = 0;
  std::int64_t activation_bytes_ = 0;  // GpuFacts::activation_bytes
  DeviceMemory cache_memory_;
  DeviceMemory pairs_memory_;
};

}  // namespace tokenyard::cuda
