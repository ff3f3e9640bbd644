#include "kernels/rank_norm.h"

#include <stdexcept>

#include "kernels/launch.cuh"
#include "kernels/norm.cuh"

namespace tokenyard::kernels {
namespace {

constexpr int kPacketsAThread = kVector / 2;
// From so many numbers on, two shots: what they spare of traffic is then more than their second meeting costs.
constexpr std::int64_t kTwoShotNumbers = std::int64_t{1} << 20;

__device__ __forceinline__ std::int64_t now_ns() {
  std::int64_t ns;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(ns));
  return ns;
}
__device__ __forceinline__ void store_release(std::uint32_t* to, std::uint32_t value) {
  asm volatile("st.release.sys.global.u32 [%0], %1;" ::"l"(to), "r"(value) : "memory");
}
__device__ __forceinline__ std::uint32_t load_acquire(const std::uint32_t* from) {
  std::uint32_t value;
  asm volatile("ld.acquire.sys.global.u32 %0, [%1];" : "=r"(value) : "l"(from) : "memory");
  return value;
}
__device__ __forceinline__ std::uint32_t load_volatile(const std::uint32_t* from) {
  std::uint32_t value;
  asm volatile("ld.volatile.global.u32 %0, [%1];" : "=r"(value) : "l"(from) : "memory");
  return value;
}
// Eight bytes of a packet are written and read as one, so a number comes with its flag.
__device__ __forceinline__ void store_packet(uint4* to, uint4 packet) {
  asm volatile("st.volatile.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(to), "r"(packet.x), "r"(packet.y), "r"(packet.z),
               "r"(packet.w)
               : "memory");
}
__device__ __forceinline__ uint4 load_packet(const uint4* from) {
  uint4 packet;
  asm volatile("ld.volatile.global.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(packet.x), "=r"(packet.y), "=r"(packet.z), "=r"(packet.w)
               : "l"(from)
               : "memory");
  return packet;
}

// Past the L1, which does not see what other cards write.
__device__ __forceinline__ Floats load_shared_row(const float* row, int hidden) {
  const float4 a = __ldcg(reinterpret_cast<const float4*>(row + first()));
  const float4 b = __ldcg(reinterpret_cast<const float4*>(row + hidden / 2 + first()));
  return {{a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w}};
}

// What load_row() will load.
template <class Number>
__device__ __forceinline__ void prefetch_row(const Number* row, int hidden) {
  asm volatile("prefetch.global.L1 [%0];" ::"l"(row + first()));
  asm volatile("prefetch.global.L1 [%0];" ::"l"(row + hidden / 2 + first()));
}

// Asks again and again until `there` says yes, or a rank has failed.
template <class There>
__device__ __forceinline__ void wait_for(int other, RankWatch* watch, const There& there) {
  constexpr int kTriesBetweenLooks = 256;  // the flag of failure is across the bus
  std::int64_t since = 0;
  for (int tries = 1; !there(); ++tries) {
    if (tries % kTriesBetweenLooks != 0) continue;
    if (load_volatile(&watch->failed) != 0) return;
    if (since == 0) since = now_ns();
    if (now_ns() - since > kMostWaitNs) {
      atomicCAS_system(&watch->late, 0u, 1u + static_cast<std::uint32_t>(other));
      since = now_ns();
    }
  }
}

__device__ __forceinline__ std::uint32_t* flag_of(const Mailbox& mailbox, int site, int phase, int rank) {
  return mailbox.flags + (site * 2 + phase) * kMostCards + rank;
}

// By the first threads of one block of a rank: everything this rank has written before is there.
__device__ __forceinline__ void announce(const RankLinks& links, int site, int phase, std::uint32_t step) {
  const int r = static_cast<int>(threadIdx.x);
  if (r < links.ranks) store_release(flag_of(links.mailboxes[r], site, phase, links.rank), step);
}
// By the first threads of a block, before __syncthreads(): all ranks have announced it.
__device__ __forceinline__ void await(const RankLinks& links, int site, int phase, std::uint32_t step) {
  const int r = static_cast<int>(threadIdx.x);
  if (r >= links.ranks) return;
  const std::uint32_t* const flag = flag_of(links.mailboxes[links.rank], site, phase, r);
  wait_for(r, links.watch, [&] { return static_cast<std::int32_t>(load_acquire(flag) - step) >= 0; });
}

__global__ void next_step_kernel(std::uint32_t* step) {
  wait_for_predecessor();
  *step += 1;
}

// This thread's numbers from every rank, as a tree. Every site and step has a flag of its own; a buffer is written again two
// sites later, when its reader has shown by the site between that it is through.
template <int Ranks>
__device__ __forceinline__ Floats sum_of_packets(const RankNorm& args, const Floats& own, std::int64_t row,
                                                 std::uint32_t step) {
  const RankLinks& links = args.links;
  const std::uint32_t flag = step * static_cast<std::uint32_t>(links.sites) + static_cast<std::uint32_t>(args.site) + 1;
  const int apart = args.norm.hidden / kVector;  // a packet of every thread, then the next of every thread
  const auto packets_of = [&](int reader, int writer) {
    const std::int64_t buffer = (args.site % 2 * kMostCards + writer) * (kMostPacketNumbers / 2);
    return static_cast<uint4*>(links.mailboxes[reader].packets) + buffer + row * (args.norm.hidden / 2) + threadIdx.x;
  };
#pragma unroll
  for (int r = 0; r < Ranks; ++r) {
    if (r == links.rank) continue;
    uint4* const to = packets_of(r, links.rank);
#pragma unroll
    for (int i = 0; i < kPacketsAThread; ++i) {
      store_packet(to + i * apart,
                   make_uint4(__float_as_uint(own.value[2 * i]), flag, __float_as_uint(own.value[2 * i + 1]), flag));
    }
  }
  // Of eight ranks half of the packets at a time: their sums would not find room in registers.
  constexpr int kPacketsAtOnce = Ranks < 8 ? kPacketsAThread : kPacketsAThread / 2;
  struct Half {
    float value[2 * kPacketsAtOnce];
  };
  Floats out;
#pragma unroll
  for (int first = 0; first < kPacketsAThread; first += kPacketsAtOnce) {
    const Half sum = sum_as_tree<Ranks>([&](int r) {
      Half half;
      if (r == links.rank) {
#pragma unroll
        for (int i = 0; i < 2 * kPacketsAtOnce; ++i) half.value[i] = own.value[2 * first + i];
        return half;
      }
      const uint4* const from = packets_of(links.rank, r) + first * apart;
      uint4 packets[kPacketsAtOnce];
      wait_for(r, links.watch, [&] {
        bool all = true;
#pragma unroll
        for (int i = 0; i < kPacketsAtOnce; ++i) packets[i] = load_packet(from + i * apart);
#pragma unroll
        for (int i = 0; i < kPacketsAtOnce; ++i) all = all && packets[i].y == flag && packets[i].w == flag;
        return all;
      });
#pragma unroll
      for (int i = 0; i < kPacketsAtOnce; ++i) {
        half.value[2 * i] = __uint_as_float(packets[i].x);
        half.value[2 * i + 1] = __uint_as_float(packets[i].z);
      }
      return half;
    });
#pragma unroll
    for (int i = 0; i < 2 * kPacketsAtOnce; ++i) out.value[2 * first + i] = sum.value[i];
  }
  return out;
}

// The first row of a rank's share of `tokens`, and the end of the share of the rank before.
__host__ __device__ std::int32_t first_row_of(std::int32_t rank, std::int32_t ranks, std::int32_t tokens) {
  return static_cast<std::int32_t>(std::int64_t{tokens} * rank / ranks);
}

// One block a row, one vector a thread, as norm_kernel().
template <bool Gather, RankRoute Route, int Ranks>
__global__ void __launch_bounds__(kMaxHidden / kVector)
    rank_norm_kernel(RankNorm args, const std::int32_t* tokens_of, std::int32_t tokens) {
  const int hidden = args.norm.hidden;
  const bool inside = first() < hidden / 2;
  // Early, as no step writes it; beside packets, for which it would be in the way, only into the L1. So is the residual where
  // there are packets of more than two ranks; with two, waiting for it after them would cost a third of a microsecond.
  constexpr bool kLateWeight = Route == RankRoute::packets;
  constexpr bool kLateResidual = kLateWeight && Ranks > 2;
  Floats weight{};
  if (inside && kLateWeight) prefetch_row(args.norm.weight, hidden);
  if (inside && !kLateWeight) weight = load_row(args.norm.weight, hidden);
  const RankLinks& links = args.links;
  constexpr bool kMeets = Route == RankRoute::one_shot || Route == RankRoute::two_shot;
  constexpr bool kHere = Route == RankRoute::gathered;
  // next_step() has ended before the kernel ahead of this one let it begin.
  const std::uint32_t step = kHere ? 0 : load_volatile(links.mailboxes[links.rank].step);
  wait_for_predecessor();
  let_successor_start();
  if (kMeets && blockIdx.x == 0) announce(links, args.site, 0, step);

  const std::int32_t begin = Route == RankRoute::two_shot ? first_row_of(links.rank, Ranks, tokens) : kHere ? args.first : 0;
  const std::int32_t end =
      Route == RankRoute::two_shot ? first_row_of(links.rank + 1, Ranks, tokens) : tokens + (kHere ? args.first : 0);
  const std::int64_t row = Gather ? blockIdx.x : begin + static_cast<std::int32_t>(blockIdx.x);
  const std::int64_t token = Gather ? tokens_of[row] : row;
  const bool mine = token < 0 || (token >= begin && token < end);  // a padded row is everybody's own
  const bool adds = inside && token >= 0 && mine;
  const std::int64_t from = token * hidden;
  const std::int64_t summand = kHere ? (token - args.first) * hidden : from;
  Floats x{};
  if (adds && kLateResidual) prefetch_row(args.norm.residual + from, hidden);
  if (adds && !kLateResidual) x = load_row(args.norm.residual + from, hidden);
  if (kMeets) {
    await(links, args.site, 0, step);
    __syncthreads();
  }
  if (adds) {
    const Floats sum = Route == RankRoute::packets
                           ? sum_of_packets<Ranks>(args, load_row(args.partial[links.rank] + from, hidden), row, step)
                           : sum_as_tree<Ranks>([&](int r) { return load_shared_row(args.partial[r] + summand, hidden); });
    if (kLateResidual) x = load_row(args.norm.residual + from, hidden);
    for (int i = 0; i < kVector; ++i) x.value[i] += sum.value[i];
    if (!Gather) store_row(args.norm.residual + from, hidden, x);
  }
  if (inside && kLateWeight) weight = load_row(args.norm.weight, hidden);
  if (mine) {  // alike for all threads of the block
    normalize(x, weight, args.norm);
    if (inside && Route == RankRoute::two_shot && token >= 0) {
#pragma unroll
      for (int r = 0; r < Ranks; ++r) store_row(args.out[r] + row * hidden, hidden, x);
    } else if (inside) {
      store_row(args.norm.out + row * hidden, hidden, x);
    }
  }

  if (kHere && blockIdx.x == 0 && threadIdx.x == 0) {
    *static_cast<volatile std::uint32_t*>(&links.watch->moves) = static_cast<std::uint32_t>(now_ns());
  }
  if (Route == RankRoute::two_shot) {  // the last block of every rank sees all rows written
    __shared__ bool last;
    __syncthreads();
    if (threadIdx.x == 0) {
      __threadfence_system();
      std::uint32_t* const blocks = links.mailboxes[links.rank].blocks;
      last = atomicAdd(blocks, 1u) + 1 == gridDim.x;
      if (last) *blocks = 0;
      __threadfence_system();
    }
    __syncthreads();
    if (!last) return;
    announce(links, args.site, 1, step);
    await(links, args.site, 1, step);
  }
}

template <bool Gather, RankRoute Route>
void launch_ranks(const RankNorm& args, const std::int32_t* tokens_of, std::int32_t rows, std::int32_t tokens, Stream stream) {
  const auto run = [&](auto kernel) {
    launch("a norm over ranks", kernel, dim3(static_cast<unsigned>(rows)), norm_threads(args.norm.hidden), 0, stream, args,
           tokens_of, tokens);
  };
  switch (args.links.ranks) {
    case 1: return run(rank_norm_kernel<Gather, Route, 1>);
    case 2: return run(rank_norm_kernel<Gather, Route, 2>);
    case 4: return run(rank_norm_kernel<Gather, Route, 4>);
    case 8: return run(rank_norm_kernel<Gather, Route, 8>);
    default: throw std::invalid_argument("1, 2, 4 or 8 ranks share a model");
  }
}

template <bool Gather>
void launch_route(const RankNorm& args, const std::int32_t* tokens_of, std::int32_t rows, std::int32_t tokens, RankRoute route,
                  Stream stream) {
  switch (route) {
    case RankRoute::packets: return launch_ranks<Gather, RankRoute::packets>(args, tokens_of, rows, tokens, stream);
    case RankRoute::one_shot: return launch_ranks<Gather, RankRoute::one_shot>(args, tokens_of, rows, tokens, stream);
    case RankRoute::two_shot: return launch_ranks<Gather, RankRoute::two_shot>(args, tokens_of, rows, tokens, stream);
    case RankRoute::gathered: return launch_ranks<Gather, RankRoute::gathered>(args, tokens_of, rows, tokens, stream);
  }
}

constexpr int kLogitThreads = 256;

// A thread a vector of one rank's share, or a logit where shares are not aligned to vectors.
template <int Width, bool Here>
__global__ void gather_logits_kernel(RankLogits args) {
  wait_for_predecessor();
  let_successor_start();
  const RankLinks& links = args.links;
  if (!Here) {
    const std::uint32_t step = *links.mailboxes[links.rank].step;
    if (blockIdx.x == 0 && blockIdx.y == 0 && blockIdx.z == 0) announce(links, args.site, 0, step);
    await(links, args.site, 0, step);
    __syncthreads();
  }
  const int column = static_cast<int>(blockIdx.x * kLogitThreads + threadIdx.x) * Width;
  if (column >= args.share) return;
  const int r = static_cast<int>(blockIdx.z);
  const std::int64_t row = blockIdx.y;
  const Bf16* const from = args.shares[r] + row * args.share_stride + column;
  Bf16* const to = args.out + row * args.stride + r * args.share + column;
  if constexpr (Width == kVector) {
    *reinterpret_cast<uint4*>(to) = __ldcg(reinterpret_cast<const uint4*>(from));
  } else {
    *to = __ldcg(from);
  }
}

std::int64_t aligned(std::int64_t bytes) { return (bytes + 255) / 256 * 256; }
std::int64_t flag_bytes(std::int32_t sites) { return aligned(std::int64_t{sites} * 2 * kMostCards * 4); }
constexpr std::int64_t kPacketBytes = 2 * kMostCards * kMostPacketNumbers / 2 * static_cast<std::int64_t>(sizeof(uint4));

}  // namespace

std::int64_t Mailbox::bytes(std::int32_t sites) { return flag_bytes(sites) + kPacketBytes + 512; }

Mailbox Mailbox::in(void* memory, std::int32_t sites) {
  auto* const base = static_cast<unsigned char*>(memory);
  auto* const counters = base + flag_bytes(sites) + kPacketBytes;
  return {reinterpret_cast<std::uint32_t*>(base), base + flag_bytes(sites), reinterpret_cast<std::uint32_t*>(counters),
          reinterpret_cast<std::uint32_t*>(counters + 256)};
}

void next_step(const RankLinks& links, Stream stream) {
  launch("next_step", next_step_kernel, dim3(1), dim3(1), 0, stream, links.mailboxes[links.rank].step);
}

RankRoute route_of(std::int64_t rows, std::int32_t hidden, std::int32_t ranks) {
  if (rows * hidden <= kMostPacketNumbers) return RankRoute::packets;
  return rows >= ranks && rows * hidden >= kTwoShotNumbers ? RankRoute::two_shot : RankRoute::one_shot;
}

void add_and_norm_over_ranks(const RankNorm& args, std::int32_t tokens, RankRoute route, Stream stream) {
  const std::int32_t rows = route == RankRoute::two_shot ? first_row_of(args.links.rank + 1, args.links.ranks, tokens) -
                                                               first_row_of(args.links.rank, args.links.ranks, tokens)
                                                         : tokens;
  launch_route<false>(args, nullptr, rows, tokens, route, stream);
}

void gather_and_norm_over_ranks(const RankNorm& args, const std::int32_t* tokens_of, std::int32_t rows, std::int32_t tokens,
                                RankRoute route, Stream stream) {
  launch_route<true>(args, tokens_of, rows, tokens, route, stream);
}

void gather_logits(const RankLogits& args, std::int32_t rows, bool here, Stream stream) {
  const bool aligned = args.share % kVector == 0;
  const std::int32_t a_block = kLogitThreads * (aligned ? kVector : 1);
  const auto kernel = here ? (aligned ? gather_logits_kernel<kVector, true> : gather_logits_kernel<1, true>)
                           : (aligned ? gather_logits_kernel<kVector, false> : gather_logits_kernel<1, false>);
  launch("gathering logits", kernel,
         dim3(static_cast<unsigned>((args.share + a_block - 1) / a_block), static_cast<unsigned>(rows),
              static_cast<unsigned>(args.links.ranks)),
         dim3(kLogitThreads), 0, stream, args);
}

}  // namespace tokenyard::kernels
