// Where small_gemm's x comes from: it is there, or a block makes all of it, which another kernel would have made, by the
// functions which that one uses; so the bits are the same.
#pragma once

#include "kernels/async_copy.cuh"
#include "kernels/cluster.cuh"
#include "kernels/norm.cuh"

namespace tokenyard::kernels {

inline constexpr int kSmallGemmWarps = 8;
inline constexpr int kSmallGemmThreads = kSmallGemmWarps * 32;

// Each has kBlocks, of a cluster; Early, what is read before the kernels ahead have ended; and bring(), by which the block puts
// columns first .. first + columns - 1 of x's `tokens` rows to `to`, `stride` apart. Some of it may be on its way then
// (copy_async).

struct GivenRows {
  const Bf16* x;
  std::int64_t width;
  static constexpr bool kComesInChunks = true;
  static constexpr int kBlocks = 1;
  struct Early {};
  __device__ Early early(int) const { return {}; }
  __device__ void bring(Bf16* to, int stride, int tokens, int first, int columns, const Early&) const {
    for (int row = static_cast<int>(threadIdx.x) / 32; row < tokens; row += kSmallGemmWarps) {
      for (int column = static_cast<int>(threadIdx.x) % 32 * kVector; column < columns; column += 32 * kVector) {
        copy_async(to + row * stride + column, x + row * width + first + column);
      }
    }
  }
};

// add_and_norm()'s result. A row takes so many warps as there; here they are spread over those of the block, kTurns each. The
// blocks of a cluster share the rows out and give each what they made to all.
template <int kTurns, int Blocks = 1>
struct NormedRows {
  Norm norm;        // `out` is not used
  float* residual;  // [tokens, hidden], written by one block: norm.residual and what is added to it
  static constexpr bool kComesInChunks = false;
  static constexpr int kBlocks = Blocks;
  struct Early {
    Floats weight[kTurns];
  };

  // A part of a row that a warp has.
  struct Part {
    bool exists;
    int local;  // which of the block's rows
    int row;
    int at;  // of the lane
    bool inside;
  };
  __device__ Part part(int turn, int tokens) const {
    const int warps = norm_warps(norm.hidden);
    const int number = static_cast<int>(threadIdx.x) / 32 + turn * kSmallGemmWarps;
    const int at = (number % warps * 32 + static_cast<int>(threadIdx.x) % 32) * kVector / 2;
    const int local = number / warps;
    const int row = local * kBlocks + static_cast<int>(blockIdx.x) % kBlocks;
    return {row < tokens, local, row, at, row < tokens && at < norm.hidden / 2};
  }

  __device__ Early early(int tokens) const {
    Early out{};
#pragma unroll
    for (int i = 0; i < kTurns; ++i) {
      const Part p = part(i, tokens);
      if (p.inside) out.weight[i] = load_row(norm.weight, norm.hidden, p.at);
    }
    return out;
  }

  __device__ void bring(Bf16* to, int stride, int tokens, int, int, const Early& early) const {
    __shared__ float warp_sums[kMaxNormedWarps];
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int warps = norm_warps(norm.hidden);
    Floats x[kTurns] = {};
#pragma unroll
    for (int i = 0; i < kTurns; ++i) {
      const Part p = part(i, tokens);
      if (!p.inside) continue;
      const std::int64_t from = std::int64_t{p.row} * norm.hidden;
      x[i] = load_row(norm.residual + from, norm.hidden, p.at);
      if (norm.partial[0] != nullptr) {
        const Floats sum = sum_as_tree<2>([&](int half) { return load_row(norm.partial[half] + from, norm.hidden, p.at); });
        for (int j = 0; j < kVector; ++j) x[i].value[j] += sum.value[j];
      }
    }
#pragma unroll
    for (int i = 0; i < kTurns; ++i) {
      const Part p = part(i, tokens);
      if (!p.exists) continue;
      if (p.inside && blockIdx.x < kBlocks) {
        store_row(residual + std::int64_t{p.row} * norm.hidden, norm.hidden, x[i], p.at);
      }
      const float sum = sum_over_warp(sum_of_squares(x[i]));
      if (lane == 0) warp_sums[threadIdx.x / 32 + i * kSmallGemmWarps] = sum;
    }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < kTurns; ++i) {
      const Part p = part(i, tokens);
      if (!p.exists) continue;
      normalize(x[i], early.weight[i], sum_over_warp(lane < warps ? warp_sums[p.local * warps + lane] : 0.0f), norm);
      if (!p.inside) continue;
      Bf16* const mine = to + p.row * stride;
      if constexpr (kBlocks == 1) {
        store_row(mine, norm.hidden, x[i], p.at);
      } else if constexpr (kHasClusters) {
        Cluster<kBlocks> cluster;
#pragma unroll
        for (int b = 0; b < kBlocks; ++b) store_row(cluster.of(mine, b), norm.hidden, x[i], p.at);
      }
    }
  }
};

}  // namespace tokenyard::kernels
