#include "backends/gpu/gpu.h"

#include <dlfcn.h>

#include <utility>

#include "backends/gpu/module.h"

namespace tokenyard {
namespace {

const LoadedModule& loaded() {
  static const LoadedModule once = load_gpu_module("libtokenyard_cuda.so", "libcuda.so.1");
  return once;
}

const GpuModule& module_or_throw() {
  if (const std::string& why = why_no_gpu(); !why.empty()) throw BackendError(why);
  return *loaded().module;
}

}  // namespace

LoadedModule load_gpu_module(const std::string& library, const std::string& driver) {
  // First, because it costs nothing: where there is no driver the module would load 200 MB only to find that out.
  if (dlopen(driver.c_str(), RTLD_LAZY | RTLD_LOCAL) == nullptr) {
    return {nullptr, "no NVIDIA driver was found; --backend cpu and tokenyard simulate need none"};
  }
  void* const handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const std::string error = dlerror();  // begins with the file that is missing or broken
    if (error.starts_with(library + ": cannot open")) {
      return {nullptr,
              "this Tokenyard has no GPU backend: " + library +
                  " was not found in lib/tokenyard beside the program; build it where the CUDA toolkit (12.3 or newer) "
                  "is installed, or use --backend cpu"};
    }
    return {nullptr, "the GPU backend cannot be loaded: " + error +
                         "; install the CUDA libraries it was built with, or use --backend cpu"};
  }
  auto* const entry = reinterpret_cast<GpuModuleEntry*>(dlsym(handle, kGpuModuleEntry));
  const GpuModule* const module = entry == nullptr ? nullptr : entry(kGpuModuleLayout);
  if (module == nullptr) {
    return {nullptr, library +
                         " belongs to another version of Tokenyard: install the program and the module from one build, or "
                         "use --backend cpu"};
  }
  return {module, {}};
}

const std::string& why_no_gpu() { return loaded().module == nullptr ? loaded().why : loaded().module->why_no_device(); }

std::string gpu_note() { return loaded().module == nullptr ? std::string() : loaded().module->note(); }

std::string gpu_code() { return loaded().module == nullptr ? std::string() : loaded().module->code(); }

std::string why_not_on_gpu(const ModelShape& model, const EngineConfig& config, std::int32_t tensor_parallel) {
  if (const std::string& why = why_no_gpu(); !why.empty()) return why;
  return loaded().module->why_not(model, config, tensor_parallel);
}

std::unique_ptr<GpuBackend> make_gpu_backend(const Weights& weights, const EngineConfig& config, GpuOptions options) {
  return module_or_throw().make(weights, config, std::move(options));
}

std::unique_ptr<GpuBackend> make_gpu_backend(const ModelShape& shape, std::uint32_t seed, const EngineConfig& config,
                                             GpuOptions options) {
  return module_or_throw().make_random(shape, seed, config, std::move(options));
}

}  // namespace tokenyard
