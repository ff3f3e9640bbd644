#include "tests/kernels/gpu/support/break_device.h"

namespace tokenyard::test {
namespace {

__global__ void trap() { __trap(); }

}  // namespace

void break_device() {
  trap<<<1, 1>>>();
  cudaDeviceSynchronize();
}

}  // namespace tokenyard::test
