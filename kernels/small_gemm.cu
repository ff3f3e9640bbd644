#include "kernels/small_gemm.h"

#include <algorithm>
#include <stdexcept>

#include "kernels/launch.cuh"
#include "kernels/vector.cuh"

namespace tokenyard::kernels {
namespace {

constexpr int kRows = 8;    // of the weight, a warp: the n of an m16n8k16 product
constexpr int kStep = 16;   // columns a product
constexpr int kStages = 8;  // parts of the columns whose arrival is waited for one by one
constexpr int kMaxWarps = 8;
constexpr int kPad = kVector;  // after each row in shared memory, so that eight rows' columns lie in different banks
constexpr int kMaxShared = 227 * 1024;

__device__ std::uint32_t shared_address(const void* p) { return static_cast<std::uint32_t>(__cvta_generic_to_shared(p)); }

__device__ void copy_async(Bf16* to, const Bf16* from) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared_address(to)), "l"(from) : "memory");
}
__device__ void commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int Left>
__device__ void wait_until_left() {
  asm volatile("cp.async.wait_group %0;" ::"n"(Left) : "memory");
}

// Eight rows of sixteen columns, as the operand of a product: two registers a lane.
__device__ uint2 load_matrix(const Bf16* row) {
  uint2 out;
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
               : "=r"(out.x), "=r"(out.y)
               : "r"(shared_address(row))
               : "memory");
  return out;
}

// sum += x weight^T for 8 tokens (of the 16 that the instruction has), 8 weight rows, 16 columns.
__device__ void multiply(float4& sum, uint2 x, uint2 weight) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(sum.x), "+f"(sum.y), "+f"(sum.z), "+f"(sum.w)
               : "r"(x.x), "r"(0), "r"(x.y), "r"(0), "r"(weight.x), "r"(weight.y));
}

// A warp owns eight rows of the weight and has all their columns on the way at once: nothing waits for anything but the sum
// itself, which goes through the columns in ascending order, sixteen at a time, as one chain.
__global__ void small_gemm_kernel(const Bf16* weight, const Bf16* x, std::int32_t tokens, std::int32_t rows,
                                  std::int32_t columns, Bf16* out) {
  extern __shared__ __align__(16) unsigned char memory[];
  const int stride = columns + kPad;
  const int warps = static_cast<int>(blockDim.x) / 32;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  Bf16* const my_weight = reinterpret_cast<Bf16*>(memory) + warp * kRows * stride;
  Bf16* const all_x = reinterpret_cast<Bf16*>(memory) + warps * kRows * stride;  // [tokens, stride]
  const int first_row = (static_cast<int>(blockIdx.x) * warps + warp) * kRows;
  const bool works = first_row < rows;
  const int steps = columns / kStep;
  const int steps_a_stage = (steps + kStages - 1) / kStages;

  if (works) {
    const Bf16* const from = weight + std::int64_t{first_row} * columns;
    for (int stage = 0; stage < kStages; ++stage) {
      const int begin = stage * steps_a_stage * kStep;
      const int vectors = max(0, min(steps_a_stage * kStep, columns - begin)) / kVector;  // a row
      for (int i = lane; i < vectors * kRows; i += 32) {
        const int row = i / vectors;
        const int column = begin + i % vectors * kVector;
        copy_async(my_weight + row * stride + column, from + std::int64_t{row} * columns + column);
      }
      commit();
    }
  }
  cudaGridDependencySynchronize();
  cudaTriggerProgrammaticLaunchCompletion();
  const int x_vectors = columns / kVector;
  for (int i = static_cast<int>(threadIdx.x); i < tokens * x_vectors; i += static_cast<int>(blockDim.x)) {
    const int row = i / x_vectors;
    const int column = i % x_vectors * kVector;
    *reinterpret_cast<uint4*>(all_x + row * stride + column) =
        *reinterpret_cast<const uint4*>(x + std::int64_t{row} * columns + column);
  }
  __syncthreads();
  if (!works) return;

  // ldmatrix wants from lane i the address of row i % 8, columns 8 (i / 8) ... Tokens beyond the last repeat it, unused.
  const int column = lane / 8 % 2 * kVector;
  const Bf16* const x_row = all_x + min(lane % 8, tokens - 1) * stride + column;
  const Bf16* const weight_row = my_weight + lane % 8 * stride + column;
  float4 sum{};
  const auto add_stage = [&](int stage) {
    __syncwarp();  // the other lanes' copies are there, too
    const int end = min(steps, (stage + 1) * steps_a_stage);
#pragma unroll 4
    for (int step = stage * steps_a_stage; step < end; ++step) {
      multiply(sum, load_matrix(x_row + step * kStep), load_matrix(weight_row + step * kStep));
    }
  };
  static_assert(kStages == 8);
  wait_until_left<7>(), add_stage(0);
  wait_until_left<6>(), add_stage(1);
  wait_until_left<5>(), add_stage(2);
  wait_until_left<4>(), add_stage(3);
  wait_until_left<3>(), add_stage(4);
  wait_until_left<2>(), add_stage(5);
  wait_until_left<1>(), add_stage(6);
  wait_until_left<0>(), add_stage(7);

  // Lane i has token i / 4, rows 2 (i % 4) and the next.
  const int token = lane / 4;
  if (token < tokens) {
    *reinterpret_cast<__nv_bfloat162*>(out + std::int64_t{token} * rows + first_row + lane % 4 * 2) =
        __floats2bfloat162_rn(sum.x, sum.y);
  }
}

int count_multiprocessors() {
  int device = 0;
  int count = 0;
  check(cudaGetDevice(&device), "small_gemm");
  check(cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device), "small_gemm");
  check(cudaFuncSetAttribute(small_gemm_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kMaxShared), "small_gemm");
  return count;
}

}  // namespace

void small_gemm(const Bf16* weight, const Bf16* x, std::int32_t tokens, std::int32_t rows, std::int32_t columns, Bf16* out,
                Stream stream) {
  if (tokens < 1 || tokens > kSmallGemmTokens || rows % kRows != 0 || columns % 64 != 0 || columns > 6144) {
    throw std::invalid_argument("small_gemm does not do this shape");
  }
  static const int multiprocessors = count_multiprocessors();
  // As many warps a block as give every multiprocessor one block, if they find room.
  const int tiles = rows / kRows;
  const int tile_bytes = kRows * (columns + kPad) * static_cast<int>(sizeof(Bf16));
  const int x_bytes = tokens * (columns + kPad) * static_cast<int>(sizeof(Bf16));
  const int warps =
      std::clamp((tiles + multiprocessors - 1) / multiprocessors, 1, std::min(kMaxWarps, (kMaxShared - x_bytes) / tile_bytes));
  launch("small_gemm", small_gemm_kernel, dim3(static_cast<unsigned>((tiles + warps - 1) / warps)),
         dim3(static_cast<unsigned>(warps * 32)), static_cast<std::size_t>(warps * tile_bytes + x_bytes), stream, weight, x,
         tokens, rows, columns, out);
}

}  // namespace tokenyard::kernels
