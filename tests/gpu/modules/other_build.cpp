// A module of a build whose objects are laid out otherwise.
#include <cstdint>

extern "C" const void* tokenyard_gpu_module(std::uint64_t layout) {
  constexpr std::uint64_t kMyLayout = 42;
  static const int module = 0;
  return layout == kMyLayout ? &module : nullptr;
}
