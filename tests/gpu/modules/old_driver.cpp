// As much of libcuda.so.1 as the CUDA runtime asks before it sees that this driver, of CUDA 12.0, is older than itself.
#include <cstdint>
#include <cstring>

extern "C" {

int cuInit(unsigned) { return 0; }

int cuDriverGetVersion(int* version) {
  *version = 12000;
  return 0;
}

int cuGetProcAddress_v2(const char* symbol, void** function, int, std::uint64_t, int* status) {
  const auto is = [&](const char* name) { return std::strcmp(symbol, name) == 0; };
  if (status != nullptr) *status = 0;
  *function = is("cuInit")               ? reinterpret_cast<void*>(cuInit)
              : is("cuDriverGetVersion") ? reinterpret_cast<void*>(cuDriverGetVersion)
              : is("cuGetProcAddress")   ? reinterpret_cast<void*>(cuGetProcAddress_v2)
                                         : nullptr;
  return *function == nullptr ? 500 : 0;  // CUDA_ERROR_NOT_FOUND
}
}
