// K and V of prefill's rows from fp8 to bf16, once a layer: docs/kernels/attention.md.
#include "kernels/attention.cuh"

namespace tokenyard::kernels {
namespace {

constexpr int kThreads = 256;

// A warp takes a granule of one head's K or V at a time, a lane 16 codes.
template <int D>
__global__ __launch_bounds__(kThreads) void expand_kernel(const __grid_constant__ AttentionParameters p, Bf16* to,
                                                          std::int64_t to_rows, std::int32_t* tables, std::int32_t stride) {
  constexpr int kPieces = D / 16;  // of a token
  const int lane = lane_of_thread();
  const int warps = static_cast<int>(gridDim.x * blockDim.x) / 32;
  const int warp = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x) / 32;
  let_successor_start();
  wait_for_predecessor();
  const int items = p.step.work.counts->expand;
  for (int i = 0; i < items; ++i) {
    const ExpandItem item = p.step.work.expand[i];
    const int granules = granules_of(item.tokens);
    const int blocks = (item.tokens + kAttentionChunk - 1) / kAttentionChunk;
    for (int b = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); b < blocks; b += warps * 32) {
      tables[static_cast<std::int64_t>(i) * stride + b] = item.first_block + b;
    }
    for (int u = warp; u < granules * p.kv_heads * 2; u += warps) {
      const int head = u % p.kv_heads;
      const int which = u / p.kv_heads % 2;
      const int position = u / p.kv_heads / 2 * kGranule;
      const std::int64_t block =
          p.step.tables[static_cast<std::int64_t>(item.table) * p.step.table_stride + position / p.block_size];
      const std::int64_t from =
          p.first_row + which * p.kv_rows + (block * p.kv_heads + head) * p.block_size + position % p.block_size;
      const std::int64_t row =
          which * to_rows +
          ((item.first_block + position / kAttentionChunk) * std::int64_t{p.kv_heads} + head) * kAttentionChunk +
          position % kAttentionChunk;
#pragma unroll
      for (int piece = lane; piece < kGranule * kPieces; piece += 32) {
        const int token = piece / kPieces;
        const std::uint32_t factor = fp8_factor(p.scales[from + token]);
        const uint4 codes =
            *reinterpret_cast<const uint4*>(reinterpret_cast<const unsigned char*>(p.cache) + from * D + piece * 16);
        auto* const out = reinterpret_cast<uint4*>(to + row * D + piece * 16);
        out[0] = {fp8_even(codes.x, factor), fp8_even(codes.y, factor), fp8_even(codes.z, factor), fp8_even(codes.w, factor)};
        out[1] = {fp8_odd(codes.x, factor), fp8_odd(codes.y, factor), fp8_odd(codes.z, factor), fp8_odd(codes.w, factor)};
      }
    }
  }
}

}  // namespace

template <int D>
void launch_expand(const AttentionParameters& p, const ExpandedKv& to, Stream stream) {
  const KvShape& shape = to.cache.shape();
  const std::int64_t rows = std::int64_t{shape.blocks} * shape.kv_heads * shape.block_size;
  launch("expanding fp8", expand_kernel<D>, dim3(static_cast<unsigned>(8 * card().multiprocessors)), dim3(kThreads), 0, stream,
         p, const_cast<Bf16*>(to.cache.data()), rows, to.tables, to.table_stride);
}

template void launch_expand<64>(const AttentionParameters&, const ExpandedKv&, Stream);
template void launch_expand<128>(const AttentionParameters&, const ExpandedKv&, Stream);

}  // namespace tokenyard::kernels
