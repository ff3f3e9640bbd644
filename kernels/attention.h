// Attention over paged K/V: docs/kernels/attention.md.
//
// A step's rows become work items on the host (attention_plan.h). The launchers have fixed grids and read the number of items
// on the device, so that one captured CUDA graph serves every context.
#pragma once

#include <cstdint>

#include "kernels/attention_plan.h"
#include "kernels/device.h"

namespace tokenyard::kernels {

// Tokens that one copy brings, all of one block: every block size is a multiple of it.
inline constexpr std::int32_t kGranule = 16;
// Query heads of one K/V head at most: the kernels give each a row of an 8 x 8 matrix.
inline constexpr std::int32_t kMaxGroup = 8;

// [layer][K|V][block][kv_head][slot][head_dim]: bf16, or bytes in the order of fp8.cuh.
struct KvShape {
  std::int32_t layers;
  std::int32_t blocks;
  std::int32_t kv_heads;
  std::int32_t block_size;  // a multiple of kGranule
  std::int32_t head_dim;    // 64 or 128
  bool fp8 = false;
};

// A K/V cache on the current device, with the description of it that the card's copy engine (TMA) reads, if it has one.
class AttentionCache {
 public:
  // `scales`: of fp8, [layer][K|V][block][kv_head][slot]. REQUIRES: both are aligned to 16 bytes and outlive this; less than
  // 2^31 rows of head_dim numbers. Throws DeviceError.
  AttentionCache(Bf16* data, const KvShape& shape, const std::uint8_t* scales = nullptr);

  const KvShape& shape() const { return shape_; }
  const Bf16* data() const { return data_; }
  const std::uint8_t* scales() const { return scales_; }
  const void* tensor_map() const { return tensor_map_; }
  const void* panel_map() const { return panel_map_; }

 private:
  KvShape shape_;
  const Bf16* data_;
  const std::uint8_t* scales_;
  alignas(64) unsigned char tensor_map_[128];  // a CUtensorMap: a copy takes a granule
  alignas(64) unsigned char panel_map_[128];   // the same, 64 dimensions of one
};

// Room for K and V of one layer in bf16, of the rows whose attention would else convert fp8 tile by tile.
struct ExpandedKv {
  AttentionCache cache;  // one layer, blocks of kAttentionChunk tokens
  std::int32_t* tables;  // [rows][table_stride]: written with them
  std::int32_t table_stride;
};

// Arrays in device memory. Work and tables are inputs of the step: written before its first kernel.
struct AttentionStep {
  AttentionWork work;
  const std::int32_t* tables;  // [rows][table_stride] block ids
  std::int32_t table_stride;   // blocks a row may have
  // Partial results of decoding rows, the unnormalised sum of values with its greatest exponent and its total.
  float* partial_values;  // [decode_items][heads][head_dim]
  float* partial_shares;  // [decode_items][heads][2]
  std::int32_t* tickets;  // [2], zero before the first launch; every launch leaves them so
};

// How the decode kernel divides work among warps; the bits are the same. `automatic`: teams when there is little work.
enum class DecodeSplit : std::int32_t { automatic, warps, teams };

// q and out: [tokens][heads][head_dim], heads = kv_heads x group, 1 <= group <= kMaxGroup.
// Rows of one token. `rows`: how many of them the launch has room for (the padded batch size).
void decode_attention(const AttentionCache& cache, std::int32_t layer, std::int32_t group, const AttentionStep& step,
                      std::int32_t rows, const Bf16* q, Bf16* out, Stream stream, DecodeSplit split = DecodeSplit::automatic);
// Both, side by side where the card can: decode reads memory while prefill multiplies. `expanded`: of an fp8 cache, if all that
// the rows of more than one token see has room there; else null. `reads`: of all rows; it changes no bit.
void mixed_attention(const AttentionCache& cache, std::int32_t layer, std::int32_t group, const AttentionStep& step,
                     std::int32_t rows, const AttentionReads& reads, const Bf16* q, Bf16* out, Stream stream,
                     const ExpandedKv* expanded = nullptr, DecodeSplit split = DecodeSplit::automatic);
// Whether mixed_attention() makes use of ExpandedKv on the current device.
bool expands();
// Rows of more than one.
void prefill_attention(const AttentionCache& cache, std::int32_t layer, std::int32_t group, const AttentionStep& step,
                       const Bf16* q, Bf16* out, Stream stream);

}  // namespace tokenyard::kernels
