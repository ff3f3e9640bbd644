// The tile function's parts that differ where K and V are fp8: what a warp reads becomes bf16 in its registers, in the layout
// and the order of the bf16 tile. So the bits are those of the bf16 kernel over the same numbers.
#pragma once

#include <cstdint>

#include "kernels/attention_tile.cuh"
#include "kernels/fp8.cuh"

namespace tokenyard::kernels {

// A tile of K and one of V, of D / 2 16-bit units a token, and their scales: lane i has those of tokens 2 i and 2 i + 1, as
// they are stored, in two bytes. V's of a token that nobody sees is 0: then its values are, whatever its codes.
template <int D>
struct Fp8Tiles {
  std::uint32_t k;
  std::uint32_t v;
  std::uint32_t k_scales;
  std::uint32_t v_scales;
};

template <int D>
__device__ __forceinline__ void score(TileScores& s, const std::uint32_t (&q)[D / 16][4], const Fp8Tiles<D>& tiles) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  const std::uint32_t k_lane = tiles.k + tile_offset<D / 2>(lane % 8 + lane / 16 * 8, lane / 8 % 2);
  // Of b, the product's second factor, a lane has token lane / 4 of eight.
  std::uint32_t factor[kTile / 8];
#pragma unroll
  for (int n = 0; n < kTile / 8; ++n) {
    s[n][0] = s[n][1] = s[n][2] = s[n][3] = 0;
    const std::uint32_t two = __shfl_sync(~0u, tiles.k_scales, n * 4 + lane / 8);
    factor[n] = fp8_factor(two >> lane / 4 % 2 * 8 & 0xff);
  }
#pragma unroll
  for (int k = 0; k < D / 16; k += 2) {
#pragma unroll
    for (int n = 0; n < kTile / 8; n += 2) {
      std::uint32_t codes[4];  // of (n, k), (n, k + 1), (n + 1, k), (n + 1, k + 1)
      load_matrices(codes, moved<D / 2>(k_lane, n / 2, k));
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int m = n + i / 2;
        multiply_add(s[m], q[k + i % 2], fp8_even(codes[i], factor[m]), fp8_odd(codes[i], factor[m]));
      }
    }
  }
}

template <int D, int kHalves>
__device__ __forceinline__ void add_values(float (&o)[D / 8][2 * kHalves], const std::uint32_t (&p)[kTile / 16][4],
                                           const Fp8Tiles<D>& tiles, const Scales (&scales)[kHalves]) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  const std::uint32_t v_lane = tiles.v + tile_offset<D / 2>(lane, 0);
  // A lane has tokens 2 (lane % 4) and the next of eight.
  std::uint32_t factor[kTile / 8];
#pragma unroll
  for (int t = 0; t < kTile / 8; ++t) {
    const std::uint32_t two = __shfl_sync(~0u, tiles.v_scales, t * 4 + lane % 4);
    factor[t] = fp8_factor(two & 0xff, two >> 8);
  }
#pragma unroll
  for (int d = 0; d < D / 8; d += 2) {
    float fresh[2][4] = {};
#pragma unroll
    for (int k = 0; k < kTile / 16; k += 2) {
      std::uint32_t codes[4];  // of tokens 0 .. 7, 8 .. 15 of k, then of k + 1
      load_matrices_transposed(codes, moved<D / 2>(v_lane, k, d / 2));
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const std::uint32_t* const of_k = codes + 2 * i;
        const std::uint32_t* const by = factor + 2 * (k + i);
        multiply_add(fresh[0], p[k + i], fp8_even(of_k[0], by[0]), fp8_even(of_k[1], by[1]));
        multiply_add(fresh[1], p[k + i], fp8_odd(of_k[0], by[0]), fp8_odd(of_k[1], by[1]));
      }
    }
#pragma unroll
    for (int i = 0; i < 2; ++i) {
#pragma unroll
      for (int e = 0; e < 2 * kHalves; ++e) o[d + i][e] = merge(o[d + i][e], fresh[i][e], scales[e / 2]);
    }
  }
}

}  // namespace tokenyard::kernels
