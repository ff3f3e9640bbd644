// What every launcher's header needs of CUDA, without CUDA's headers.
#pragma once

#include <stdexcept>
#include <string>

struct CUstream_st;
struct __nv_bfloat16;

namespace tokenyard::kernels {

using Stream = CUstream_st*;  // cudaStream_t
using Bf16 = __nv_bfloat16;

// A CUDA call failed: one sentence, with what was being done. `code` is the cudaError_t, 0: none.
struct DeviceError : std::runtime_error {
  explicit DeviceError(const std::string& what, int the_code = 0) : std::runtime_error(what), code(the_code) {}
  int code;
};

}  // namespace tokenyard::kernels
