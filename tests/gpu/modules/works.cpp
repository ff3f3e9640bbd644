// A module of this build, on a machine whose card is out of memory.
#include <stdexcept>

#include "backends/gpu/module.h"

namespace tokenyard {
namespace {

class Module final : public GpuModule {
 public:
  const std::string& why_no_device() const override {
    static const std::string why;
    return why;
  }
  std::string note() const override { return "the driver compiles"; }
  std::string code() const override { return "8.0"; }
  std::string why_not(const ModelShape&, const EngineConfig& config, std::int32_t) const override {
    return config.block_size == 16 ? "" : "blocks of " + std::to_string(config.block_size);
  }
  std::unique_ptr<GpuBackend> make(const Weights&, const EngineConfig&, GpuOptions) const override {
    throw std::logic_error("needs a model");
  }
  std::unique_ptr<GpuBackend> make_random(const ModelShape&, std::uint32_t, const EngineConfig&, GpuOptions) const override {
    throw BackendError("out of GPU memory");
  }
};

}  // namespace
}  // namespace tokenyard

extern "C" const tokenyard::GpuModule* tokenyard_gpu_module(std::uint64_t layout) {
  static const tokenyard::Module module;
  return layout == tokenyard::kGpuModuleLayout ? &module : nullptr;
}
