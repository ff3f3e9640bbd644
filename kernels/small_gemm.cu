#include "kernels/small_gemm.h"

#include <algorithm>
#include <stdexcept>

#include "kernels/dependency.cuh"
#include "kernels/launch.cuh"
#include "kernels/mma.cuh"
#include "kernels/small_gemm_input.cuh"

namespace tokenyard::kernels {
namespace {

constexpr int kRows = 8;      // of the weight, a warp: the columns of a product, whose rows are tokens
constexpr int kColumns = 64;  // whose operands are loaded while the 64 before are multiplied
constexpr int kWarps = kSmallGemmWarps;
constexpr int kPad = kVector;  // after each row in shared memory, so that eight rows' columns lie in different banks
constexpr int kMostColumns = 6144;
constexpr int kFixedShared = 256;  // bytes at most that a kernel has in arrays of fixed size

// Operands are loaded so many columns at a time, the last half of which may be behind the end.
__host__ __device__ constexpr int padded_columns(int columns) { return (columns + kColumns - 1) / kColumns * kColumns; }

constexpr std::int64_t bytes_of(std::int64_t rows, std::int64_t columns) {
  return rows * (padded_columns(static_cast<int>(columns)) + kPad) * static_cast<std::int64_t>(sizeof(Bf16));
}
int room() { return card().shared_bytes - kFixedShared; }

// What four products take, 64 columns: eight tokens and eight rows of the weight. load_matrices() gives 32 columns as four
// matrices, the operands of two products.
struct Operands {
  std::uint32_t x[2][4];
  std::uint32_t weight[2][4];
};
__device__ __forceinline__ Operands load_operands(const Bf16* x_row, const Bf16* weight_row) {
  Operands out;
  load_matrices(out.x[0], shared_address(x_row));
  load_matrices(out.x[1], shared_address(x_row + kColumns / 2));
  load_matrices(out.weight[0], shared_address(weight_row));
  load_matrices(out.weight[1], shared_address(weight_row + kColumns / 2));
  return out;
}

__device__ __forceinline__ void store_pair(Bf16* to, float a, float b) {
  *reinterpret_cast<__nv_bfloat162*>(to) = __floats2bfloat162_rn(a, b);
}
__device__ __forceinline__ void store_pair(float* to, float a, float b) { *reinterpret_cast<float2*>(to) = make_float2(a, b); }

// A block owns `tiles` times eight rows of the weight and has all their columns on the way at once, requested by all its warps.
// Then a warp a tile: nothing waits for anything but the sum itself, which goes through the columns in ascending order, sixteen
// at a time, as one chain.
// A block of grid row p has part p of the columns, `width` apart in weight and x, and of the results, part_stride apart.
template <class X, class Out>
__global__ void __launch_bounds__(kSmallGemmThreads)
    small_gemm_kernel(const Bf16* weight, const X x, std::int32_t tokens, std::int32_t rows, std::int32_t columns,
                      std::int32_t tiles, Out* out, std::int64_t part_stride) {
  extern __shared__ __align__(16) unsigned char memory[];
  const std::int64_t width = std::int64_t{columns} * gridDim.y;
  const int first_column = static_cast<int>(blockIdx.y) * columns;
  weight += first_column;
  out += blockIdx.y * part_stride;
  const int stride = padded_columns(columns) + kPad;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  Bf16* const my_weight = reinterpret_cast<Bf16*>(memory);  // [tiles * kRows, stride]
  Bf16* const my_x = my_weight + tiles * kRows * stride;    // [tokens, stride]
  const int first_row = static_cast<int>(blockIdx.x) * tiles * kRows;
  const int last_row = min(first_row + tiles * kRows, rows);
  for (int row = warp; row < last_row - first_row; row += kWarps) {
    for (int column = lane * kVector; column < columns; column += 32 * kVector) {
      copy_async(my_weight + row * stride + column, weight + (first_row + row) * width + column);
    }
  }
  const typename X::Early early = x.early(tokens);
  wait_for_predecessor();
  let_successor_start();
  x.bring(my_x, stride, tokens, first_column, columns, early);
  wait_for_copies();
  __syncthreads();
  const int tile_row = first_row + warp * kRows;
  if (warp >= tiles || tile_row >= rows) return;

  // Tokens beyond the last repeat it, unused.
  const int column = lane / 8 * kVector;
  const Bf16* const x_row = my_x + min(lane % 8, tokens - 1) * stride + column;
  const Bf16* const weight_row = my_weight + (warp * kRows + lane % 8) * stride + column;
  float sum[4] = {};
  Operands now = load_operands(x_row, weight_row);
  for (int k = 0; k < columns; k += kColumns) {
    const int next_k = min(k + kColumns, padded_columns(columns) - kColumns);
    const Operands next = load_operands(x_row + next_k, weight_row + next_k);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (i == 2 && k + kColumns / 2 >= columns) break;  // what lies behind the last column was never written
      const std::uint32_t(&x)[4] = now.x[i / 2];
      const std::uint32_t(&w)[4] = now.weight[i / 2];
      const int first = i % 2 * 2;
      multiply_add(sum, {x[first], 0, x[first + 1], 0}, w[first], w[first + 1]);  // rows 8 .. 15 of the 16 are empty
    }
    now = next;
  }

  // Lane i has token i / 4, rows 2 (i % 4) and the next.
  const int token = lane / 4;
  if (token < tokens) {
    store_pair(out + std::int64_t{token} * rows + tile_row + lane % 4 * 2, sum[0], sum[1]);
  }
}

template <class X, class Out>
void launch_small_gemm(const Bf16* weight, const X& x, std::int32_t tokens, std::int32_t rows, std::int32_t columns,
                       std::int32_t parts, Out* out, std::int64_t part_stride, Stream stream) {
  if (!fits_small_gemm(tokens, rows, columns)) throw std::invalid_argument("small_gemm does not do this shape");
  allow_all_shared_memory<small_gemm_kernel<X, Out>>();
  // As many tiles a block as give every multiprocessor one block, if they find room. Where they do not, one tile a block, so
  // that a multiprocessor has several blocks, of which some load while others multiply.
  const int all_tiles = rows / kRows;
  const auto tile_bytes = static_cast<int>(bytes_of(kRows, columns));
  const auto x_bytes = static_cast<int>(bytes_of(tokens, columns));
  const int wanted = (all_tiles * parts + card().multiprocessors - 1) / card().multiprocessors;
  const int tiles = wanted <= std::min(kWarps, (room() - x_bytes) / tile_bytes) ? wanted : 1;
  launch("small_gemm", small_gemm_kernel<X, Out>,
         dim3(static_cast<unsigned>((all_tiles + tiles - 1) / tiles), static_cast<unsigned>(parts)), dim3(kSmallGemmThreads),
         static_cast<std::size_t>(tiles * tile_bytes + x_bytes), stream, weight, x, tokens, rows, columns, tiles, out,
         part_stride);
}

}  // namespace

bool fits_small_gemm(std::int64_t tokens, std::int64_t rows, std::int64_t columns) {
  return tokens >= 1 && tokens <= kSmallGemmTokens && rows % kRows == 0 && columns % (kColumns / 2) == 0 &&
         columns <= kMostColumns && bytes_of(kRows + tokens, columns) <= room();
}

void small_gemm(const Bf16* weight, const Bf16* x, std::int32_t tokens, std::int32_t rows, std::int32_t columns, Bf16* out,
                Stream stream) {
  launch_small_gemm(weight, GivenRows{x, columns}, tokens, rows, columns, 1, out, 0, stream);
}

void small_gemm_in_parts(const Bf16* weight, const Bf16* x, std::int32_t tokens, std::int32_t rows, std::int32_t columns,
                         std::int32_t parts, float* out, std::int64_t part_stride, Stream stream) {
  launch_small_gemm(weight, GivenRows{x, columns}, tokens, rows, columns / parts, parts, out, part_stride, stream);
}

void small_gemm_of_norm(const Bf16* weight, const Norm& norm, float* residual, std::int32_t tokens, std::int32_t rows,
                        Bf16* out, Stream stream) {
  if (!fits_small_gemm_of_norm(tokens, norm.hidden)) throw std::invalid_argument("small_gemm does not norm this shape");
  const auto run = [&](const auto& x) { launch_small_gemm(weight, x, tokens, rows, norm.hidden, 1, out, 0, stream); };
  if (tokens * norm_warps(norm.hidden) <= kWarps) {
    run(NormedRows<1>{norm, residual});
  } else {
    run(NormedRows<kMaxNormedWarps / kWarps>{norm, residual});
  }
}

}  // namespace tokenyard::kernels
