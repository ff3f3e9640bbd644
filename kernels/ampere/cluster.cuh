// Clusters: there are none.
#pragma once

namespace tokenyard::kernels {

inline constexpr bool kHasClusters = false;
template <int Blocks>
class Cluster;
__device__ __forceinline__ void cluster_arrive() {}
__device__ __forceinline__ void cluster_wait() {}

}  // namespace tokenyard::kernels
