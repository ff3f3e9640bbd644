// The tensor cores' instructions, which have no names in C++: matrices of bf16 from shared memory, and their product.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>

namespace tokenyard::kernels {

__device__ __forceinline__ std::uint32_t shared_address(const void* p) {
  return static_cast<std::uint32_t>(__cvta_generic_to_shared(p));
}

// Four 8 x 8 matrices from shared memory; lane i gives the address of row i % 8 of matrix i / 8. Afterwards r[j] of lane i
// holds columns 2 (i % 4) and the next of row i / 4 of matrix j.
__device__ __forceinline__ void load_matrices(std::uint32_t (&r)[4], std::uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}
// The same, each matrix transposed.
__device__ __forceinline__ void load_matrices_transposed(std::uint32_t (&r)[4], std::uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}

// sum[16 x 8] += a[16 x 16] b[16 x 8]. `a` is four matrices as load_matrices leaves them: rows 0 .. 7 and 8 .. 15 of columns
// 0 .. 7, then of columns 8 .. 15; b0 and b1 are rows 0 .. 7 and 8 .. 15 of b, transposed. Of `sum` lane i holds columns
// 2 (i % 4) and the next of row i / 4 (sum[0], sum[1]) and of row i / 4 + 8 (sum[2], sum[3]).
__device__ __forceinline__ void multiply_add(float (&sum)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Two neighbouring columns, rounded to bf16.
__device__ __forceinline__ std::uint32_t pack(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return *reinterpret_cast<const std::uint32_t*>(&pair);
}

}  // namespace tokenyard::kernels
