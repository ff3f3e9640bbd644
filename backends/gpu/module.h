// The seam between the program and libtokenyard_cuda.so: one C function that hands out one interface.
//
// Objects of core and backends/model cross the seam, so both sides must come from one build. The loader asks for its own
// kGpuModuleLayout, and a module of another build answers with null.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "backends/gpu/gpu.h"
#include "core/request.h"
#include "core/step_plan.h"

namespace tokenyard {

// What backends/cuda implements: the functions of gpu.h.
class GpuModule {
 public:
  virtual const std::string& why_no_device() const = 0;
  virtual std::string note() const = 0;
  virtual std::string code() const = 0;
  virtual std::string why_not(const ModelShape& model, const EngineConfig& config, std::int32_t tensor_parallel) const = 0;
  virtual std::unique_ptr<GpuBackend> make(const Weights& weights, const EngineConfig& config, GpuOptions options) const = 0;
  virtual std::unique_ptr<GpuBackend> make_random(const ModelShape& shape, std::uint32_t seed, const EngineConfig& config,
                                                  GpuOptions options) const = 0;

 protected:
  ~GpuModule() = default;
};

// A hash of the sizes of what crosses the seam.
inline constexpr std::uint64_t kGpuModuleLayout = [] {
  constexpr std::uint64_t kVersion = 2;  // count it up when a member changes its meaning and no type its size
  std::uint64_t hash = kVersion;
  for (const std::size_t size :
       {sizeof(Request), sizeof(Row), sizeof(StepPlan), sizeof(StepResult), sizeof(BackendLimits), sizeof(EngineConfig),
        sizeof(ModelShape), sizeof(Weights), sizeof(GpuOptions), sizeof(GpuFacts)}) {
    hash = hash * 1'000'003 + size;
  }
  return hash;
}();

// The module's entry. Null if `layout` is not the module's own. The interface lives as long as the process.
inline constexpr const char* kGpuModuleEntry = "tokenyard_gpu_module";
using GpuModuleEntry = const GpuModule*(std::uint64_t layout);

// What was loaded, or why nothing was: one sentence. Never unloads. `library` and `driver` are names or paths for dlopen(): a
// name is looked for in LD_LIBRARY_PATH, in the program's RUNPATH (lib/tokenyard beside bin) and in the system's folders.
struct LoadedModule {
  const GpuModule* module = nullptr;
  std::string why;
};
LoadedModule load_gpu_module(const std::string& library, const std::string& driver);

}  // namespace tokenyard
