// What libtokenyard_cuda.so offers the program.
#include "backends/gpu/module.h"

#include <utility>

#include "backends/cuda/architectures.h"
#include "backends/cuda/cuda_backend.h"
#include "backends/cuda/device.h"

namespace tokenyard {
namespace {

class CudaModule final : public GpuModule {
 public:
  const std::string& why_no_device() const override { return cuda::why_no_device(); }
  std::string note() const override { return cuda::why_no_device().empty() ? cuda::device_note() : std::string(); }
  std::string code() const override { return cuda::in_words(cuda::built_architectures()); }
  std::string why_not(const ModelShape& model, const EngineConfig& config, std::int32_t tensor_parallel) const override {
    return cuda::why_not(model, config, tensor_parallel);
  }
  std::unique_ptr<GpuBackend> make(const Weights& weights, const EngineConfig& config, GpuOptions options) const override {
    return std::make_unique<CudaBackend>(weights, config, std::move(options));
  }
  std::unique_ptr<GpuBackend> make_random(const ModelShape& shape, std::uint32_t seed, const EngineConfig& config,
                                          GpuOptions options) const override {
    return std::make_unique<CudaBackend>(shape, seed, config, std::move(options));
  }
};

}  // namespace

extern "C" __attribute__((visibility("default"))) const GpuModule* tokenyard_gpu_module(std::uint64_t layout) {
  static const CudaModule module;
  return layout == kGpuModuleLayout ? &module : nullptr;
}

}  // namespace tokenyard
