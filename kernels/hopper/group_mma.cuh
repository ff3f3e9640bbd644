// Hopper's product of a warp group, four warps: asynchronous, with its second factor in shared memory (wgmma). Only code that
// is compiled for sm_90a has it.
#pragma once

#include <cstdint>

namespace tokenyard::kernels {

// Before the first product that reads registers which were written since the last; behind a sequence of products; and until all
// but the last N sequences are done.
__device__ __forceinline__ void group_begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void group_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int N>
__device__ __forceinline__ void group_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory");
}

// A matrix in shared memory whose rows of 128 bytes, a panel, lie one behind the other with the copy engine's 128-byte swizzle.
// `address`: of its first row and column; eight rows begin at a multiple of 1,024. `panel_bytes`: from a panel to the next.
__device__ __forceinline__ std::uint64_t matrix_at(std::uint32_t address, std::uint32_t panel_bytes) {
  constexpr std::uint64_t kEightRows = 1024 / 16;
  constexpr std::uint64_t kSwizzle128 = 1;
  return (address & 0x3ffff) / 16 | std::uint64_t{panel_bytes / 16} << 16 | kEightRows << 32 | kSwizzle128 << 62;
}

// The same, `bytes` further on.
__device__ __forceinline__ std::uint64_t matrix_moved(std::uint64_t matrix, std::uint32_t bytes) {
  return (matrix & 0xffffffff00000000) | (static_cast<std::uint32_t>(matrix) + bytes / 16);
}

// sum[64 x 64] += a[64 x 16] b[16 x 64]; `fresh`: = instead. Warp w of the group has rows 16 w .. 16 w + 15 of a and sum, in
// the layout of multiply_add. kByColumns: a row in shared memory is a column of b (as K's tokens are), else a row of it (as V's
// are). `sum` and `a` must not be touched before group_wait.
#define TOKENYARD_SUM4(s) "+f"(s[0]), "+f"(s[1]), "+f"(s[2]), "+f"(s[3])
#define TOKENYARD_SUM32(s)                                                                                      \
  TOKENYARD_SUM4(s[0]), TOKENYARD_SUM4(s[1]), TOKENYARD_SUM4(s[2]), TOKENYARD_SUM4(s[3]), TOKENYARD_SUM4(s[4]), \
      TOKENYARD_SUM4(s[5]), TOKENYARD_SUM4(s[6]), TOKENYARD_SUM4(s[7])
template <bool kByColumns>
__device__ __forceinline__ void group_multiply_add(float (&sum)[8][4], const std::uint32_t (&a)[4], std::uint64_t b,
                                                   bool fresh) {
  asm volatile(
      "{\n"
      ".reg .pred add;\n"
      "setp.eq.s32 add, %37, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, "
      "%15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, {%32, %33, %34, %35}, %36, add, "
      "1, "
      "1, %38;\n"
      "}"
      : TOKENYARD_SUM32(sum)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(static_cast<int>(fresh)), "n"(kByColumns ? 0 : 1));
}
// V's tokens by one panel, or by two at once, which is faster.
__device__ __forceinline__ void group_multiply_add_values(float (&sum)[1][8][4], const std::uint32_t (&a)[4], std::uint64_t b,
                                                          bool fresh) {
  group_multiply_add<false>(sum[0], a, b, fresh);
}
__device__ __forceinline__ void group_multiply_add_values(float (&sum)[2][8][4], const std::uint32_t (&a)[4], std::uint64_t b,
                                                          bool fresh) {
  asm volatile(
      "{\n"
      ".reg .pred add;\n"
      "setp.eq.s32 add, %69, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, "
      "%15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, "
      "%39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, "
      "%63}, {%64, %65, %66, %67}, %68, add, 1, 1, 1;\n"
      "}"
      : TOKENYARD_SUM32(sum[0]), TOKENYARD_SUM32(sum[1])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(static_cast<int>(fresh)));
}
#undef TOKENYARD_SUM32
#undef TOKENYARD_SUM4

// Registers move from warp groups that need few to those that need many.
template <int kRegisters>
__device__ __forceinline__ void give_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
}
template <int kRegisters>
__device__ __forceinline__ void take_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

}  // namespace tokenyard::kernels
