#include "kernels/skinny_gemm.h"

#include <algorithm>
#include <stdexcept>

#include "kernels/dependency.cuh"
#include "kernels/launch.cuh"
#include "kernels/mma.cuh"
#include "kernels/small_gemm.h"
#include "kernels/small_gemm_input.cuh"
#include "kernels/swiglu.cuh"
#include "kernels/tile_copy.cuh"

namespace tokenyard::kernels {
namespace {

constexpr int kTileRows = 16;   // of the weight
constexpr int kTileTokens = 8;  // the columns of a product
constexpr int kColumns = 64;    // whose operands are loaded while the 64 before are multiplied
constexpr int kChunk = 256;     // columns that are awaited together: a vector a lane
constexpr int kPad = kVector;   // after each row in shared memory, so that eight rows' columns lie in different banks
constexpr int kWarps = kSmallGemmWarps;
constexpr int kMostColumns = 8192;
constexpr int kMostChunks = kMostColumns / kChunk;
constexpr int kFixedShared = 512;  // bytes at most that a kernel has in arrays of fixed size

// Operands are loaded so many columns at a time, the last half of which may be behind the end.
__host__ __device__ constexpr int padded_columns(int columns) { return (columns + kColumns - 1) / kColumns * kColumns; }

constexpr std::int64_t bytes_of(std::int64_t rows, std::int64_t columns) {
  return rows * (padded_columns(static_cast<int>(columns)) + kPad) * static_cast<std::int64_t>(sizeof(Bf16));
}
int room() { return card().shared_bytes - kFixedShared; }

// Which row of the weight is row `row` of tile `tile`. Gated: a tile has eight rows of the gate and the same eight of what it
// gates, so that one lane gets both.
template <bool Gated>
__device__ __forceinline__ int weight_row(int tile, int row, int rows) {
  return Gated ? tile * 8 + row % 8 + row / 8 * (rows / 2) : tile * kTileRows + row;
}

// What four products take, 64 columns: 16 rows of the weight and eight tokens.
struct Operands {
  std::uint32_t weight[4][4];
  std::uint32_t x[2][4];
};

__device__ __forceinline__ float rounded(float x) { return __bfloat162float(__float2bfloat16(x)); }

// A block owns `tiles` times 16 rows of the weight, and has all their columns on the way at once. A warp takes a tile and eight
// tokens: one chain of products in the order of the columns, which follows the chunks of columns as they arrive.
template <bool Gated, class X>
__global__ void __launch_bounds__(kSmallGemmThreads, 1)
    skinny_gemm_kernel(const Bf16* weight, const X x, std::int32_t tokens, std::int32_t rows, std::int32_t columns,
                       std::int32_t tiles, Bf16* out) {
  extern __shared__ __align__(16) unsigned char memory[];
  __shared__ __align__(8) std::uint64_t arrived[kMostChunks];
  constexpr bool kShares = X::kBlocks > 1 && kHasClusters;
  const int stride = padded_columns(columns) + kPad;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  Bf16* const my_x = reinterpret_cast<Bf16*>(memory);  // [tokens, stride], at the same place in all blocks
  Bf16* const my_weight = my_x + tokens * stride;      // [tiles * kTileRows, stride]
  const int first_tile = static_cast<int>(blockIdx.x) * tiles;
  tiles = max(0, min(tiles, rows / kTileRows - first_tile));
  const int chunks = (columns + kChunk - 1) / kChunk;
  const auto barrier = [&](int chunk) { return shared_address(&arrived[chunk]); };
  if (static_cast<int>(threadIdx.x) < chunks) {
    barrier_init(barrier(static_cast<int>(threadIdx.x)), kSmallGemmThreads * (X::kComesInChunks ? 2 : 1));
    barrier_init_fence();
  }
  if constexpr (kShares) cluster_arrive();
  __syncthreads();
  for (int chunk = 0; chunk < chunks; ++chunk) {
    const int column = chunk * kChunk + lane * kVector;
    if (column < columns) {
      for (int row = warp; row < tiles * kTileRows; row += kWarps) {
        const std::int64_t from = weight_row<Gated>(first_tile + row / kTileRows, row % kTileRows, rows);
        copy_async(my_weight + row * stride + column, weight + from * columns + column);
      }
    }
    arrive_with_copies(barrier(chunk));
  }
  const typename X::Early early = x.early(tokens);
  wait_for_predecessor();
  let_successor_start();
  if constexpr (X::kComesInChunks) {
    for (int chunk = 0; chunk < chunks; ++chunk) {
      const int first = chunk * kChunk;
      x.bring(my_x + first, stride, tokens, first, min(kChunk, columns - first), early);
      arrive_with_copies(barrier(chunk));
    }
  } else {
    if constexpr (kShares) cluster_wait();  // the others' shared memory is theirs now
    x.bring(my_x, stride, tokens, 0, columns, early);
    if constexpr (kShares) {
      cluster_arrive();
      cluster_wait();
    } else {
      __syncthreads();
    }
  }

  const int groups = (tokens + kTileTokens - 1) / kTileTokens;
  for (int unit = warp; unit < tiles * groups; unit += kWarps) {
    const int tile = unit % tiles;
    const int first_token = unit / tiles * kTileTokens;
    const Bf16* const weight_from = my_weight + (tile * kTileRows + lane % kTileRows) * stride + lane / kTileRows * kVector;
    // Tokens beyond the last repeat it, unused.
    const Bf16* const x_from = my_x + min(first_token + lane % 8, tokens - 1) * stride + lane / 8 * kVector;
    const auto load = [&](int k) {
      if (k % kChunk == 0) barrier_wait(barrier(k / kChunk), 0);
      Operands operands;
#pragma unroll
      for (int i = 0; i < 4; ++i) load_matrices(operands.weight[i], shared_address(weight_from + k + i * kColumns / 4));
      load_matrices(operands.x[0], shared_address(x_from + k));
      load_matrices(operands.x[1], shared_address(x_from + k + kColumns / 2));
      return operands;
    };
    float sum[4] = {};
    Operands now = load(0);
    for (int k = 0; k < columns; k += kColumns) {
      const Operands next = load(min(k + kColumns, padded_columns(columns) - kColumns));
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        if (i == 2 && k + kColumns / 2 >= columns) break;  // what lies behind the last column was never written
        multiply_add(sum, now.weight[i], now.x[i / 2][i % 2 * 2], now.x[i / 2][i % 2 * 2 + 1]);
      }
      now = next;
    }

    // Lane i has row i / 4 and the one eight further on, of tokens 2 (i % 4) and the next. It gives the odd or the even one of
    // these away to the lane with the next row, for two neighbouring rows of the other.
    const bool odd = lane / 4 % 2 != 0;
    const auto two_rows = [&](float even_token, float odd_token) {
      const float theirs = __shfl_xor_sync(~0u, odd ? even_token : odd_token, 4);
      return odd ? __floats2bfloat162_rn(theirs, odd_token) : __floats2bfloat162_rn(even_token, theirs);
    };
    const int token = first_token + lane % 4 * 2 + (odd ? 1 : 0);
    Bf16* const to =
        out + std::int64_t{token} * (Gated ? rows / 2 : rows) + weight_row<Gated>(first_tile + tile, lane / 8 * 2, rows);
    if constexpr (Gated) {
      const __nv_bfloat162 pair = two_rows(gated(rounded(sum[0]), rounded(sum[2])), gated(rounded(sum[1]), rounded(sum[3])));
      if (token < tokens) *reinterpret_cast<__nv_bfloat162*>(to) = pair;
    } else {
      const __nv_bfloat162 upper = two_rows(sum[0], sum[1]);
      const __nv_bfloat162 lower = two_rows(sum[2], sum[3]);
      if (token < tokens) {
        *reinterpret_cast<__nv_bfloat162*>(to) = upper;
        *reinterpret_cast<__nv_bfloat162*>(to + 8) = lower;
      }
    }
  }
}

template <bool Gated, class X>
void launch_skinny_gemm(const Bf16* weight, const X& x, std::int32_t tokens, std::int32_t rows, std::int32_t columns, Bf16* out,
                        Stream stream) {
  if (!fits_skinny_gemm(tokens, rows, columns)) throw std::invalid_argument("skinny_gemm does not do this shape");
  allow_all_shared_memory<skinny_gemm_kernel<Gated, X>>();
  // As many tiles a block as give every multiprocessor one block, if they find room.
  const int all_tiles = rows / kTileRows;
  const auto tile_bytes = static_cast<int>(bytes_of(kTileRows, columns));
  const auto x_bytes = static_cast<int>(bytes_of(tokens, columns));
  const int wanted = (all_tiles + card().multiprocessors - 1) / card().multiprocessors;
  const int most = (room() - x_bytes) / tile_bytes;
  int tiles = std::min(wanted, most);
  const auto shared_of = [&](int count) { return static_cast<std::size_t>(count * tile_bytes + x_bytes); };
  const auto clusters_of = [&](int count) { return (all_tiles + count * X::kBlocks - 1) / (count * X::kBlocks); };
  if constexpr (X::kBlocks > 1) {
    // Not every multiprocessor has enough neighbours for a cluster: larger blocks, rather than some that begin late.
    for (int more = tiles; more <= most; ++more) {
      if (clusters_at_once(skinny_gemm_kernel<Gated, X>, X::kBlocks, dim3(kSmallGemmThreads), shared_of(more)) >=
          clusters_of(more)) {
        tiles = more;
        break;
      }
    }
  }
  launch_clusters("skinny_gemm", skinny_gemm_kernel<Gated, X>, X::kBlocks,
                  dim3(static_cast<unsigned>(clusters_of(tiles) * X::kBlocks)), dim3(kSmallGemmThreads), shared_of(tiles),
                  stream, weight, x, tokens, rows, columns, tiles, out);
}

// Blocks that share a norm of so many rows.
int sharing_blocks(std::int64_t tokens) {
  if (tokens <= kSkinnyGemmUnshared || !card().clusters) return 1;
  return tokens <= 4 ? 4 : 8;
}
std::int64_t warps_of_norm(std::int64_t tokens, std::int64_t hidden) {
  const int blocks = sharing_blocks(tokens);
  return (tokens + blocks - 1) / blocks * norm_warps(static_cast<std::int32_t>(hidden));
}

template <bool Gated>
void launch_of_norm(const Bf16* weight, const Norm& norm, float* residual, std::int32_t tokens, std::int32_t rows, Bf16* out,
                    Stream stream) {
  if (!fits_skinny_gemm_of_norm(tokens, rows, norm.hidden)) {
    throw std::invalid_argument("skinny_gemm does not norm this shape");
  }
  const auto run = [&](const auto& x) { launch_skinny_gemm<Gated>(weight, x, tokens, rows, norm.hidden, out, stream); };
  const bool few = warps_of_norm(tokens, norm.hidden) <= kWarps;
  constexpr int kMostTurns = kMaxNormedWarps / kWarps;
  switch (sharing_blocks(tokens)) {
    case 1: return few ? run(NormedRows<1>{norm, residual}) : run(NormedRows<kMostTurns>{norm, residual});
    case 4: return few ? run(NormedRows<1, 4>{norm, residual}) : run(NormedRows<kMostTurns, 4>{norm, residual});
    case 8: return few ? run(NormedRows<1, 8>{norm, residual}) : run(NormedRows<kMostTurns, 8>{norm, residual});
  }
}

}  // namespace

bool fits_skinny_gemm(std::int64_t tokens, std::int64_t rows, std::int64_t columns) {
  return tokens >= 1 && tokens <= kSkinnyGemmTokens && rows % kTileRows == 0 && columns % (kColumns / 2) == 0 &&
         columns <= kMostColumns && bytes_of(kTileRows + tokens, columns) <= room();
}

bool fits_skinny_gemm_of_norm(std::int64_t tokens, std::int64_t rows, std::int64_t hidden) {
  return fits_skinny_gemm(tokens, rows, hidden) && warps_of_norm(tokens, hidden) <= kMaxNormedWarps;
}

void skinny_gemm(const Bf16* weight, const Bf16* x, std::int32_t tokens, std::int32_t rows, std::int32_t columns, Bf16* out,
                 Stream stream) {
  launch_skinny_gemm<false>(weight, GivenRows{x, columns}, tokens, rows, columns, out, stream);
}

void skinny_gemm_gated(const Bf16* weight, const Bf16* x, std::int32_t tokens, std::int32_t rows, std::int32_t columns,
                       Bf16* out, Stream stream) {
  launch_skinny_gemm<true>(weight, GivenRows{x, columns}, tokens, rows, columns, out, stream);
}

void skinny_gemm_of_norm(const Bf16* weight, const Norm& norm, float* residual, std::int32_t tokens, std::int32_t rows,
                         Bf16* out, Stream stream) {
  launch_of_norm<false>(weight, norm, residual, tokens, rows, out, stream);
}

void skinny_gemm_gated_of_norm(const Bf16* weight, const Norm& norm, float* residual, std::int32_t tokens, std::int32_t rows,
                               Bf16* out, Stream stream) {
  launch_of_norm<true>(weight, norm, residual, tokens, rows, out, stream);
}

}  // namespace tokenyard::kernels
