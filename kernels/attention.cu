#include "kernels/attention.cuh"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

namespace tokenyard::kernels {
namespace {

CUtensorMap map_of(const void* bytes) {
  CUtensorMap map;
  static_assert(sizeof map == 128);
  std::memcpy(&map, bytes, sizeof map);
  return map;
}

// Whether the current device has warp-group products: Hopper alone.
bool has_group_products() { return card().capability / 10 == kHopper / 10 && card().compiled_for >= kHopper; }

AttentionParameters parameters(const AttentionCache& cache, std::int32_t layer, std::int32_t group, const AttentionStep& step,
                               const Bf16* q, Bf16* out, DecodeSplit split) {
  const KvShape& shape = cache.shape();
  AttentionParameters p;
  p.step = step;
  p.q = q;
  p.out = out;
  p.cache = cache.data();
  p.scales = cache.scales();
  p.kv_rows = std::int64_t{shape.blocks} * shape.kv_heads * shape.block_size;
  p.first_row = 2 * layer * p.kv_rows;
  p.scale = static_cast<float>(1.4426950408889634 / std::sqrt(static_cast<double>(shape.head_dim)));
  p.kv_heads = shape.kv_heads;
  p.group = group;
  p.block_size = shape.block_size;
  p.split = split;
  p.beside = false;
  p.expanded = false;
  return p;
}

// The description of a cache that the copy engine reads; a copy takes a granule, or one panel of it.
CUtensorMap describe(const Bf16* data, const KvShape& shape, bool one_panel) {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found{};
#if CUDART_VERSION >= 12050  // the older name is gone from CUDA 13
  check(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000, cudaEnableDefault, &found),
        "cuTensorMapEncodeTiled");
#else
  check(cudaGetDriverEntryPoint("cuTensorMapEncodeTiled", &function, cudaEnableDefault, &found), "cuTensorMapEncodeTiled");
#endif
  if (found != cudaDriverEntryPointSuccess) throw DeviceError("the driver has no cuTensorMapEncodeTiled: older than CUDA 12");
  const auto encode = reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(function);

  // Rows of one token and head, in panels of 128 bytes, the widest swizzle; of 64 bytes, two tokens are one row.
  const std::int32_t units = shape.fp8 ? shape.head_dim / 2 : shape.head_dim;
  const std::int32_t tokens_a_row = units < kPanelDims ? kPanelDims / units : 1;
  const auto d = static_cast<cuuint64_t>(units * tokens_a_row);
  const auto rows =
      static_cast<cuuint64_t>(std::int64_t{shape.layers} * 2 * shape.blocks * shape.kv_heads * shape.block_size / tokens_a_row);
  const std::array<cuuint64_t, 3> sizes = {kPanelDims, rows, d / kPanelDims};
  const std::array<cuuint64_t, 2> strides = {d * sizeof(Bf16), kRowBytes};
  const std::array<cuuint32_t, 3> box = {kPanelDims, static_cast<cuuint32_t>(kGranule / tokens_a_row),
                                         static_cast<cuuint32_t>(one_panel ? 1 : d / kPanelDims)};
  const std::array<cuuint32_t, 3> steps = {1, 1, 1};
  CUtensorMap map;
  const CUresult result =
      encode(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 3, const_cast<Bf16*>(data), sizes.data(), strides.data(), box.data(),
             steps.data(), CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
             CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS) throw DeviceError("cuTensorMapEncodeTiled: error " + std::to_string(static_cast<int>(result)));
  return map;
}

// Multiprocessors that decode has beside prefill, which has the others: so many that both end at once, and no more than read at
// the card's speed: docs/kernels/attention.md. Of an item's token, prefill takes three times as long as decode.
int blocks_beside(const AttentionReads& reads) {
  constexpr double kPrefillToken = 3.2;
  constexpr double kMostShare = 0.42;
  const double decode = static_cast<double>(reads.decode);
  const double all = decode + kPrefillToken * static_cast<double>(reads.prefill);
  const double share = all > 0 ? std::min(kMostShare, decode / all) : 0;
  return std::max(1, static_cast<int>(std::ceil(share * card().multiprocessors)));
}

void decode(const AttentionCache& cache, const AttentionParameters& p, int blocks, Stream stream) {
  const bool fp8 = cache.shape().fp8;
  const auto launch = cache.shape().head_dim == 64 ? (fp8 ? launch_decode<64, true> : launch_decode<64, false>)
                                                   : (fp8 ? launch_decode<128, true> : launch_decode<128, false>);
  launch(p, map_of(cache.tensor_map()), blocks, stream);
}

void merge(const AttentionCache& cache, const AttentionParameters& p, std::int32_t rows, Stream stream) {
  (cache.shape().head_dim == 64 ? launch_merge<64> : launch_merge<128>)(p, rows, stream);
}

void prefill(const AttentionCache& cache, const AttentionParameters& p, Stream stream) {
  const bool narrow = cache.shape().head_dim == 64;
  const bool fp8 = cache.shape().fp8;
  if (has_group_products()) {
    const auto launch = narrow ? (fp8 ? launch_group_prefill<64, true> : launch_group_prefill<64, false>)
                               : (fp8 ? launch_group_prefill<128, true> : launch_group_prefill<128, false>);
    launch(p, map_of(fp8 ? cache.tensor_map() : cache.panel_map()), stream);
  } else {
    const auto launch = narrow ? (fp8 ? launch_prefill<64, true> : launch_prefill<64, false>)
                               : (fp8 ? launch_prefill<128, true> : launch_prefill<128, false>);
    launch(p, map_of(cache.tensor_map()), stream);
  }
}

}  // namespace

AttentionCache::AttentionCache(Bf16* data, const KvShape& shape, const std::uint8_t* scales)
    : shape_(shape), data_(data), scales_(scales), tensor_map_{}, panel_map_{} {
  if (card().compiled_for < kHopper) return;  // nothing reads them
  const CUtensorMap map = describe(data, shape, false);
  const CUtensorMap panels = describe(data, shape, true);
  std::memcpy(tensor_map_, &map, sizeof map);
  std::memcpy(panel_map_, &panels, sizeof panels);
}

void decode_attention(const AttentionCache& cache, std::int32_t layer, std::int32_t group, const AttentionStep& step,
                      std::int32_t rows, const Bf16* q, Bf16* out, Stream stream, DecodeSplit split) {
  const AttentionParameters p = parameters(cache, layer, group, step, q, out, split);
  decode(cache, p, card().multiprocessors, stream);
  merge(cache, p, rows, stream);
}

void prefill_attention(const AttentionCache& cache, std::int32_t layer, std::int32_t group, const AttentionStep& step,
                       const Bf16* q, Bf16* out, Stream stream) {
  prefill(cache, parameters(cache, layer, group, step, q, out, DecodeSplit::automatic), stream);
}

void mixed_attention(const AttentionCache& cache, std::int32_t layer, std::int32_t group, const AttentionStep& step,
                     std::int32_t rows, const AttentionReads& reads, const Bf16* q, Bf16* out, Stream stream,
                     const ExpandedKv* expanded, DecodeSplit split) {
  AttentionParameters p = parameters(cache, layer, group, step, q, out, split);
  const bool fp8 = cache.shape().fp8;
  p.beside = !fp8 && has_group_products() && card().early_start;
  decode(cache, p, p.beside ? blocks_beside(reads) : card().multiprocessors, stream);
  if (fp8 && expanded != nullptr && expands()) {
    (cache.shape().head_dim == 64 ? launch_expand<64> : launch_expand<128>)(p, *expanded, stream);
    AttentionStep own = step;
    own.tables = expanded->tables;
    own.table_stride = expanded->table_stride;
    AttentionParameters in_bf16 = parameters(expanded->cache, 0, group, own, q, out, split);
    in_bf16.expanded = true;
    prefill(expanded->cache, in_bf16, stream);
  } else {
    prefill(cache, p, stream);
  }
  merge(cache, p, rows, stream);
}

bool expands() { return has_group_products(); }

}  // namespace tokenyard::kernels
