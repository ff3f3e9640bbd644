// Prefill attention with Hopper's warp-group products: docs/kernels/attention.md. The same tiles, chunks and merges as the
// other attention kernels, and a product of the same order: so the same bits.
//
// A block has three groups of four warps. Group 0 brings tiles (prefill_tiles.cuh). Groups 1 and 2 compute, 64 query rows each.
// Rows of an item are (token, head of the group) pairs; the two groups have an item's two halves and share its tiles. Two
// blocks are a cluster. With much work each goes its own way; with little they are a team, which has an item together: they
// take its chunks by turns, and each merges its own into what the other hands over.
#include "kernels/cluster.cuh"
#include "kernels/hopper/group_mma.cuh"
#include "kernels/hopper/prefill_tiles.cuh"

namespace tokenyard::kernels {
namespace {

// A thread's two rows of its warp's 16, row lane / 4 and the one 8 behind. Rows that do not exist have no query and see what
// the last one sees.
template <int D>
struct Rows {
  std::uint32_t q[D / 16][4];  // as `a` of multiply_add
  int context[2];              // tokens a row sees
  int least;                   // that a row of the group sees
  int tiles;                   // that the group sees

  __device__ __forceinline__ Rows(const AttentionParameters& p, const Unit& u, int first_row, int warp) {
    const PrefillItem& item = u.item;
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const int r = row(first_row, warp, h);
      context[h] = item.first + min(r / p.group, item.count - 1) + 1;
      const bool exists = r / p.group < item.count;
      const Bf16* const from = p.q + at(p, u, r);
#pragma unroll
      for (int k = 0; k < D / 16; ++k) {
        q[k][h] = exists ? *reinterpret_cast<const std::uint32_t*>(from + k * 16) : 0;
        q[k][2 + h] = exists ? *reinterpret_cast<const std::uint32_t*>(from + k * 16 + 8) : 0;
      }
    }
    least = item.first + min(first_row / p.group, item.count - 1) + 1;
    const int most = item.first + min((first_row + kGroupRows - 1) / p.group, item.count - 1) + 1;
    tiles = first_row < item.count * p.group ? (most + kTile - 1) / kTile : 0;
  }
  __device__ __forceinline__ static int row(int first_row, int warp, int h) {
    return first_row + warp * 16 + h * 8 + lane_of_thread() / 4;
  }
  // Of a row's numbers in q and out, this thread's first.
  __device__ __forceinline__ static std::int64_t at(const AttentionParameters& p, const Unit& u, int r) {
    return ((static_cast<std::int64_t>(u.item.token + r / p.group) * p.kv_heads + u.head) * p.group + r % p.group) * D +
           lane_of_thread() % 4 * 2;
  }
};

// Zeroes V behind the last token: slots that were not copied, or were copied and never written. Each group does so for itself.
template <int D>
__device__ __forceinline__ void clear_values(std::uint32_t v_tile, int tokens, int group, int thread) {
  for (int i = tokens * (D / 8) + thread; i < kTile * (D / 8); i += kGroupThreads) {
    asm volatile("st.shared.v4.b32 [%0], {%1, %1, %1, %1};" ::"r"(v_tile + panel_offset(i / (D / 8), i % (D / 8))), "r"(0)
                 : "memory");
  }
  copy_fence();
  asm volatile("bar.sync %0, %1;" ::"r"(group + 1), "n"(kGroupThreads) : "memory");
}

// The groups order their products by turns, tile by tile: so one weighs while the other's are computed.
__device__ __forceinline__ void take_turn(int group) {
  asm volatile("bar.sync %0, %1;" ::"r"(group + 1 + kGroups), "n"(kGroups * kGroupThreads) : "memory");
}
__device__ __forceinline__ void give_turn(int group) {
  asm volatile("bar.arrive %0, %1;" ::"r"(2 - group + kGroups), "n"(kGroups * kGroupThreads) : "memory");
}

// The same variable of shared memory in block `rank` of the cluster, and what is done with it.
__device__ __forceinline__ std::uint32_t of_block(std::uint32_t address, int rank) {
  std::uint32_t there;
  asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"(address), "r"(rank));
  return there;
}
// Announced in advance at that block's barrier, which counts the bytes.
__device__ __forceinline__ void send(std::uint32_t to, const float4& x, std::uint32_t barrier) {
  asm volatile("st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v4.f32 [%0], {%1, %2, %3, %4}, [%5];" ::"r"(to),
               "f"(x.x), "f"(x.y), "f"(x.z), "f"(x.w), "r"(barrier)
               : "memory");
}
__device__ __forceinline__ void wait_for_cluster(std::uint32_t barrier, std::uint32_t parity) {
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "again: mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 done, [%0], %1;\n"
      "@!done bra again;\n"
      "}" ::"r"(barrier),
      "r"(parity)
      : "memory");
}

// weigh() of both rows, in two steps: the weights and m, then l. Nothing that is added waits for an exponential of its own.
__device__ __forceinline__ void weigh_both(TileScores& s, float scale, float (&m)[2]) {
  constexpr int kColumns = kTile / 8;
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    float best[2] = {fmaxf(s[0][2 * h], s[0][2 * h + 1]), fmaxf(s[1][2 * h], s[1][2 * h + 1])};
#pragma unroll
    for (int n = 2; n < kColumns; ++n) best[n % 2] = fmaxf(best[n % 2], fmaxf(s[n][2 * h], s[n][2 * h + 1]));
    m[h] = fmaxf(best[0], best[1]);
  }
#pragma unroll
  for (int lanes = 1; lanes <= 2; lanes *= 2) {
#pragma unroll
    for (int h = 0; h < 2; ++h) m[h] = fmaxf(m[h], __shfl_xor_sync(~0u, m[h], lanes));
  }
#pragma unroll
  for (int h = 0; h < 2; ++h) m[h] = fmaxf(__fmul_rn(m[h], scale), kNone);
#pragma unroll
  for (int n = 0; n < kColumns; ++n) {
#pragma unroll
    for (int e = 0; e < 4; ++e) s[n][e] = exp2_approximate(__fmaf_rn(s[n][e], scale, -m[e / 2]));
  }
}
__device__ __forceinline__ void sum_both(const TileScores& s, float (&l)[2]) {
  l[0] = l[1] = 0;
#pragma unroll
  for (int n = 0; n < kTile / 8; ++n) {
#pragma unroll
    for (int e = 0; e < 2; ++e) {
#pragma unroll
      for (int h = 0; h < 2; ++h) l[h] = __fadd_rn(l[h], s[n][2 * h + e]);
    }
  }
#pragma unroll
  for (int lanes = 1; lanes <= 2; lanes *= 2) {
#pragma unroll
    for (int h = 0; h < 2; ++h) l[h] = __fadd_rn(l[h], __shfl_xor_sync(~0u, l[h], lanes));
  }
}

// ml: m and l of both rows.
template <int D>
__device__ __forceinline__ void store_rows(const AttentionParameters& p, const Unit& u, int first_row, int warp,
                                           const float4 (&o)[D / 8], const float4& ml) {
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    const int r = Rows<D>::row(first_row, warp, h);
    if (r / p.group >= u.item.count) continue;
    Bf16* const out = p.out + Rows<D>::at(p, u, r);
    const float l = h == 0 ? ml.z : ml.w;
#pragma unroll
    for (int d = 0; d < D / 8; ++d) {
      *reinterpret_cast<std::uint32_t*>(out + d * 8) =
          h == 0 ? pack(__fdividef(o[d].x, l), __fdividef(o[d].y, l)) : pack(__fdividef(o[d].z, l), __fdividef(o[d].w, l));
    }
  }
}

enum Following { kNothing, kNextTile, kNextChunk };

// While a tile's values are being multiplied, the next one's scores are, and then weighed.
template <int D, bool kFp8>
__device__ __forceinline__ void compute(const Block<D, kFp8>& block, int group, int thread) {
  constexpr int kPanels = D / kPanelDims;
  const AttentionParameters& p = block.p;
  Shared<D, kFp8>& shared = block.shared;
  const bool team = block.team;
  const int lane = lane_of_thread();
  const auto release = [&](int place, int which) {
    __syncwarp();
    if (lane == 0) barrier_arrive(block.empty(place, which));
  };
  if (group == 1) give_turn(group);  // the other is first
  int n = 0;                         // tiles of all units
  int taken = 0;                     // chunks, from the team's other block
  take_units(block, [&](int unit) {
    const Unit u(p, unit);
    const Rows<D> rows(p, u, group * kGroupRows, thread / 32);
    shared.context[group][thread] = {rows.context[0], rows.context[1]};

    TileScores s;      // scores, then weights, of a tile
    float m[2], l[2];  // of its chunk, with it
    Scales scales[2];  // for merging it into its chunk
    const auto multiply_keys = [&](int place) {
      const std::uint64_t keys = matrix_at(block.tile(place, kKeys), kTilePanelBytes);
      group_begin();
#pragma unroll
      for (int i = 0; i < D / 16; ++i) {
        const std::uint32_t at = static_cast<std::uint32_t>(i / 4) * kTilePanelBytes + i % 4 * 32u;
        group_multiply_add<true>(s, rows.q[i], matrix_moved(keys, at), i == 0);
      }
      group_commit();
    };
    // `begins`: the tile is its chunk's first.
    const auto weigh_tile = [&](int tile, auto begins) {
      if (rows.least - tile * kTile < kTile) {
        const int2 context = shared.context[group][thread];
        const int limit[2] = {context.x - tile * kTile, context.y - tile * kTile};
        mask<2>(s, limit);
      }
      float tile_m[2];
      weigh_both(s, p.scale, tile_m);
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        if constexpr (decltype(begins)::value) {
          m[h] = tile_m[h];
        } else {
          scales[h] = scales_of(m[h], tile_m[h]);
        }
      }
    };
    const auto sum_tile = [&](auto begins) {
      float tile_l[2];
      sum_both(s, tile_l);
#pragma unroll
      for (int h = 0; h < 2; ++h) l[h] = decltype(begins)::value ? tile_l[h] : merge(l[h], tile_l[h], scales[h]);
    };
    int tile = block.first_tile();
    if (tile < rows.tiles) {
      const int place = block.place(n);
      barrier_wait(block.full(place, kKeys), block.parity(n));
      multiply_keys(place);
      group_wait<0>();
      release(place, kKeys);
      weigh_tile(tile, std::true_type{});
      sum_tile(std::true_type{});
      barrier_wait(block.full(place, kValues), block.parity(n));
    }
    while (tile < rows.tiles) {
      // A chunk: its first tile's values begin its sum.
      float o[kPanels][8][4];
      float chunk_m[2], chunk_l[2];
      const auto scale_sum = [&](const Scales(&by)[2]) {  // merge()'s first half
#pragma unroll
        for (int panel = 0; panel < kPanels; ++panel) {
#pragma unroll
          for (int d = 0; d < 8; ++d) {
#pragma unroll
            for (int e = 0; e < 4; ++e) {
              o[panel][d][e] = __fmul_rn(o[panel][d][e], by[e / 2].old);
              asm volatile("" : "+f"(o[panel][d][e]));  // here, not behind the products
            }
          }
        }
      };
      // The chunk's tile and, unless it is the rows' last, the scores of the next.
      const auto step = [&](auto is_first, auto following) {
        constexpr bool kFirst = decltype(is_first)::value;
        constexpr bool kNext = decltype(following)::value != kNothing;
        constexpr bool kNextBegins = decltype(following)::value == kNextChunk;
        const int place = block.place(n);
        const int next_place = block.place(n + 1);
        std::uint32_t weights[kTile / 16][4];
        pack_weights<2>(weights, s);
        const Scales by[2] = {scales[0], scales[1]};
        if constexpr (!kNext || kNextBegins) {
#pragma unroll
          for (int h = 0; h < 2; ++h) {
            chunk_m[h] = m[h];
            chunk_l[h] = l[h];
          }
        }
        take_turn(group);
        if constexpr (kNext) {
          barrier_wait(block.full(next_place, kKeys), block.parity(n + 1));
          multiply_keys(next_place);
        } else if (!kFp8 && u.tokens_of(tile) < kTile) {
          clear_values<D>(block.tile(place, kValues), u.tokens_of(tile), group, thread);
        }
        float fresh[kPanels][8][4];
        const std::uint64_t values = matrix_at(block.tile(place, kValues), kTilePanelBytes);
        group_begin();
#pragma unroll
        for (int i = 0; i < kTile / 16; ++i) {
          const std::uint32_t at = static_cast<std::uint32_t>(i) * 16 * kRowBytes;
          group_multiply_add_values(kFirst ? o : fresh, weights[i], matrix_moved(values, at), i == 0);
        }
        group_commit();
        give_turn(group);
        const int next = block.after(tile);
        if constexpr (kNext) {
          group_wait<1>();
          release(next_place, kKeys);
          weigh_tile(next, std::bool_constant<kNextBegins>{});
          if constexpr (!kFirst) scale_sum(by);
          barrier_wait(block.full(next_place, kValues), block.parity(n + 1));
        }
        if constexpr (!kFirst && !kNext) scale_sum(by);
        group_wait<0>();
        release(place, kValues);
        if constexpr (kNext) sum_tile(std::bool_constant<kNextBegins>{});
        if constexpr (!kFirst) {
#pragma unroll
          for (int panel = 0; panel < kPanels; ++panel) {
#pragma unroll
            for (int d = 0; d < 8; ++d) {
#pragma unroll
              for (int e = 0; e < 4; ++e) o[panel][d][e] = __fmaf_rn(fresh[panel][d][e], by[e / 2].fresh, o[panel][d][e]);
            }
          }
        }
        tile = next;
        ++n;
      };
      const int chunk = tile / kChunkTiles;
      const bool ends = (chunk + 1) * kChunkTiles >= rows.tiles;  // the rows
      const int last = min((chunk + 1) * kChunkTiles, rows.tiles) - 1;
      if (tile < last) {
        step(std::true_type{}, std::integral_constant<Following, kNextTile>{});
        while (tile < last) step(std::false_type{}, std::integral_constant<Following, kNextTile>{});
        if (block.after(tile) < rows.tiles) {
          step(std::false_type{}, std::integral_constant<Following, kNextChunk>{});
        } else {
          step(std::false_type{}, std::integral_constant<Following, kNothing>{});
        }
      } else {
        step(std::true_type{}, std::integral_constant<Following, kNothing>{});
      }

      // Into what there is of the rows so far.
      float4* const mine = &shared.o[group][0][thread];
      float4 old[D / 8];
      float4 ml{kNone, kNone, 0, 0};
      if (chunk > 0) {
        if (team) {
          if (thread == 0) barrier_expect(shared_address(&shared.come[group]), kGroupThreads * (D / 8 + 1) * sizeof(float4));
          wait_for_cluster(shared_address(&shared.come[group]), static_cast<std::uint32_t>(taken % 2));
          ++taken;
        }
#pragma unroll
        for (int d = 0; d < D / 8; ++d) old[d] = mine[d * kGroupThreads];
        ml = shared.ml[group][thread];
      } else {
#pragma unroll
        for (int d = 0; d < D / 8; ++d) old[d] = float4{};
      }
      const Scales by[2] = {scales_of(ml.x, chunk_m[0]), scales_of(ml.y, chunk_m[1])};
      ml.z = merge(ml.z, chunk_l[0], by[0]);
      ml.w = merge(ml.w, chunk_l[1], by[1]);
#pragma unroll
      for (int d = 0; d < D / 8; ++d) {
        const float(&x)[4] = o[d / 8][d % 8];
        old[d] = {merge(old[d].x, x[0], by[0]), merge(old[d].y, x[1], by[0]), merge(old[d].z, x[2], by[1]),
                  merge(old[d].w, x[3], by[1])};
      }
      if (ends) {
        store_rows<D>(p, u, group * kGroupRows, thread / 32, old, ml);
      } else if (team) {
        // It has read what came before: what it sent since was made of that.
        const std::uint32_t to = of_block(shared_address(mine), 1 - block.rank);
        const std::uint32_t barrier = of_block(shared_address(&shared.come[group]), 1 - block.rank);
#pragma unroll
        for (int d = 0; d < D / 8; ++d)
          send(to + static_cast<std::uint32_t>(d * kGroupThreads * sizeof(float4)), old[d], barrier);
        send(of_block(shared_address(&shared.ml[group][thread]), 1 - block.rank), ml, barrier);
      } else {
#pragma unroll
        for (int d = 0; d < D / 8; ++d) mine[d * kGroupThreads] = old[d];
        shared.ml[group][thread] = ml;
      }
    }
    // Tiles that only the other group's rows see.
    for (; tile < u.tiles; ++n) {
      const int place = block.place(n);
      for (const int which : {kKeys, kValues}) {
        barrier_wait(block.full(place, which), block.parity(n));
        release(place, which);
      }
      take_turn(group);
      give_turn(group);
      tile = block.after(tile);
    }
  });
}

template <int D, bool kFp8>
__global__ __launch_bounds__((1 + kGroups) * kGroupThreads,
                             1) void prefill_kernel(const __grid_constant__ AttentionParameters p,
                                                    const __grid_constant__ CUtensorMap map) {
  extern __shared__ __align__(kTileAlignment) unsigned char memory[];
  Shared<D, kFp8>& shared = *reinterpret_cast<Shared<D, kFp8>*>(memory);
  const auto thread = static_cast<int>(threadIdx.x);
  const int group = __shfl_sync(~0u, thread / kGroupThreads, 0);  // the compiler sees that a warp has one
  let_successor_start();
  if (thread == 0) {
    for (int i = 0; i < shared.kRing; ++i) {
      for (int which = 0; which < 2; ++which) {
        barrier_init(shared_address(&shared.full[i][which]), kFp8 ? kBringers : 1);
        barrier_init(shared_address(&shared.empty[i][which]), kGroups * kGroupWarps);
      }
    }
    for (int i = 0; i < 2; ++i) {
      barrier_init(shared_address(&shared.come[i]), 1);
      barrier_init(shared_address(&shared.unit_full[i]), 1);
      barrier_init(shared_address(&shared.unit_empty[i]), (kFp8 ? kBringers : 1) * 32 + kGroups * kGroupThreads);
    }
    if constexpr (kFp8) {
      for (int i = 0; i < shared.codes.kRing; ++i) {
        barrier_init(shared_address(&shared.codes.full[i]), 1);
        barrier_init(shared_address(&shared.codes.empty[i]), kBringers);
      }
    }
    barrier_init_fence();
  }
  Cluster<kTeam> cluster;
  cluster.sync();
  if (!p.beside) wait_for_predecessor();
  const int units = p.step.work.counts->prefill * p.kv_heads;
  const bool team = units <= static_cast<int>(gridDim.x) / kTeam;
  const Block<D, kFp8> block{p, shared, team, static_cast<int>(blockIdx.x) % kTeam, units};
  if (group == 0) {
    give_registers<D == 64 ? 40 : 24>();
    if constexpr (kFp8) {
      if (thread < 32) {
        bring_codes<D>(block, &map);
      } else {
        convert_tiles<D>(block, thread / 32 - 1);
      }
    } else {
      if (thread < 64) bring_tiles<D>(block, &map, thread / 32);
    }
  } else {
    take_registers<D == 64 ? 232 : 240>();
    compute(block, group - 1, thread % kGroupThreads);
  }
  if (p.beside) wait_for_predecessor();
}

}  // namespace

template <int D, bool kFp8>
void launch_group_prefill(const AttentionParameters& p, const CUtensorMap& map, Stream stream) {
  allow_all_shared_memory<prefill_kernel<D, kFp8>>();
  launch_clusters("prefill attention", prefill_kernel<D, kFp8>, kTeam,
                  dim3(static_cast<unsigned>(card().multiprocessors / kTeam * kTeam)), dim3((1 + kGroups) * kGroupThreads),
                  sizeof(Shared<D, kFp8>), stream, p, map);
}

template void launch_group_prefill<64, false>(const AttentionParameters&, const CUtensorMap&, Stream);
template void launch_group_prefill<64, true>(const AttentionParameters&, const CUtensorMap&, Stream);
template void launch_group_prefill<128, false>(const AttentionParameters&, const CUtensorMap&, Stream);
template void launch_group_prefill<128, true>(const AttentionParameters&, const CUtensorMap&, Stream);

}  // namespace tokenyard::kernels
