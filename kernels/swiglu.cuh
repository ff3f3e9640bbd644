// The activation, for the kernels that compute it.
#pragma once

#include "kernels/vector.cuh"

namespace tokenyard::kernels {

// up gate / (1 + e^-gate); an e^-gate that overflows makes it 0, as it should.
__device__ __forceinline__ float gated(float gate, float up) { return up * (gate / (1.0f + __expf(-gate))); }
__device__ __forceinline__ Floats gated(const Floats& gate, Floats up) {
  for (int i = 0; i < kVector; ++i) up.value[i] = gated(gate.value[i], up.value[i]);
  return up;
}

}  // namespace tokenyard::kernels
