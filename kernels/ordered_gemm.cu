#include "kernels/ordered_gemm.h"

#include "kernels/launch.cuh"
#include "kernels/mma.cuh"

namespace tokenyard::kernels {
namespace {

constexpr int kTile = 8;     // rows of the weight that one instruction takes
constexpr int kTiles = 8;    // a warp
constexpr int kTokens = 16;  // a warp
constexpr int kStep = 16;    // columns
constexpr int kWarps = 4;

// Two neighbouring columns of a row, or zeros beyond either end.
__device__ __forceinline__ std::uint32_t pair_at(const Bf16* from, std::int64_t stride, std::int64_t row, std::int64_t rows,
                                                 std::int64_t column, std::int64_t columns) {
  if (row >= rows || column >= columns) return 0;
  return *reinterpret_cast<const std::uint32_t*>(from + row * stride + column);
}

__device__ __forceinline__ void store_sums(Bf16* to, float a, float b) { *reinterpret_cast<std::uint32_t*>(to) = pack(a, b); }
__device__ __forceinline__ void store_sums(float* to, float a, float b) { *reinterpret_cast<float2*>(to) = make_float2(a, b); }

template <class Out>
__global__ void __launch_bounds__(kWarps * 32) ordered_gemm_kernel(OrderedGemm args, Out* out) {
  wait_for_predecessor();
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const std::int64_t warp = std::int64_t{blockIdx.x} * kWarps + threadIdx.x / 32;
  const std::int64_t row_groups = (args.rows + kTile * kTiles - 1) / (kTile * kTiles);
  const std::int64_t first_token = warp / row_groups * kTokens;
  const std::int64_t first_row = warp % row_groups * kTile * kTiles;
  if (first_token >= args.tokens) return;
  const std::int64_t token = first_token + lane / 4;
  const std::int64_t row = first_row + lane / 4;
  float sums[kTiles][4] = {};
  for (std::int64_t k = 0; k < args.columns; k += kStep) {
    const std::int64_t column = k + lane % 4 * 2;
    const auto x_at = [&](std::int64_t t, std::int64_t c) {
      return pair_at(args.x, args.stride, t, args.tokens, c, args.columns);
    };
    const std::uint32_t x[4] = {x_at(token, column), x_at(token + 8, column), x_at(token, column + 8),
                                x_at(token + 8, column + 8)};
#pragma unroll
    for (int i = 0; i < kTiles; ++i) {
      const auto weight_at = [&](std::int64_t c) {
        return pair_at(args.weight, args.stride, row + i * kTile, args.rows, c, args.columns);
      };
      multiply_add(sums[i], x, weight_at(column), weight_at(column + 8));
    }
  }
#pragma unroll
  for (int i = 0; i < kTiles; ++i) {
    const std::int64_t n = first_row + i * kTile + lane % 4 * 2;
    if (n >= args.rows) continue;
    if (token < args.tokens) store_sums(out + token * args.rows + n, sums[i][0], sums[i][1]);
    if (token + 8 < args.tokens) store_sums(out + (token + 8) * args.rows + n, sums[i][2], sums[i][3]);
  }
}

template <class Out>
void launch_ordered_gemm(const OrderedGemm& args, Out* out, Stream stream) {
  const std::int64_t row_groups = (args.rows + kTile * kTiles - 1) / (kTile * kTiles);
  const std::int64_t warps = (args.tokens + kTokens - 1) / kTokens * row_groups;
  launch("ordered_gemm", ordered_gemm_kernel<Out>, dim3(static_cast<unsigned>((warps + kWarps - 1) / kWarps)),
         dim3(kWarps * 32), 0, stream, args, out);
}

}  // namespace

void ordered_gemm(const OrderedGemm& args, Bf16* out, Stream stream) { launch_ordered_gemm(args, out, stream); }
void ordered_gemm(const OrderedGemm& args, float* out, Stream stream) { launch_ordered_gemm(args, out, stream); }

}  // namespace tokenyard::kernels
