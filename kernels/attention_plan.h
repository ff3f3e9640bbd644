// Turns the rows of a step into the work of the attention kernels: pure host code, no allocation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tokenyard::kernels {

// Positions are split at multiples of 256; every part is a softmax of its own, and the parts are merged in ascending order. So
// nothing a batch, a chunk or a grid looks like can change a bit.
inline constexpr std::int32_t kAttentionChunk = 256;
// Query rows, (token, query head) pairs of one K/V head, of an item of prefill: what a block of Hopper's kernel attends with,
// and two blocks of the other.
inline constexpr std::int32_t kPrefillRows = 128;

// `count` tokens of one request whose K/V precede or lie at position first + count - 1. One token is a decode, however it came.
struct AttentionRow {
  std::int32_t table;  // row of the device's block tables
  std::int32_t token;  // row of q and of the output of the first token
  std::int32_t first;  // its position
  std::int32_t count;  // >= 1
};

// One part of a decoding row: positions begin .. end - 1 of table `table` for the query at `token`.
struct alignas(16) DecodeItem {
  std::int32_t table;
  std::int32_t token;
  std::int32_t begin;  // a multiple of kAttentionChunk
  std::int32_t end;
  std::int32_t slot;  // where the partial result goes
  std::int32_t unused[3];
};

// The partial results of one decoding row, in ascending order of positions: slots first_slot .. first_slot + count - 1.
struct alignas(16) MergeItem {
  std::int32_t token;
  std::int32_t first_slot;
  std::int32_t count;
  std::int32_t unused;
};

// At most kPrefillRows / group tokens of a row with more than one: `count` of them, the first at position `first`.
struct alignas(16) PrefillItem {
  std::int32_t table;
  std::int32_t token;
  std::int32_t first;
  std::int32_t count;
  std::int32_t row;  // among the rows with more than one: which ExpandItem
  std::int32_t unused[3];
};

// Such a row, where K and V are fp8: all that it sees can be brought to bf16 once, in place of once for every item. It takes
// blocks of kAttentionChunk tokens, from first_block on.
struct alignas(16) ExpandItem {
  std::int32_t table;
  std::int32_t first_block;
  std::int32_t tokens;
  std::int32_t unused;
};

struct alignas(16) AttentionCounts {
  std::int32_t decode;
  std::int32_t merge;
  std::int32_t prefill;
  std::int32_t expand;
};

// What a step may need at most; fixed when memory is taken.
struct AttentionCapacity {
  std::int32_t rows;          // rows of a step
  std::int32_t decode_items;  // and slots for partial results
  std::int32_t prefill_items;

  // For contexts up to `max_context` tokens and `group` query heads a K/V head.
  static AttentionCapacity of(std::int32_t max_rows, std::int32_t max_tokens, std::int32_t max_context, std::int32_t group) {
    const std::int32_t chunks = (max_context + kAttentionChunk - 1) / kAttentionChunk;
    // Of every row the last item may be part of a tile.
    const std::int32_t prefill = max_tokens / (kPrefillRows / group) + max_rows;
    return {max_rows, max_rows * chunks, prefill};
  }
};

// The work of a step in one piece of memory, alike on the host and on the device.
struct AttentionWork {
  AttentionCounts* counts;
  MergeItem* merge;      // [capacity.rows]
  ExpandItem* expand;    // [capacity.rows]
  PrefillItem* prefill;  // [capacity.prefill_items]
  DecodeItem* decode;    // [capacity.decode_items]

  // `memory`: bytes(capacity) of them, aligned to 16.
  static AttentionWork in(void* memory, const AttentionCapacity& capacity) {
    auto* const base = static_cast<std::byte*>(memory);
    AttentionWork work;
    work.counts = reinterpret_cast<AttentionCounts*>(base);
    work.merge = reinterpret_cast<MergeItem*>(base + sizeof(AttentionCounts));
    work.expand = reinterpret_cast<ExpandItem*>(work.merge + capacity.rows);
    work.prefill = reinterpret_cast<PrefillItem*>(work.expand + capacity.rows);
    work.decode = reinterpret_cast<DecodeItem*>(work.prefill + capacity.prefill_items);
    return work;
  }
  static std::size_t bytes(const AttentionCapacity& capacity) { return bytes(capacity, capacity.decode_items); }
  // Of the part that holds `decode_items`: what must reach the device.
  static std::size_t bytes(const AttentionCapacity& capacity, std::int32_t decode_items) {
    return sizeof(AttentionCounts) + static_cast<std::size_t>(capacity.rows) * (sizeof(MergeItem) + sizeof(ExpandItem)) +
           static_cast<std::size_t>(capacity.prefill_items) * sizeof(PrefillItem) +
           static_cast<std::size_t>(decode_items) * sizeof(DecodeItem);
  }
};

// Blocks of kAttentionChunk tokens that a row with so many needs (ExpandItem).
inline std::int32_t blocks_to_expand(std::int32_t context) { return (context + kAttentionChunk - 1) / kAttentionChunk; }

// How many tokens' K and V of one head the items of a step read: how long decode and prefill take, beside each other.
struct AttentionReads {
  std::int64_t decode = 0;
  std::int64_t prefill = 0;

  // A row of `count` tokens, the first at position `first`.
  void add(std::int32_t first, std::int32_t count, std::int32_t group) {
    const std::int32_t step = kPrefillRows / group;
    if (count == 1) {
      decode += first + 1;
    } else {
      prefill += std::int64_t{(count + step - 1) / step} * (first + (count + step) / 2);
    }
  }
};

// Writes the work of `rows` into `work`, in host memory. REQUIRES: rows, their tokens and their contexts are within `capacity`.
// Long items come first, so that the last to be taken are short; who computes an item does not change its bits.
inline void plan_attention(std::span<const AttentionRow> rows, std::int32_t group, AttentionWork work) {
  AttentionCounts counts{};
  std::int32_t slots = 0;
  for (const AttentionRow& row : rows) {
    if (row.count != 1) continue;
    const std::int32_t context = row.first + 1;
    const std::int32_t chunks = (context + kAttentionChunk - 1) / kAttentionChunk;
    work.merge[counts.merge++] = {row.token, slots, chunks, 0};
    for (std::int32_t i = 0; i < context / kAttentionChunk; ++i) {
      const std::int32_t begin = i * kAttentionChunk;
      work.decode[counts.decode++] = {row.table, row.token, begin, begin + kAttentionChunk, slots + i, {}};
    }
    slots += chunks;
  }
  std::int32_t merge = 0;
  for (const AttentionRow& row : rows) {
    if (row.count != 1) continue;
    const MergeItem& parts = work.merge[merge++];
    const std::int32_t context = row.first + 1;
    const std::int32_t begin = context / kAttentionChunk * kAttentionChunk;
    if (begin < context) {
      work.decode[counts.decode++] = {row.table, row.token, begin, context, parts.first_slot + parts.count - 1, {}};
    }
  }

  // Later tokens see more: from the back. Rows are not sorted among each other.
  const std::int32_t step = kPrefillRows / group;
  std::int32_t blocks = 0;
  for (const AttentionRow& row : rows) {
    if (row.count == 1) continue;
    const std::int32_t context = row.first + row.count;
    const std::int32_t expand = counts.expand++;
    work.expand[expand] = {row.table, blocks, context, 0};
    blocks += blocks_to_expand(context);
    for (std::int32_t i = (row.count - 1) / step * step; i >= 0; i -= step) {
      const std::int32_t count = row.count - i < step ? row.count - i : step;
      work.prefill[counts.prefill++] = {row.table, row.token + i, row.first + i, count, expand, {}};
    }
  }
  *work.counts = counts;
}

}  // namespace tokenyard::kernels
