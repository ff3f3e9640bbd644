// A module of another build: whatever layout the loader asks for is not its own.
#include "backends/gpu/module.h"

extern "C" __attribute__((visibility("default"))) const tokenyard::GpuModule* tokenyard_gpu_module(std::uint64_t) {
  return nullptr;
}
