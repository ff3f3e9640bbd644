// What prefill and decode share: 16 query rows attend with 64 tokens, and how results of softmaxes are merged.
//
// Every tile is a softmax of its own, merged into those of the tiles before it. Therefore it does not matter whether one warp
// goes through the tiles of a chunk or several warps take one each: as long as the merge is in ascending order, the bits agree.
#pragma once

#include <cstdint>

#include "kernels/attention.h"
#include "kernels/mma.cuh"

namespace tokenyard::kernels {

inline constexpr int kTile = 64;  // tokens

// ---- A tile of K or V in shared memory

// A tile is four granules. A granule is D / 64 panels: the tokens' dimensions 0 .. 63, then 64 .. 127. A panel has a row of 128
// bytes for each token: eight vectors of 16 bytes, of which number v lies at v ^ row % 8. That is the copy engine's 128-byte
// swizzle; with it the eight rows that ldmatrix reads lie in different banks.
//
// D is what 16-bit numbers would fill: a tile of 128 dimensions in fp8 is one of D = 64. One of 64 in fp8 is one of D = 32, and
// has two tokens in a row.
inline constexpr int kPanelDims = 64;
inline constexpr std::uint32_t kRowBytes = kPanelDims * 2;
inline constexpr std::uint32_t kVectorBytes = 16;
inline constexpr std::uint32_t kRowVectors = kRowBytes / kVectorBytes;
inline constexpr std::uint32_t kPanelBytes = kGranule * kRowBytes;
template <int D>
inline constexpr std::uint32_t kGranuleBytes = kPanelBytes* D / kPanelDims;
template <int D>
inline constexpr std::uint32_t kTileBytes = kTile / kGranule* kGranuleBytes<D>;
inline constexpr int kTileAlignment = 1024;  // eight rows: the pattern of the swizzle

// Where dimensions 8 `vec` .. 8 `vec` + 7 of token `row` are, in bytes from the tile's begin.
template <int D>
__device__ __forceinline__ std::uint32_t tile_offset(int row, int vec) {
  const auto r = static_cast<std::uint32_t>(row);
  const auto v = static_cast<std::uint32_t>(vec);
  if constexpr (D < kPanelDims) {
    return r / 2 * kRowBytes + ((r % 2 * (kRowVectors / 2) + v) ^ r / 2 % kRowVectors) * kVectorBytes;
  }
  return r / kGranule * kGranuleBytes<D> + v / kRowVectors * kPanelBytes + r % kGranule * kRowBytes +
         (v % kRowVectors ^ r % kRowVectors) * kVectorBytes;
}
// For a thread that has computed `address`, one in the first granule and the first two vectors: the address `granules` granules
// and `vec` vectors further on. REQUIRES: vec is even, or the address is in the first vector. With constant arguments that
// takes one exclusive or and one addition.
template <int D>
__device__ __forceinline__ std::uint32_t moved(std::uint32_t address, int granules, int vec) {
  const auto v = static_cast<std::uint32_t>(vec);
  return (address ^ v % kRowVectors * kVectorBytes) + static_cast<std::uint32_t>(granules) * kGranuleBytes<D> +
         v / kRowVectors * kPanelBytes;
}

// The same for `rows` rows further down, of 16, and `granules` granules. REQUIRES: no bit of `rows` % 8 is set in the first
// row.
template <int D>
__device__ __forceinline__ std::uint32_t rows_down(std::uint32_t address, int granules, int rows) {
  const auto r = static_cast<std::uint32_t>(D < kPanelDims ? rows * D / kPanelDims : rows);
  return (address ^ r % kRowVectors * kVectorBytes) + static_cast<std::uint32_t>(granules) * kGranuleBytes<D> + r * kRowBytes;
}

// ---- Partial results and their merge

// A row's softmax over some of its positions is m, the greatest exponent (of 2); l, the sum of 2^(exponent - m); and o, the sum
// of 2^(exponent - m) v. Two of them are merged by scaling both to the greater m.

// The m of no positions at all. Finite: its difference to itself is 0. Merging with nothing (m = kNone, l = 0, o = 0), from
// either side, changes no bit of the other.
inline constexpr float kNone = -1e30f;

__device__ __forceinline__ float exp2_approximate(float x) {  // subnormal results are 0
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

struct Scales {
  float old;
  float fresh;
};
// For merging what has `fresh_m` into what has m, which becomes that of both.
__device__ __forceinline__ Scales scales_of(float& m, float fresh_m) {
  const float greatest = fmaxf(m, fresh_m);
  const Scales scales{exp2_approximate(__fsub_rn(m, greatest)), exp2_approximate(__fsub_rn(fresh_m, greatest))};
  m = greatest;
  return scales;
}
// The merge: l and every number of o go through it, wherever two partial results meet.
__device__ __forceinline__ float merge(float old, float fresh, const Scales& scales) {
  return __fmaf_rn(fresh, scales.fresh, __fmul_rn(old, scales.old));
}

// A row's partial result, of which a thread holds N numbers of o.
template <int N>
struct Partial {
  float m = kNone;
  float l = 0;
  float o[N] = {};

  // `fresh` has the positions that follow.
  __device__ __forceinline__ void append(const Partial& fresh) {
    const Scales scales = scales_of(m, fresh.m);
    append(fresh.l, fresh.o, scales);
  }
  // The same where m and the scales are known already.
  __device__ __forceinline__ void append(float fresh_l, const float (&fresh_o)[N], const Scales& scales) {
    l = merge(l, fresh_l, scales);
#pragma unroll
    for (int i = 0; i < N; ++i) o[i] = merge(o[i], fresh_o[i], scales);
  }
};

// The partial results of a warp's rows: kHalves = 1: rows 0 .. 7 only, 2: rows 0 .. 15. Lane i has numbers of row i / 4 and, in
// the second half, of row i / 4 + 8.
template <int D, int kHalves>
struct Softmax {
  float m[kHalves];
  float l[kHalves];
  float o[D / 8][2 * kHalves];  // as multiply_add lays out `sum`

  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int h = 0; h < kHalves; ++h) {
      m[h] = kNone;
      l[h] = 0;
    }
#pragma unroll
    for (int d = 0; d < D / 8; ++d) {
#pragma unroll
      for (int e = 0; e < 2 * kHalves; ++e) o[d][e] = 0;
    }
  }
};

// ---- The tile function

// Scores of 16 query rows and the tile's 64 tokens, later their weights: eight products of 16 x 8, as multiply_add lays them
// out.
using TileScores = float[kTile / 8][4];

// A tile of K and one of V, by their addresses.
template <int D>
struct Bf16Tiles {
  std::uint32_t k;
  std::uint32_t v;
};

// s = q k^T. q: 16 rows of D as `a` of multiply_add.
template <int D>
__device__ __forceinline__ void score(TileScores& s, const std::uint32_t (&q)[D / 16][4], const Bf16Tiles<D>& tiles) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  const std::uint32_t k_lane = tiles.k + tile_offset<D>(lane % 8 + lane / 16 * 8, lane / 8 % 2);
#pragma unroll
  for (int n = 0; n < kTile / 8; ++n) s[n][0] = s[n][1] = s[n][2] = s[n][3] = 0;
#pragma unroll
  for (int k = 0; k < D / 16; ++k) {
#pragma unroll
    for (int n = 0; n < kTile / 8; n += 2) {
      std::uint32_t b[4];
      load_matrices(b, moved<D>(k_lane, n / 2, k * 2));
      multiply_add(s[n], q[k], b[0], b[1]);
      multiply_add(s[n + 1], q[k], b[2], b[3]);
    }
  }
}

// Row i sees the first limit[i / 8] tokens.
template <int kHalves>
__device__ __forceinline__ void mask(TileScores& s, const int (&limit)[kHalves]) {
  const int lane = static_cast<int>(threadIdx.x % 32);
#pragma unroll
  for (int n = 0; n < kTile / 8; ++n) {
#pragma unroll
    for (int e = 0; e < 2 * kHalves; ++e) {
      if (n * 8 + lane % 4 * 2 + e % 2 >= limit[e / 2]) s[n][e] = -INFINITY;
    }
  }
}

// Scores of half `h` become weights; returns the tile's m and l of the row. Four lanes have a row's scores.
struct TileShare {
  float m;
  float l;
};
__device__ __forceinline__ TileShare weigh(TileScores& s, int h, float scale) {
  float m = -INFINITY;
#pragma unroll
  for (int n = 0; n < kTile / 8; ++n) m = fmaxf(m, fmaxf(s[n][2 * h], s[n][2 * h + 1]));
  m = fmaxf(m, __shfl_xor_sync(~0u, m, 1));
  m = fmaxf(m, __shfl_xor_sync(~0u, m, 2));
  m = fmaxf(__fmul_rn(m, scale), kNone);
  float l = 0;
#pragma unroll
  for (int n = 0; n < kTile / 8; ++n) {
#pragma unroll
    for (int e = 2 * h; e < 2 * h + 2; ++e) {
      s[n][e] = exp2_approximate(__fmaf_rn(s[n][e], scale, -m));
      l = __fadd_rn(l, s[n][e]);
    }
  }
  l = __fadd_rn(l, __shfl_xor_sync(~0u, l, 1));
  l = __fadd_rn(l, __shfl_xor_sync(~0u, l, 2));
  return {m, l};
}

// The weights in bf16, as `a` of multiply_add: its layout is that of `sum`. Rows 8 .. 15 are zero if there is one half.
template <int kHalves>
__device__ __forceinline__ void pack_weights(std::uint32_t (&p)[kTile / 16][4], const TileScores& s) {
#pragma unroll
  for (int k = 0; k < kTile / 16; ++k) {
    p[k][0] = pack(s[2 * k][0], s[2 * k][1]);
    p[k][2] = pack(s[2 * k + 1][0], s[2 * k + 1][1]);
    p[k][1] = kHalves == 2 ? pack(s[2 * k][2], s[2 * k][3]) : 0;
    p[k][3] = kHalves == 2 ? pack(s[2 * k + 1][2], s[2 * k + 1][3]) : 0;
  }
}

// Merges p v into o, 16 dimensions at a time: each is summed from zero, so that a tile's own result needs few registers.
template <int D, int kHalves>
__device__ __forceinline__ void add_values(float (&o)[D / 8][2 * kHalves], const std::uint32_t (&p)[kTile / 16][4],
                                           const Bf16Tiles<D>& tiles, const Scales (&scales)[kHalves]) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  const std::uint32_t v_lane = tiles.v + tile_offset<D>(lane % 16, lane / 16);
#pragma unroll
  for (int d = 0; d < D / 8; d += 2) {
    float fresh[2][4] = {};
#pragma unroll
    for (int k = 0; k < kTile / 16; ++k) {
      std::uint32_t b[4];
      load_matrices_transposed(b, moved<D>(v_lane, k, d));
      multiply_add(fresh[0], p[k], b[0], b[1]);
      multiply_add(fresh[1], p[k], b[2], b[3]);
    }
#pragma unroll
    for (int i = 0; i < 2; ++i) {
#pragma unroll
      for (int e = 0; e < 2 * kHalves; ++e) o[d + i][e] = merge(o[d + i][e], fresh[i][e], scales[e / 2]);
    }
  }
}

// Appends a tile's tokens to `state`, for the rows of a warp. q: 16 rows as `a` of multiply_add. Row i sees the first
// limit[i / 8] tokens; V must be finite behind them (0 x NaN is NaN), K may be anything. `masked`, the same for the warp: some
// limit is less than kTile. k_done() is called when K is no longer needed, v_ready() before V is read.
template <int D, int kHalves, class Tiles, class KDone, class VReady>
__device__ __forceinline__ void attend_tile(Softmax<D, kHalves>& state, const std::uint32_t (&q)[D / 16][4], const Tiles& tiles,
                                            const int (&limit)[kHalves], bool masked, float scale, KDone&& k_done,
                                            VReady&& v_ready) {
  TileScores s;
  score<D>(s, q, tiles);
  k_done();
  if (masked) mask(s, limit);
  Scales scales[kHalves];
#pragma unroll
  for (int h = 0; h < kHalves; ++h) {
    const TileShare tile = weigh(s, h, scale);
    scales[h] = scales_of(state.m[h], tile.m);
    state.l[h] = merge(state.l[h], tile.l, scales[h]);
  }
  std::uint32_t p[kTile / 16][4];
  pack_weights<kHalves>(p, s);
  v_ready();
  add_values<D, kHalves>(state.o, p, tiles, scales);
}

}  // namespace tokenyard::kernels
