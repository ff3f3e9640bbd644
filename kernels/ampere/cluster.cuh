// Clusters: there are none.
#pragma once

namespace tokenyard::kernels {

inline constexpr bool kHasClusters = false;
template <int Blocks>
class Cluster;

}  // namespace tokenyard::kernels
