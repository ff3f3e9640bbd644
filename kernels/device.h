// What every launcher's header needs of CUDA, without CUDA's headers.
#pragma once

#include <stdexcept>

struct CUstream_st;
struct __nv_bfloat16;

namespace tokenyard::kernels {

using Stream = CUstream_st*;  // cudaStream_t
using Bf16 = __nv_bfloat16;

// A CUDA call failed: one sentence, with what was being done.
struct DeviceError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace tokenyard::kernels
