// Prefill attention with Hopper's warp-group products: docs/kernels/attention.md. The same tiles, chunks and merges as the
// other attention kernels, and a product of the same order: so the same bits.
//
// A block has three groups of four warps. Group 0 brings tiles: one warp K, one V. Groups 1 and 2 compute, 64 query rows each.
// Rows of an item are (token, head of the group) pairs. With much work the two have an item's two halves and share its tiles;
// with little, both have the same half and take its chunks by turns, merging them in order.
#include "kernels/attention.cuh"
#include "kernels/hopper/group_mma.cuh"

namespace tokenyard::kernels {
namespace {

constexpr int kGroups = 2;  // that compute
constexpr int kGroupThreads = 128;
constexpr int kGroupRows = 64;
constexpr int kGroupWarps = 4;
constexpr int kRing = 4;  // tiles of K and of V under way
static_assert(kPrefillRows == kGroups * kGroupRows);

// A panel of a tile: 64 dimensions of all its tokens, in rows of 128 bytes. Granules lie one behind the other in it.
constexpr std::uint32_t kTilePanelBytes = kTile * kRowBytes;

template <int D>
struct Shared {
  alignas(kTileAlignment) unsigned char tile[kRing][2][kTileBytes<D>];
  // The merged chunks of each thread's rows: o, which it alone uses, and m and l of eight pairs of rows a warp.
  float4 o[kGroups][D / 8][kGroupThreads];
  float m[kGroups][2][kGroupThreads / 4];
  float l[kGroups][2][kGroupThreads / 4];
  std::uint64_t full[kRing][2];   // a tile of K or V has come
  std::uint64_t empty[kRing][2];  // and is no longer needed
  std::uint64_t turn[kGroups];    // the other group has merged its chunk
  std::uint64_t unit_full[2], unit_empty[2];
  int unit[2];
};

// An item, or half of one, of one K/V head.
struct Unit {
  PrefillItem item;
  int head;
  int first_row;  // of group 1; rows mode: group 2's are kGroupRows behind
  int tiles;

  __device__ __forceinline__ Unit(const AttentionParameters& p, int unit, bool team) : head(unit % p.kv_heads) {
    const int i = unit / p.kv_heads;
    item = p.step.work.prefill[team ? i / 2 : i];
    first_row = team && i % 2 == 0 ? kGroupRows : 0;  // later tokens first: they see more
    const int last_row = first_row + (team ? kGroupRows : kPrefillRows) - 1;
    const bool exists = first_row < item.count * p.group;
    tiles = exists ? (item.first + min(item.count, last_row / p.group + 1) + kTile - 1) / kTile : 0;
  }
  __device__ __forceinline__ int chunks() const { return (tiles + kChunkTiles - 1) / kChunkTiles; }
  __device__ __forceinline__ int tokens_of(int tile) const { return min(kTile, item.first + item.count - tile * kTile); }
};

// What every thread knows. Tiles of a ring are numbered through all units. In rows mode there is one ring; a team's groups have
// half of the places each.
template <int D>
struct Block {
  const AttentionParameters& p;
  Shared<D>& shared;
  bool team;
  int total;  // units

  __device__ __forceinline__ int place(int group, int n) const {
    return team ? group * (kRing / 2) + n % (kRing / 2) : n % kRing;
  }
  __device__ __forceinline__ std::uint32_t parity(int n) const {
    return static_cast<std::uint32_t>(team ? n / (kRing / 2) % 2 : n / kRing % 2);
  }
  __device__ __forceinline__ std::uint32_t tile(int place, int which) const {
    return shared_address(shared.tile) + static_cast<std::uint32_t>(place * 2 + which) * kTileBytes<D>;
  }
  __device__ __forceinline__ std::uint32_t full(int place, int which) const {
    return shared_address(&shared.full[place][which]);
  }
  __device__ __forceinline__ std::uint32_t empty(int place, int which) const {
    return shared_address(&shared.empty[place][which]);
  }
};

// ---- Group 0

template <int D>
__device__ __forceinline__ void copy_panel(std::uint32_t to, const CUtensorMap* panels, int panel, std::int64_t row,
                                           std::uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %4}], [%5];" ::"r"(to),
      "l"(panels), "r"(0), "r"(static_cast<int>(row)), "r"(panel), "r"(barrier)
      : "memory");
}

// One warp: K's or V's tiles of all units. The one for K draws the units, too.
template <int D>
__device__ __forceinline__ void bring_tiles(const Block<D>& block, const CUtensorMap* panels, int which) {
  const AttentionParameters& p = block.p;
  Shared<D>& shared = block.shared;
  const int lane = lane_of_thread();
  constexpr int kGranules = kTile / kGranule;
  const int granule = lane % kGranules;
  const int panel = lane / kGranules;
  const std::uint32_t offset =
      static_cast<std::uint32_t>(panel) * kTilePanelBytes + static_cast<std::uint32_t>(granule) * kPanelBytes;
  int n[kGroups] = {0, 0};
  int chunk = 0;  // of all units
  auto unit = static_cast<int>(blockIdx.x);
  for (int k = 0;; ++k) {
    const int slot = k % 2;
    if (which == kKeys) {
      if (k >= 2) barrier_wait(shared_address(&shared.unit_empty[slot]), static_cast<std::uint32_t>(k / 2 - 1) % 2);
      if (lane == 0) {
        shared.unit[slot] = unit;
        barrier_arrive(shared_address(&shared.unit_full[slot]));
      }
      __syncwarp();
    } else {
      barrier_wait(shared_address(&shared.unit_full[slot]), static_cast<std::uint32_t>(k / 2) % 2);
      unit = shared.unit[slot];
      barrier_arrive(shared_address(&shared.unit_empty[slot]));
    }
    if (unit >= block.total) return;
    const Unit u(p, unit, block.team);
    const std::int64_t table = static_cast<std::int64_t>(u.item.table) * p.step.table_stride;
    const auto bring = [&](int tile, int group) {
      const int granules = granules_of(u.tokens_of(tile));
      const int position = tile * kTile + granule * kGranule;
      const std::int64_t id = granule < granules ? p.step.tables[table + position / p.block_size] : 0;
      const int place = block.place(group, n[group]);
      const int depth = block.team ? kRing / 2 : kRing;
      if (n[group] >= depth) barrier_wait(block.empty(place, which), block.parity(n[group] - depth));
      if (lane == 0) barrier_expect(block.full(place, which), static_cast<std::uint32_t>(granules) * kGranuleBytes<D>);
      __syncwarp();
      if (granule < granules && panel < D / kPanelDims) {
        const std::int64_t row = (id * p.kv_heads + u.head) * p.block_size + position % p.block_size;
        copy_panel<D>(block.tile(place, which) + offset, panels, panel, p.first_row + which * p.kv_rows + row,
                      block.full(place, which));
      }
      ++n[group];
    };
    if (block.team) {  // two chunks at a time, one for each group
      for (int first = 0; first < u.tiles; first += 2 * kChunkTiles, chunk += 2) {
        for (int tile = first; tile < first + kChunkTiles; ++tile) {
          if (tile < u.tiles) bring(tile, chunk % 2);
          if (tile + kChunkTiles < u.tiles) bring(tile + kChunkTiles, 1 - chunk % 2);
        }
      }
      chunk -= u.chunks() % 2;  // an odd one out has no second
    } else {
      for (int tile = 0; tile < u.tiles; ++tile) bring(tile, 0);
    }
    if (which == kKeys) {
      int drawn = 0;
      if (lane == 0) drawn = draw(p.step.tickets + 1, static_cast<int>(gridDim.x), block.total);
      unit = __shfl_sync(~0u, drawn, 0);
    }
  }
}

// ---- Groups 1 and 2

// A thread's two rows of its warp's 16, row lane / 4 and the one 8 behind. Rows that do not exist have no query and see what
// the last one sees.
template <int D>
struct Rows {
  std::uint32_t q[D / 16][4];  // as `a` of multiply_add
  int context[2];              // tokens a row sees
  Bf16* out[2];                // null: there is no such row
  int least;                   // that a row of the group sees
  int tiles;                   // that the group sees

  __device__ __forceinline__ Rows(const AttentionParameters& p, const Unit& u, int first_row, int warp) {
    const int lane = lane_of_thread();
    const PrefillItem& item = u.item;
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const int r = first_row + warp * 16 + h * 8 + lane / 4;
      const int token = min(r / p.group, item.count - 1);
      const bool exists = r / p.group < item.count;
      const std::int64_t at =
          ((static_cast<std::int64_t>(item.token + token) * p.kv_heads + u.head) * p.group + r % p.group) * D + lane % 4 * 2;
      context[h] = item.first + token + 1;
      out[h] = exists ? p.out + at : nullptr;
#pragma unroll
      for (int k = 0; k < D / 16; ++k) {
        q[k][h] = exists ? *reinterpret_cast<const std::uint32_t*>(p.q + at + k * 16) : 0;
        q[k][2 + h] = exists ? *reinterpret_cast<const std::uint32_t*>(p.q + at + k * 16 + 8) : 0;
      }
    }
    least = item.first + min(first_row / p.group, item.count - 1) + 1;
    const int most = item.first + min((first_row + kGroupRows - 1) / p.group, item.count - 1) + 1;
    tiles = first_row < item.count * p.group ? (most + kTile - 1) / kTile : 0;
  }
};

// What a thread's two rows have of the chunks that are done.
template <int D>
struct Total {
  float4* o;  // [D / 8] at a distance of kGroupThreads
  float (*m)[kGroupThreads / 4];
  float (*l)[kGroupThreads / 4];
  int pair;  // of rows, of the group

  __device__ __forceinline__ Total(Shared<D>& shared, int group, int thread)
      : o(&shared.o[group][0][thread]), m(shared.m[group]), l(shared.l[group]), pair(thread / 4) {}

  // `begins`: nothing is done yet.
  __device__ __forceinline__ void append(const float (&chunk_o)[D / 64][8][4], const float (&chunk_m)[2],
                                         const float (&chunk_l)[2], bool begins) const {
    Scales scales[2];
    float new_m[2], new_l[2];
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      new_m[h] = begins ? kNone : m[h][pair];
      scales[h] = scales_of(new_m[h], chunk_m[h]);
      new_l[h] = merge(begins ? 0 : l[h][pair], chunk_l[h], scales[h]);
    }
    __syncwarp();  // four lanes have a row
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      m[h][pair] = new_m[h];
      l[h][pair] = new_l[h];
    }
#pragma unroll
    for (int d = 0; d < D / 8; ++d) {
      const float(&x)[4] = chunk_o[d / 8][d % 8];
      float4& y = o[d * kGroupThreads];
      const float4 old = begins ? float4{} : y;
      y = {merge(old.x, x[0], scales[0]), merge(old.y, x[1], scales[0]), merge(old.z, x[2], scales[1]),
           merge(old.w, x[3], scales[1])};
    }
  }
  __device__ __forceinline__ void store(Bf16* const (&out)[2]) const {
    __syncwarp();
    const float l0 = l[0][pair];
    const float l1 = l[1][pair];
#pragma unroll
    for (int d = 0; d < D / 8; ++d) {
      const float4 y = o[d * kGroupThreads];
      if (out[0] != nullptr) {
        *reinterpret_cast<std::uint32_t*>(out[0] + d * 8) = pack(__fdividef(y.x, l0), __fdividef(y.y, l0));
      }
      if (out[1] != nullptr) {
        *reinterpret_cast<std::uint32_t*>(out[1] + d * 8) = pack(__fdividef(y.z, l1), __fdividef(y.w, l1));
      }
    }
  }
};

// Zeroes V behind the last token: slots that were not copied, or were copied and never written. Each group does so for itself.
template <int D>
__device__ __forceinline__ void clear_values(std::uint32_t v_tile, int tokens, int group, int thread) {
  for (int i = tokens * (D / 8) + thread; i < kTile * (D / 8); i += kGroupThreads) {
    const auto row = static_cast<std::uint32_t>(i / (D / 8));
    const auto vec = static_cast<std::uint32_t>(i % (D / 8));
    const std::uint32_t at =
        v_tile + vec / kRowVectors * kTilePanelBytes + row * kRowBytes + (vec % kRowVectors ^ row % kRowVectors) * kVectorBytes;
    asm volatile("st.shared.v4.b32 [%0], {%1, %1, %1, %1};" ::"r"(at), "r"(0) : "memory");
  }
  copy_fence();
  asm volatile("bar.sync %0, %1;" ::"r"(group + 1), "n"(kGroupThreads) : "memory");
}

// In rows mode the groups order their products by turns, tile by tile: so one weighs while the other's are computed.
__device__ __forceinline__ void take_turn(int group) {
  asm volatile("bar.sync %0, %1;" ::"r"(group + 1 + kGroups), "n"(kGroups * kGroupThreads) : "memory");
}
__device__ __forceinline__ void give_turn(int group) {
  asm volatile("bar.arrive %0, %1;" ::"r"(2 - group + kGroups), "n"(kGroups * kGroupThreads) : "memory");
}

// While a tile's values are being multiplied, the next one's scores are, and then weighed.
template <int D>
__device__ __forceinline__ void compute(const Block<D>& block, int group, int thread) {
  constexpr int kPanels = D / kPanelDims;
  const AttentionParameters& p = block.p;
  Shared<D>& shared = block.shared;
  const bool team = block.team;
  const int lane = lane_of_thread();
  const Total<D> total(shared, team ? 0 : group, thread);
  const auto release = [&](int place, int which) {
    __syncwarp();
    if (lane == 0) barrier_arrive(block.empty(place, which), team ? kGroups : 1);
  };
  if (!team && group == 1) give_turn(group);  // the other is first
  int n = 0;                                  // the group's tiles, of all units
  int chunks = 0;                             // of all units, before this one
  int turns = 0;                              // merges of a team's group
  for (int k = 0;; ++k) {
    const int slot = k % 2;
    barrier_wait(shared_address(&shared.unit_full[slot]), static_cast<std::uint32_t>(k / 2) % 2);
    const int unit = shared.unit[slot];
    barrier_arrive(shared_address(&shared.unit_empty[slot]));
    if (unit >= block.total) return;
    const Unit u(p, unit, team);
    const Rows<D> rows(p, u, team ? u.first_row : group * kGroupRows, thread / 32);

    TileScores s;                                // scores, then weights, of a tile
    float m[2] = {kNone, kNone}, l[2] = {0, 0};  // of its chunk, with it
    Scales scales[2];                            // for merging it into its chunk
    float o[kPanels][8][4];                      // of the chunk, without it
    const auto multiply_keys = [&](int place) {
      group_begin();
#pragma unroll
      for (int i = 0; i < D / 16; ++i) {
        const std::uint32_t at = block.tile(place, kKeys) + static_cast<std::uint32_t>(i / 4) * kTilePanelBytes + i % 4 * 32u;
        group_multiply_add<true>(s, rows.q[i], matrix_at(at, kTilePanelBytes), i == 0);
      }
      group_commit();
    };
    const auto weigh_tile = [&](int tile) {
      if (rows.least - tile * kTile < kTile) {
        const int limit[2] = {rows.context[0] - tile * kTile, rows.context[1] - tile * kTile};
        mask<2>(s, limit);
      }
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const TileShare share = weigh(s, h, p.scale);
        scales[h] = scales_of(m[h], share.m);
        l[h] = merge(l[h], share.l, scales[h]);
      }
    };
    // The group's tile after this one: a team's groups pass over the other's chunk.
    const auto after = [&](int tile) {
      return team && tile % kChunkTiles == kChunkTiles - 1 ? tile + kChunkTiles + 1 : tile + 1;
    };
    int tile = team && chunks % 2 != group ? kChunkTiles : 0;

    if (tile < rows.tiles) {
      const int place = block.place(group, n);
      barrier_wait(block.full(place, kKeys), block.parity(n));
      multiply_keys(place);
      group_wait<0>();
      release(place, kKeys);
      weigh_tile(tile);
    }
    const auto step = [&](auto has_next) {
      constexpr bool kNext = decltype(has_next)::value;
      const int next = after(tile);
      const int place = block.place(group, n);
      const int next_place = block.place(group, n + 1);
      const bool ends_chunk = !kNext || tile % kChunkTiles == kChunkTiles - 1;
      std::uint32_t weights[kTile / 16][4];
      pack_weights<2>(weights, s);
      const Scales by[2] = {scales[0], scales[1]};
      const float chunk_m[2] = {m[0], m[1]};
      const float chunk_l[2] = {l[0], l[1]};
      if (ends_chunk) {
        m[0] = m[1] = kNone;
        l[0] = l[1] = 0;
      }
      if (!team) take_turn(group);
      if constexpr (kNext) {
        barrier_wait(block.full(next_place, kKeys), block.parity(n + 1));
        multiply_keys(next_place);
      }
      barrier_wait(block.full(place, kValues), block.parity(n));
      if (u.tokens_of(tile) < kTile) clear_values<D>(block.tile(place, kValues), u.tokens_of(tile), group, thread);
      float fresh[kPanels][8][4];
      group_begin();
#pragma unroll
      for (int i = 0; i < kTile / 16; ++i) {
        const std::uint32_t at = block.tile(place, kValues) + static_cast<std::uint32_t>(i) * 16 * kRowBytes;
        group_multiply_add_values(fresh, weights[i], matrix_at(at, kTilePanelBytes), i == 0);
      }
      group_commit();
      if (!team) give_turn(group);
      if constexpr (kNext) {
        group_wait<1>();
        release(next_place, kKeys);
        weigh_tile(next);
      }
      group_wait<0>();
      const bool begins = tile % kChunkTiles == 0;
#pragma unroll
      for (int panel = 0; panel < kPanels; ++panel) {
#pragma unroll
        for (int d = 0; d < 8; ++d) {
#pragma unroll
          for (int e = 0; e < 4; ++e) o[panel][d][e] = merge(begins ? 0 : o[panel][d][e], fresh[panel][d][e], by[e / 2]);
        }
      }
      release(place, kValues);
      if (ends_chunk) {
        if (team && turns + group > 0) {  // the very first has nobody to wait for
          barrier_wait(shared_address(&shared.turn[group]), static_cast<std::uint32_t>(turns - 1 + group) % 2);
        }
        ++turns;
        total.append(o, chunk_m, chunk_l, tile < kChunkTiles);
        if (tile / kChunkTiles == (rows.tiles - 1) / kChunkTiles) total.store(rows.out);
        __syncwarp();
        if (team && lane == 0) barrier_arrive(shared_address(&shared.turn[1 - group]));
      }
      tile = next;
      ++n;
    };
    while (after(tile) < rows.tiles) step(std::true_type{});
    if (tile < rows.tiles) step(std::false_type{});
    // Tiles that only the other group's rows see.
    for (int rest = max(tile, rows.tiles); !team && rest < u.tiles; ++rest, ++n) {
      const int place = block.place(group, n);
      for (const int which : {kKeys, kValues}) {
        barrier_wait(block.full(place, which), block.parity(n));
        release(place, which);
      }
      take_turn(group);
      give_turn(group);
    }
    chunks += u.chunks();
  }
}

template <int D>
__global__ __launch_bounds__((1 + kGroups) * kGroupThreads,
                             1) void prefill_kernel(const __grid_constant__ AttentionParameters p,
                                                    const __grid_constant__ CUtensorMap panels) {
  extern __shared__ __align__(kTileAlignment) unsigned char memory[];
  Shared<D>& shared = *reinterpret_cast<Shared<D>*>(memory);
  const auto thread = static_cast<int>(threadIdx.x);
  const int group = __shfl_sync(~0u, thread / kGroupThreads, 0);  // the compiler sees that a warp has one
  let_successor_start();
  if (thread == 0) {
    for (int i = 0; i < kRing; ++i) {
      for (int which = 0; which < 2; ++which) {
        barrier_init(shared_address(&shared.full[i][which]), 1);
        barrier_init(shared_address(&shared.empty[i][which]), kGroups * kGroupWarps);
      }
    }
    for (int i = 0; i < 2; ++i) {
      barrier_init(shared_address(&shared.turn[i]), kGroupWarps);
      barrier_init(shared_address(&shared.unit_full[i]), 1);
      barrier_init(shared_address(&shared.unit_empty[i]), 32 + kGroups * kGroupThreads);
    }
    barrier_init_fence();
  }
  __syncthreads();
  wait_for_predecessor();
  const int units = p.step.work.counts->prefill * p.kv_heads;
  const bool team = units <= static_cast<int>(gridDim.x);
  const Block<D> block{p, shared, team, team ? 2 * units : units};
  if (group == 0) {
    give_registers<40>();
    if (thread < 64) bring_tiles(block, &panels, thread / 32);
  } else {
    take_registers<232>();
    compute(block, group - 1, thread % kGroupThreads);
  }
}

}  // namespace

template <int D>
void launch_group_prefill(const AttentionParameters& p, const CUtensorMap& panels, Stream stream) {
  allow_all_shared_memory<prefill_kernel<D>>();
  launch("prefill attention", prefill_kernel<D>, dim3(static_cast<unsigned>(card().multiprocessors)),
         dim3((1 + kGroups) * kGroupThreads), sizeof(Shared<D>), stream, p, panels);
}

template void launch_group_prefill<64>(const AttentionParameters&, const CUtensorMap&, Stream);
template void launch_group_prefill<128>(const AttentionParameters&, const CUtensorMap&, Stream);

}  // namespace tokenyard::kernels
