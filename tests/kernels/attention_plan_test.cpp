#include "kernels/attention_plan.h"

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include "catch.h"

namespace {

using namespace tokenyard::kernels;

// 16-byte units, as the device aligns them; filled with what must not be there.
struct alignas(16) Unit {
  std::int32_t word[4] = {-7, -7, -7, -7};
};

}  // namespace

TEST_CASE("a plan of attention covers every position of every token once") {
  std::mt19937 dice(3);
  const auto between = [&](std::int32_t low, std::int32_t high) {
    return low + static_cast<std::int32_t>(dice() % static_cast<std::uint32_t>(high - low + 1));
  };
  for (int i = 0; i < 2000; ++i) {
    const std::int32_t group = between(1, 8);
    const std::int32_t max_context = between(1, 3000);
    std::vector<AttentionRow> rows;
    std::int32_t tokens = 0;
    for (std::int32_t r = between(0, 20); r > 0; --r) {
      const std::int32_t count = between(0, 1) == 0 ? 1 : between(1, std::min(max_context, 500));
      rows.push_back({between(0, 99), tokens, between(0, max_context - count), count});
      tokens += count;
    }
    const AttentionCapacity capacity =
        AttentionCapacity::of(static_cast<std::int32_t>(rows.size()), tokens, max_context, group);
    std::vector<Unit> memory(AttentionWork::bytes(capacity) / sizeof(Unit) + 1);
    const AttentionWork work = AttentionWork::in(memory.data(), capacity);
    plan_attention(rows, group, work);
    REQUIRE(memory.back().word[0] == -7);
    const AttentionCounts& counts = *work.counts;
    REQUIRE(counts.decode <= capacity.decode_items);
    REQUIRE(counts.prefill <= capacity.prefill_items);

    std::vector<std::int32_t> seen(static_cast<std::size_t>(tokens), 0);  // of each token, by prefill or by merge
    std::vector<const DecodeItem*> slots(static_cast<std::size_t>(counts.decode), nullptr);
    for (std::int32_t d = 0; d < counts.decode; ++d) {
      const DecodeItem& item = work.decode[d];
      REQUIRE(item.begin % kAttentionChunk == 0);
      REQUIRE(item.end > item.begin);
      REQUIRE(item.end <= item.begin + kAttentionChunk);
      // Whole chunks first.
      if (d > 0) REQUIRE((item.end % kAttentionChunk != 0 || work.decode[d - 1].end % kAttentionChunk == 0));
      REQUIRE(slots.at(static_cast<std::size_t>(item.slot)) == nullptr);
      slots[static_cast<std::size_t>(item.slot)] = &item;
    }
    std::int32_t merge = 0;
    for (const AttentionRow& row : rows) {
      if (row.count != 1) continue;
      const MergeItem& item = work.merge[merge++];
      REQUIRE(item.token == row.token);
      std::int32_t position = 0;
      for (std::int32_t s = 0; s < item.count; ++s) {
        const DecodeItem* const part = slots.at(static_cast<std::size_t>(item.first_slot + s));
        REQUIRE(part->token == row.token);
        REQUIRE(part->table == row.table);
        REQUIRE(part->begin == position);
        position = part->end;
      }
      REQUIRE(position == row.first + 1);
      ++seen[static_cast<std::size_t>(row.token)];
    }
    REQUIRE(merge == counts.merge);
    for (std::int32_t p = 0; p < counts.prefill; ++p) {
      const PrefillItem& item = work.prefill[p];
      REQUIRE(item.count >= 1);
      REQUIRE(item.count * group <= kPrefillRows);
      const auto row = std::find_if(rows.begin(), rows.end(), [&](const AttentionRow& r) {
        return r.token <= item.token && item.token + item.count <= r.token + r.count;
      });
      REQUIRE(row != rows.end());
      REQUIRE(item.table == row->table);
      REQUIRE(item.first - row->first == item.token - row->token);
      REQUIRE(item.row < counts.expand);
      REQUIRE(work.expand[item.row].table == row->table);
      REQUIRE(work.expand[item.row].tokens == row->first + row->count);
      for (std::int32_t t = 0; t < item.count; ++t) ++seen[static_cast<std::size_t>(item.token + t)];
    }
    REQUIRE(std::count(seen.begin(), seen.end(), 1) == tokens);
    std::int32_t blocks = 0;
    for (std::int32_t e = 0; e < counts.expand; ++e) {
      REQUIRE(work.expand[e].first_block == blocks);
      blocks += blocks_to_expand(work.expand[e].tokens);
    }
  }
}
