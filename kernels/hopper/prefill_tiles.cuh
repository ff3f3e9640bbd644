// How prefill attention's tiles reach shared memory: the part of the block's first group of warps.
#pragma once

#include "kernels/attention.cuh"

namespace tokenyard::kernels {

inline constexpr int kGroups = 2;  // that compute
inline constexpr int kGroupThreads = 128;
inline constexpr int kGroupRows = 64;
inline constexpr int kGroupWarps = 4;
inline constexpr int kTeam = 2;      // blocks
inline constexpr int kBringers = 3;  // warps that convert fp8
static_assert(kPrefillRows == kGroups * kGroupRows);

// A panel of a tile: 64 dimensions of all its tokens, in rows of 128 bytes.
inline constexpr std::uint32_t kTilePanelBytes = kTile * kRowBytes;

// Where 8 dimensions of a token are in such a tile, in bytes from its begin.
__device__ __forceinline__ std::uint32_t panel_offset(int token, int vec) {
  const auto row = static_cast<std::uint32_t>(token);
  const auto v = static_cast<std::uint32_t>(vec);
  return v / kRowVectors * kTilePanelBytes + row * kRowBytes + (v % kRowVectors ^ row % kRowVectors) * kVectorBytes;
}

// Codes and scales of fp8 on their way, a tile of K or V each.
template <int D, bool kFp8>
struct Codes {};
template <int D>
struct Codes<D, true> {
  static constexpr int kRing = 4;
  alignas(kTileAlignment) unsigned char tile[kRing][kTileBytes<D / 2>];
  alignas(16) std::uint8_t scales[kRing][kTile];
  std::uint64_t full[kRing];   // it has come
  std::uint64_t empty[kRing];  // and is converted
};

template <int D, bool kFp8>
struct Shared {
  static constexpr int kRing = kFp8 ? 3 : 4;  // tiles of K and of V
  alignas(kTileAlignment) unsigned char tile[kRing][2][kTileBytes<D>];
  // The merged chunks of each thread's rows, which it alone reads: o, then m and l of both.
  float4 o[kGroups][D / 8][kGroupThreads];
  float4 ml[kGroups][kGroupThreads];
  int2 context[kGroups][kGroupThreads];  // tokens that each thread's rows see
  std::uint64_t full[kRing][2];          // a tile of K or V has come
  std::uint64_t empty[kRing][2];         // and is no longer needed
  std::uint64_t come[kGroups];           // what the team's other block had merged
  std::uint64_t unit_full[2], unit_empty[2];
  int unit[2];
  Codes<D, kFp8> codes;
};

// An item of one K/V head.
struct Unit {
  PrefillItem item;
  int head;
  int tiles;

  __device__ __forceinline__ Unit(const AttentionParameters& p, int unit)
      : item(p.step.work.prefill[unit / p.kv_heads]),
        head(unit % p.kv_heads),
        tiles((item.first + item.count + kTile - 1) / kTile) {}
  __device__ __forceinline__ int tokens_of(int tile) const { return min(kTile, item.first + item.count - tile * kTile); }
};

// What every thread knows. Tiles are numbered through all units of a block.
template <int D, bool kFp8>
struct Block {
  static constexpr int kRing = Shared<D, kFp8>::kRing;
  const AttentionParameters& p;
  Shared<D, kFp8>& shared;
  bool team;
  int rank;   // in the team
  int total;  // units

  __device__ __forceinline__ static int place(int n) { return n % kRing; }
  __device__ __forceinline__ static std::uint32_t parity(int n) { return static_cast<std::uint32_t>(n / kRing % 2); }
  __device__ __forceinline__ std::uint32_t tile(int place, int which) const {
    return shared_address(shared.tile) + static_cast<std::uint32_t>(place * 2 + which) * kTileBytes<D>;
  }
  __device__ __forceinline__ std::uint32_t full(int place, int which) const {
    return shared_address(&shared.full[place][which]);
  }
  __device__ __forceinline__ std::uint32_t empty(int place, int which) const {
    return shared_address(&shared.empty[place][which]);
  }
  // The block's unit number k; `total` or more if there is none. A team has one, else the warp that draws units tells.
  __device__ __forceinline__ int unit(int k) const {
    if (team) return k == 0 ? static_cast<int>(blockIdx.x) / kTeam : total;
    const int slot = k % 2;
    barrier_wait(shared_address(&shared.unit_full[slot]), static_cast<std::uint32_t>(k / 2) % 2);
    const int unit = shared.unit[slot];
    barrier_arrive(shared_address(&shared.unit_empty[slot]));
    return unit;
  }
  __device__ __forceinline__ void tell(int k, int unit) const {
    const int slot = k % 2;
    if (k >= 2) barrier_wait(shared_address(&shared.unit_empty[slot]), static_cast<std::uint32_t>(k / 2 - 1) % 2);
    if (lane_of_thread() == 0) {
      shared.unit[slot] = unit;
      barrier_arrive(shared_address(&shared.unit_full[slot]));
    }
    __syncwarp();
  }
  // The block's first tile of a unit, and the one after `tile`: a team's blocks have chunks by turns.
  __device__ __forceinline__ int first_tile() const { return team ? rank * kChunkTiles : 0; }
  __device__ __forceinline__ int after(int tile) const {
    return team && tile % kChunkTiles == kChunkTiles - 1 ? tile + (kTeam - 1) * kChunkTiles + 1 : tile + 1;
  }
};

// Calls `take` with each of the block's units.
template <int D, bool kFp8, class Take>
__device__ __forceinline__ void take_units(const Block<D, kFp8>& block, const Take& take) {
  for (int k = 0;; ++k) {
    const int unit = block.unit(k);
    if (unit >= block.total) return;
    take(unit);
  }
}
// The same for the warp that draws them.
template <int D, bool kFp8, class Take>
__device__ __forceinline__ void draw_units(const Block<D, kFp8>& block, const Take& take) {
  if (block.team) {
    if (block.unit(0) < block.total) take(block.unit(0));
    return;
  }
  for (int k = 0;; ++k) {
    int drawn = 0;
    if (lane_of_thread() == 0) drawn = draw_any(block.p.step.tickets + 1, static_cast<int>(gridDim.x), block.total);
    const int unit = __shfl_sync(~0u, drawn, 0);
    block.tell(k, unit);
    if (unit >= block.total) return;
    take(unit);
  }
}

__device__ __forceinline__ void load_vector(std::uint32_t (&x)[4], std::uint32_t from) {
  asm volatile("ld.shared.v4.b32 {%0, %1, %2, %3}, [%4];"
               : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
               : "r"(from)
               : "memory");
}
__device__ __forceinline__ void store_vector(std::uint32_t to, std::uint32_t a, std::uint32_t b, std::uint32_t c,
                                             std::uint32_t d) {
  asm volatile("st.shared.v4.b32 [%0], {%1, %2, %3, %4};" ::"r"(to), "r"(a), "r"(b), "r"(c), "r"(d) : "memory");
}
__device__ __forceinline__ void copy_panel(std::uint32_t to, const CUtensorMap* panels, int panel, int row,
                                           std::uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %4}], [%5];" ::"r"(to),
      "l"(panels), "r"(0), "r"(row), "r"(panel), "r"(barrier)
      : "memory");
}
__device__ __forceinline__ void copy_bytes(std::uint32_t to, const void* from, std::uint32_t bytes, std::uint32_t barrier) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(to), "l"(from),
               "r"(bytes), "r"(barrier)
               : "memory");
}

inline constexpr int kTileGranules = kTile / kGranule;

// Where a lane's granule of a tile lies; lanes have granules by turns. The group has few registers: no division.
struct Place {
  int entry;  // of the block tables
  int slot;
  int first;  // row of the layer's K or V that the first block has for the head

  __device__ __forceinline__ Place(const AttentionParameters& p, const Unit& u, int first_row, int tile)
      : entry((p.expanded ? u.item.row : u.item.table) * p.step.table_stride),
        slot(lane_of_thread() % kTileGranules * kGranule),
        first(first_row + u.head * p.block_size) {
    move(tile * kTile, p.block_size);
  }
  __device__ __forceinline__ void move(int tokens, int block_size) {
    slot += tokens;
    while (slot >= block_size) {
      slot -= block_size;
      ++entry;
    }
  }
  // The row where it begins. REQUIRES: there is such a granule.
  __device__ __forceinline__ int row(const AttentionParameters& p) const {
    return p.step.tables[entry] * (p.kv_heads * p.block_size) + slot + first;
  }
};

// bf16. One warp: K's or V's tiles of all units. A lane copies a granule of a panel.
template <int D>
__device__ __forceinline__ void bring_tiles(const Block<D, false>& block, const CUtensorMap* panels, int which) {
  const AttentionParameters& p = block.p;
  const int granule = lane_of_thread() % kTileGranules;
  const int panel = lane_of_thread() / kTileGranules;
  int n = 0;
  const auto bring = [&](int unit) {
    const Unit u(p, unit);
    int tile = block.first_tile();
    Place place(p, u, static_cast<int>(p.first_row + which * p.kv_rows), tile);
    while (tile < u.tiles) {
      const int granules = granules_of(u.tokens_of(tile));
      const bool mine = granule < granules && panel < D / kPanelDims;
      const int row = mine ? place.row(p) : 0;
      const int slot = block.place(n);
      if (n >= block.kRing) barrier_wait(block.empty(slot, which), block.parity(n - block.kRing));
      const std::uint32_t barrier = block.full(slot, which);
      if (lane_of_thread() == 0) barrier_expect(barrier, static_cast<std::uint32_t>(granules) * kGranuleBytes<D>);
      __syncwarp();
      const std::uint32_t offset = panel_offset(granule * kGranule, panel * static_cast<int>(kRowVectors));
      if (mine) copy_panel(block.tile(slot, which) + offset, panels, panel, row, barrier);
      const int next = block.after(tile);
      place.move((next - tile) * kTile, p.block_size);
      tile = next;
      ++n;
    }
  };
  if (which == kKeys) {
    draw_units(block, bring);
  } else {
    take_units(block, bring);
  }
}

// fp8. One warp: codes and their scales, K's and V's by turns.
template <int D>
__device__ __forceinline__ void bring_codes(const Block<D, true>& block, const CUtensorMap* map) {
  using Codes = Codes<D, true>;
  const AttentionParameters& p = block.p;
  Codes& codes = block.shared.codes;
  const int lane = lane_of_thread();
  int n = 0;  // tiles of K and of V, of all units
  draw_units(block, [&](int unit) {
    const Unit u(p, unit);
    int tile = block.first_tile();
    Place place(p, u, static_cast<int>(p.first_row), tile);
    while (tile < u.tiles) {
      const int granules = granules_of(u.tokens_of(tile));
      int row = lane < granules ? place.row(p) : 0;
#pragma unroll 1
      for (int which = kKeys; which <= kValues; ++which, ++n, row += static_cast<int>(p.kv_rows)) {
        const int slot = n % Codes::kRing;
        const std::uint32_t barrier = shared_address(&codes.full[slot]);
        if (n >= Codes::kRing)
          barrier_wait(shared_address(&codes.empty[slot]), static_cast<std::uint32_t>(n / Codes::kRing - 1) % 2);
        if (lane == 0) barrier_expect(barrier, static_cast<std::uint32_t>(granules) * (kGranuleBytes<D / 2> + kGranule));
        __syncwarp();
        if (lane < granules) {
          const auto at = static_cast<std::uint32_t>(lane);
          copy_panel(shared_address(codes.tile[slot]) + at * kGranuleBytes<D / 2>, map, 0, row / (D / 2 < kPanelDims ? 2 : 1),
                     barrier);
          copy_bytes(shared_address(codes.scales[slot]) + at * kGranule, p.scales + row, kGranule, barrier);
        }
      }
      const int next = block.after(tile);
      place.move((next - tile) * kTile, p.block_size);
      tile = next;
    }
  });
}

// fp8. The other three warps make bf16 of them: a lane of 16 dimensions of two tokens at a time.
template <int D>
__device__ __forceinline__ void convert_tiles(const Block<D, true>& block, int warp) {
  using Codes = Codes<D, true>;
  const AttentionParameters& p = block.p;
  Codes& codes = block.shared.codes;
  const int lane = lane_of_thread();
  int n = 0;  // tiles of K and of V, of all units
  take_units(block, [&](int unit) {
    const Unit u(p, unit);
    for (int tile = block.first_tile(); tile < u.tiles; tile = block.after(tile)) {
      const int tokens = u.tokens_of(tile);
#pragma unroll 1
      for (int which = kKeys; which <= kValues; ++which, ++n) {
        const int from_place = n % Codes::kRing;
        const int place = block.place(n / 2);
        barrier_wait(shared_address(&codes.full[from_place]), static_cast<std::uint32_t>(n / Codes::kRing) % 2);
        if (n / 2 >= block.kRing) barrier_wait(block.empty(place, which), block.parity(n / 2 - block.kRing));
        std::uint32_t factor[2];
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          // V's of a token that nobody sees is 0: then its values are, whatever its codes.
          const int token = i * 32 + lane;
          factor[i] = which == kValues && token >= tokens ? 0 : fp8_factor(codes.scales[from_place][token]);
        }
#pragma unroll 1
        for (int v = (warp + which) % kBringers; v < D / 16; v += kBringers) {
          const std::uint32_t from = shared_address(codes.tile[from_place]) + tile_offset<D / 2>(lane, v);
          const std::uint32_t to = block.tile(place, which) + panel_offset(lane, 2 * v);
          std::uint32_t c[2][4];
#pragma unroll
          for (int i = 0; i < 2; ++i) load_vector(c[i], from + static_cast<std::uint32_t>(i) * kTileBytes<D / 2> / 2);
#pragma unroll
          for (int i = 0; i < 2; ++i) {
            const std::uint32_t at = to + static_cast<std::uint32_t>(i) * kTilePanelBytes / 2;
            store_vector(at, fp8_even(c[i][0], factor[i]), fp8_even(c[i][1], factor[i]), fp8_even(c[i][2], factor[i]),
                         fp8_even(c[i][3], factor[i]));
            store_vector(at ^ kVectorBytes, fp8_odd(c[i][0], factor[i]), fp8_odd(c[i][1], factor[i]),
                         fp8_odd(c[i][2], factor[i]), fp8_odd(c[i][3], factor[i]));
          }
        }
        copy_fence();
        __syncwarp();
        if (lane == 0) {
          barrier_arrive(block.full(place, which));
          barrier_arrive(shared_address(&codes.empty[from_place]));
        }
      }
    }
  });
}

}  // namespace tokenyard::kernels
