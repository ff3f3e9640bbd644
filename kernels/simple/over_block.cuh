// A sum or a maximum over a block, as anyone would write it first.
#pragma once

namespace tokenyard::kernels::simple {

// The result of `combine` over all threads, in shared memory of one value a thread.
template <class T, class Combine>
__device__ T over_block(T x, T* shared, Combine combine) {
  __syncthreads();
  shared[threadIdx.x] = x;
  __syncthreads();
  x = shared[0];
  for (unsigned i = 1; i < blockDim.x; ++i) x = combine(x, shared[i]);
  return x;
}

}  // namespace tokenyard::kernels::simple
