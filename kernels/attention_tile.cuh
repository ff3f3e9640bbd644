// What prefill and decode share: 16 query rows attend with 64 tokens, and how results of softmaxes are merged.
//
// Every tile is a softmax of its own, merged into those of the tiles before it. Therefore it does not matter whether one warp
// goes through the tiles of a chunk or several warps take one each: as long as the merge is in ascending order, the bits agree.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/device.h"

namespace tokenyard::kernels {

inline constexpr int kTile = 64;     // tokens
inline constexpr int kGranule = 16;  // tokens of one block that one copy brings; every block size is a multiple of it
// The greatest exponent of no tokens at all. Finite: its difference to itself is 0.
inline constexpr float kNone = -1e30f;

// ---- Instructions without a C++ name

__device__ __forceinline__ float exp2_approximate(float x) {  // subnormal results are 0
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// Four 8 x 8 matrices of bf16 from shared memory, each lane giving the address of one row.
__device__ __forceinline__ void load_matrices(std::uint32_t (&r)[4], std::uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}
__device__ __forceinline__ void load_matrices_transposed(std::uint32_t (&r)[4], std::uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}

// sum[16 x 8] += a[16 x 16] b[16 x 8]. Lane i holds of `sum` row i / 4 (0, 1) and i / 4 + 8 (2, 3), columns 2 (i % 4) and the
// next.
__device__ __forceinline__ void multiply_add(float (&sum)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ __forceinline__ std::uint32_t pack(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return *reinterpret_cast<const std::uint32_t*>(&pair);
}

// mbarrier: a copy engine's bytes are awaited by phase parity.
__device__ __forceinline__ void barrier_init(std::uint32_t barrier, int arrivals) {
  asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}
__device__ __forceinline__ void barrier_init_fence() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }
__device__ __forceinline__ void barrier_expect(std::uint32_t barrier, std::uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
}
__device__ __forceinline__ void barrier_arrive(std::uint32_t barrier) {
  asm volatile("mbarrier.arrive.shared.b64 _, [%0];" ::"r"(barrier) : "memory");
}
__device__ __forceinline__ void barrier_wait(std::uint32_t barrier, std::uint32_t parity) {
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "again: mbarrier.try_wait.parity.shared.b64 done, [%0], %1;\n"
      "@!done bra again;\n"
      "}" ::"r"(barrier),
      "r"(parity)
      : "memory");
}

// ---- A tile of K or V in shared memory

// Granule by granule, each in panels of 64 dimensions, rows of 128 bytes. Of a row's eight vectors of 16 bytes, number v lies
// at v ^ row % 8: the copy engine's 128-byte swizzle, by which ldmatrix meets no bank twice.
template <int D>
constexpr std::uint32_t kGranuleBytes = kGranule* D * 2;
constexpr std::uint32_t kPanelBytes = kGranule * 128;
// Where the 8 dimensions 8 `vec` .. 8 `vec` + 7 of token `row` are.
template <int D>
__device__ __forceinline__ std::uint32_t tile_offset(int row, int vec) {
  const auto r = static_cast<std::uint32_t>(row);
  const auto v = static_cast<std::uint32_t>(vec);
  return r / kGranule * kGranuleBytes<D> + v / 8 * kPanelBytes + r % kGranule * 128 + ((v % 8 ^ r % 8) << 4);
}
// The address `granules` granules and `vec` vectors, an even number, on from one in the first granule and the first two
// vectors: constants but for one exclusive or. Tiles are aligned to 1024 bytes.
template <int D>
__device__ __forceinline__ std::uint32_t moved(std::uint32_t address, int granules, int vec) {
  const auto v = static_cast<std::uint32_t>(vec);
  return (address ^ v % 8 << 4) + static_cast<std::uint32_t>(granules) * kGranuleBytes<D> + v / 8 * kPanelBytes;
}

// ---- Merging

// m: the greatest exponent (of 2), l: the sum of 2^(exponent - m). What is merged is scaled to the greater m of the two.
struct Shares {
  float old;
  float fresh;
};
// m becomes that of both. Of nothing (kNone) and something the latter keeps its bits, as does what meets nothing.
__device__ __forceinline__ Shares merge_shares(float& m, float fresh_m) {
  const float greatest = fmaxf(m, fresh_m);
  const Shares shares{exp2_approximate(__fsub_rn(m, greatest)), exp2_approximate(__fsub_rn(fresh_m, greatest))};
  m = greatest;
  return shares;
}
__device__ __forceinline__ float merged(float old, float fresh, const Shares& shares) {
  return __fmaf_rn(fresh, shares.fresh, __fmul_rn(old, shares.old));
}

// The softmax of some tokens for the rows of one warp: kHalves = 1: rows 0 .. 7 only, 2: rows 0 .. 15.
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

// Adds a tile's tokens to `state`. q: 16 rows as `a` of multiply_add. Row i sees the first limit[i / 8] tokens; V is finite
// behind them (0 x NaN is NaN), K may be anything. masked, the same for the warp: some limit is less than kTile. k_done() is
// called when K is no longer needed, v_ready() before V is.
template <int D, int kHalves, class KDone, class VReady>
__device__ __forceinline__ void attend_tile(Softmax<D, kHalves>& state, const std::uint32_t (&q)[D / 16][4],
                                            std::uint32_t k_tile, std::uint32_t v_tile, const int (&limit)[kHalves],
                                            bool masked, float scale, KDone&& k_done, VReady&& v_ready) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  const std::uint32_t k_lane = k_tile + tile_offset<D>(lane % 8 + lane / 16 * 8, lane / 8 % 2);
  const std::uint32_t v_lane = v_tile + tile_offset<D>(lane % 16, lane / 16);
  float s[kTile / 8][4];
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
  k_done();

  if (masked) {
#pragma unroll
    for (int n = 0; n < kTile / 8; ++n) {
#pragma unroll
      for (int e = 0; e < 2 * kHalves; ++e) {
        if (n * 8 + lane % 4 * 2 + e % 2 >= limit[e / 2]) s[n][e] = -INFINITY;
      }
    }
  }
  Shares shares[kHalves];
#pragma unroll
  for (int h = 0; h < kHalves; ++h) {
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
    shares[h] = merge_shares(state.m[h], m);
    state.l[h] = merged(state.l[h], l, shares[h]);
  }
  std::uint32_t p[kTile / 16][4];
#pragma unroll
  for (int k = 0; k < kTile / 16; ++k) {
    p[k][0] = pack(s[2 * k][0], s[2 * k][1]);
    p[k][2] = pack(s[2 * k + 1][0], s[2 * k + 1][1]);
    p[k][1] = kHalves == 2 ? pack(s[2 * k][2], s[2 * k][3]) : 0;
    p[k][3] = kHalves == 2 ? pack(s[2 * k + 1][2], s[2 * k + 1][3]) : 0;
  }

  v_ready();
#pragma unroll
  for (int d = 0; d < D / 8; d += 2) {
    float o[2][4] = {};
#pragma unroll
    for (int k = 0; k < kTile / 16; ++k) {
      std::uint32_t b[4];
      load_matrices_transposed(b, moved<D>(v_lane, k, d));
      multiply_add(o[0], p[k], b[0], b[1]);
      multiply_add(o[1], p[k], b[2], b[3]);
    }
#pragma unroll
    for (int i = 0; i < 2; ++i) {
#pragma unroll
      for (int e = 0; e < 2 * kHalves; ++e) state.o[d + i][e] = merged(state.o[d + i][e], o[i][e], shares[e / 2]);
    }
  }
}

}  // namespace tokenyard::kernels
