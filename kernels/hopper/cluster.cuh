// Blocks that run at the same time and read each other's shared memory.
#pragma once

#include <cooperative_groups.h>

namespace tokenyard::kernels {

inline constexpr bool kHasClusters = true;

// The cluster of the block that asks. REQUIRES: the kernel was launched by launch_clusters() with as many blocks a cluster.
template <int Blocks>
class Cluster {
 public:
  __device__ int rank() const { return static_cast<int>(group_.block_rank()); }
  // All threads of all blocks; what they wrote before is there for all.
  __device__ void sync() { group_.sync(); }
  // The same variable of shared memory in another block.
  template <class T>
  __device__ T* of(T* mine, int block) {
    return group_.map_shared_rank(mine, block);
  }

 private:
  cooperative_groups::cluster_group group_ = cooperative_groups::this_cluster();
};

// sync() in two halves.
__device__ __forceinline__ void cluster_arrive() { asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory"); }
__device__ __forceinline__ void cluster_wait() { asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory"); }

}  // namespace tokenyard::kernels
