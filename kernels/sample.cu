#include "kernels/sample.h"

#include <algorithm>
#include <stdexcept>

#include "core/base/sampling.h"
#include "kernels/async_copy.cuh"
#include "kernels/cluster.cuh"
#include "kernels/launch.cuh"
#include "kernels/vector.cuh"

namespace tokenyard::kernels {
namespace {

constexpr int kThreads = 512;
constexpr int kWarps = kThreads / 32;
// A threshold is found digit by digit, from a histogram each: 11, 11 and 10 bits of an order. The order of a bf16 number says
// nothing in its lower 16 bits, so two digits do for it.
constexpr int kDigitBits = 11;
constexpr int kBins = 1 << kDigitBits;
constexpr int kFirstShift = 32 - kDigitBits;
constexpr int kLastShift = kFirstShift - 2 * kDigitBits;  // -1: the last digit has ten bits
constexpr int kLastShiftOfBf16 = kFirstShift - kDigitBits;
constexpr int kPartBits = 14;  // a mass, below 2^41, is summed in three parts: 2^14 x 2^17 tokens of a block stay below 2^32
constexpr int kParts = 3;
constexpr std::uint32_t kMostCandidates = 256;  // of a block, for top_k
constexpr std::int32_t kMostIds = 800'000;
constexpr std::uint16_t kMinusInfinity = 0xff80;
constexpr std::uint16_t kExponent = 0x7f80;  // of a bf16; all ones: an infinity or no number

struct Candidate {
  float logit;
  std::int32_t id;
};

// A block's own memory, beside what holds its share of the row. Blocks of the cluster read each other's histogram, share,
// share_total and published.
template <int Blocks>
struct Shared {
  static constexpr int kShares = std::max(Blocks, kBins / kThreads);  // that the bins of a histogram are divided into
  static constexpr int kOwned = kShares / Blocks;                     // of these a block's
  static constexpr int kShareBins = kBins / kShares;
  alignas(16) std::uint32_t histogram[kParts][kBins];
  std::uint64_t warp_values[kWarps];
  std::uint64_t published[2];
  std::uint64_t share[kOwned][kShareBins];  // this block's shares of the cluster's histogram
  std::uint64_t share_total[kOwned];
  std::uint64_t above;
  std::uint32_t digit;
  std::uint32_t best_order;      // of the block's best score so far
  std::uint32_t num_candidates;  // more than there is room for: none is used
  Candidate candidates[kMostCandidates];
};

__device__ std::uint64_t larger(std::uint64_t a, std::uint64_t b) { return a > b ? a : b; }

// ---- The logits of a row, or a block's share of them

// What takes no part in sampling: padding, what is not finite, masked tokens. It reads as minus infinity.
__device__ std::uint16_t clean_bits(const Sample& args, std::int64_t row, std::int32_t id) {
  const auto bits = reinterpret_cast<const std::uint16_t*>(args.logits)[row * args.stride + id];
  return id >= args.num_ids || (bits & kExponent) == kExponent ? kMinusInfinity : bits;
}
// Whether some of eight logits, of which the first is token `id`, may take no part, masks aside.
__device__ bool is_special(const Sample& args, const uint4& bits, std::int32_t id) {
  // Two logits a word: adding the exponent's lowest bit to an exponent of ones carries into the sign's place.
  const auto carried = [](std::uint32_t word) { return (word & 0x10001u * kExponent) + 0x10001u * 0x80u; };
  const std::uint32_t ones = carried(bits.x) | carried(bits.y) | carried(bits.z) | carried(bits.w);
  return (ones & 0x10001u * 0x8000u) != 0 || id + kVector > args.num_ids;
}

// What both forms are: tokens first_id() .. first_id() + 8 vectors() - 1 of the row. load(at), at a multiple of 8, gives eight
// logits from token first_id() + at on. All threads of the block call fetch() before, and unmask() to take the masks away.
struct Share {
  const Sample& args;
  std::int64_t row;
  std::int32_t first_masked;
  std::int32_t num_masked;
  std::int32_t first_id;
  std::int32_t vectors;

  // Of `blocks` equal shares number `rank`.
  __device__ Share(const Sample& the_args, const SampleRow& params, std::int64_t the_row, int rank, int blocks)
      : args(the_args), row(the_row), first_masked(params.first_masked), num_masked(params.num_masked) {
    const std::int32_t all = args.stride / kVector;
    const std::int32_t share = (all + blocks - 1) / blocks;
    const std::int32_t first = min(all, rank * share);
    first_id = first * kVector;
    vectors = min(all - first, share);
  }
  template <class F>
  __device__ void for_each_vector(const F& f) const {
    for (std::int32_t v = static_cast<std::int32_t>(threadIdx.x); v < vectors; v += kThreads) f(v * kVector);
  }
  template <class F>
  __device__ void for_each_masked(const F& f) const {
    for (std::int32_t i = static_cast<std::int32_t>(threadIdx.x); i < num_masked; i += kThreads) {
      const std::int32_t id = args.masked_ids[first_masked + i];
      if (id >= first_id && id < first_id + vectors * kVector) f(id);
    }
  }
};

// Kept in shared memory, so that they are read from global memory once.
template <int Blocks>
class SharedLogits : public Share {
 public:
  // A block's bytes of shared memory.
  static std::int32_t bytes(std::int32_t stride) {
    return (stride / kVector + Blocks - 1) / Blocks * kVector * static_cast<std::int32_t>(sizeof(Bf16));
  }
  __device__ SharedLogits(const Share& share, void* memory) : Share(share), slice_(static_cast<Bf16*>(memory)) {}

  __device__ uint4 load(std::int32_t at) const { return *reinterpret_cast<const uint4*>(slice_ + at); }
  __device__ void fetch() {
    const Bf16* const from = args.logits + row * args.stride + first_id;
    for_each_vector([&](std::int32_t at) { copy_async(slice_ + at, from + at); });
    wait_for_copies();
    // What takes no part becomes minus infinity once, here.
    for_each_vector([&](std::int32_t at) {
      if (!is_special(args, *reinterpret_cast<const uint4*>(slice_ + at), first_id + at)) return;
      for (std::int32_t id = first_id + at; id < first_id + at + kVector; ++id) *bits_at(id) = clean_bits(args, row, id);
    });
    if (num_masked > 0) {
      __syncthreads();
      for_each_masked([&](std::int32_t id) { *bits_at(id) = kMinusInfinity; });
      __syncthreads();
    }
  }
  __device__ void unmask() {
    __syncthreads();  // everybody is done with the masked logits
    for_each_masked([&](std::int32_t id) { *bits_at(id) = clean_bits(args, row, id); });
    __syncthreads();
  }

 private:
  __device__ std::uint16_t* bits_at(std::int32_t id) { return reinterpret_cast<std::uint16_t*>(slice_) + id - first_id; }

  Bf16* slice_;
};

// Read from global memory each time; shared memory has a bit for each token, set if it is masked.
class GlobalLogits : public Share {
 public:
  static std::int32_t bytes(std::int32_t stride) { return words(stride / kVector) * 4; }
  __device__ GlobalLogits(const Share& share, void* memory)
      : Share(share), masks_(static_cast<std::uint32_t*>(memory)), masked_(share.num_masked > 0) {}

  __device__ uint4 load(std::int32_t at) const { return cleaned(at, *reinterpret_cast<const uint4*>(place(at))); }
  __device__ void fetch() {
    if (!masked_) return;
    for (std::int32_t i = static_cast<std::int32_t>(threadIdx.x); i < words(vectors); i += kThreads) masks_[i] = 0;
    __syncthreads();
    for_each_masked([&](std::int32_t id) { atomicOr(masks_ + (id - first_id) / 32, 1u << (id - first_id) % 32); });
    __syncthreads();
  }
  __device__ void unmask() {
    __syncthreads();
    masked_ = false;
  }

 private:
  __device__ const Bf16* place(std::int32_t at) const { return args.logits + row * args.stride + first_id + at; }
  __device__ uint4 cleaned(std::int32_t at, const uint4& bits) const {
    const std::uint32_t mask = masked_ ? reinterpret_cast<const std::uint8_t*>(masks_)[at / kVector] : 0;
    if (mask == 0 && !is_special(args, bits, first_id + at)) return bits;
    const auto cleaned_word = [&](std::uint32_t word, int first) {
      for (int half = 0; half < 2; ++half) {
        const int i = first + half;
        const std::uint32_t exponent = std::uint32_t{kExponent} << 16 * half;
        if ((mask >> i & 1) != 0 || (word & exponent) == exponent || first_id + at + i >= args.num_ids) {
          word = (word & 0xffff0000u >> 16 * half) | std::uint32_t{kMinusInfinity} << 16 * half;
        }
      }
      return word;
    };
    return make_uint4(cleaned_word(bits.x, 0), cleaned_word(bits.y, 2), cleaned_word(bits.z, 4), cleaned_word(bits.w, 6));
  }
  static __host__ __device__ std::int32_t words(std::int32_t vectors) { return (vectors + 3) / 4; }

  std::uint32_t* masks_;
  bool masked_;
};

// ---- A row

// One block has a row for itself, where there are no clusters or their shared memory is too small.
class Alone {
 public:
  __device__ int rank() const { return 0; }
  __device__ void sync() { __syncthreads(); }
  template <class T>
  __device__ T* of(T* mine, int) {
    return mine;
  }
};
template <int Blocks>
struct Means {
  using Group = Cluster<Blocks>;
  using Logits = SharedLogits<Blocks>;
};
template <>
struct Means<1> {
  using Group = Alone;
  using Logits = GlobalLogits;
};

// One group of blocks works on one row, each on a share of it. All sums and maxima are of integers: who adds what first does
// not matter, so neither do the number of blocks and where the logits are.
template <int Blocks>
class Row {
 public:
  using Logits = typename Means<Blocks>::Logits;

  __device__ Row(const Sample& args, Shared<Blocks>& shared, void* memory, std::int64_t row)
      : args_(args),
        shared_(shared),
        row_(row),
        params_(args.rows[row]),
        logits_(Share(args, params_, row, group_.rank(), Blocks), memory),
        first_id_(logits_.first_id),
        penalised_(params_.repetition_penalty != 1.0f) {}

  __device__ void run() {
    logits_.fetch();
    const std::uint64_t top = best_logit();
    std::int32_t token = -1;
    if (static_cast<std::uint32_t>(top >> 32) > sampling::kLeastOrder) {
      token = params_.temperature == 0.0f ? sampling::id_of(top) : draw(top);
    }
    if (leads()) {
      args_.tokens[row_] = token;
      if (params_.seen_row >= 0 && token >= 0) atomicOr(seen_words_of_row() + token / 32, 1u << token % 32);
    }
    if (params_.logprobs >= 0 && token >= 0) report_logprobs(token);
    group_.sync();  // nobody leaves while another reads its memory
  }

 private:
  // f(at, bits of eight logits) for each of the share.
  template <class F>
  __device__ void for_each_vector(const F& f) const {
    logits_.for_each_vector([&](std::int32_t at) { f(at, logits_.load(at)); });
  }

  // f(logit, id) for each of the share, penalised or raw.
  template <bool Raw, class F>
  __device__ void for_each_logit(const F& f) {
    for_each_vector([&](std::int32_t at, const uint4& bits) {
      const Floats x = Raw ? floats_of(bits) : penalised(at, bits);
      for (int i = 0; i < kVector; ++i) f(x.value[i], first_id_ + at + i);
    });
  }

  static __device__ Floats floats_of(const uint4& bits) { return load(reinterpret_cast<const Bf16*>(&bits)); }
  __device__ Floats penalised(std::int32_t at, const uint4& bits) const {
    Floats x = floats_of(bits);
    if (penalised_) {
      const auto* const bytes = reinterpret_cast<const std::uint8_t*>(seen_words_of_row());
      const std::uint32_t seen = bytes[(first_id_ + at) / 8];
      for (int i = 0; i < kVector; ++i) {
        if (seen >> i & 1) x.value[i] = penalised(x.value[i]);
      }
    }
    return x;
  }
  // The greatest of eight, two at a time.
  __device__ float greatest_of(std::int32_t at, const uint4& bits) const {
    if (penalised_) {
      const Floats x = penalised(at, bits);
      float most = x.value[0];
      for (int i = 1; i < kVector; ++i) most = fmaxf(most, x.value[i]);
      return most;
    }
    const auto* const pairs = reinterpret_cast<const __nv_bfloat162*>(&bits);
    const float2 most = __bfloat1622float2(__hmax2(__hmax2(pairs[0], pairs[1]), __hmax2(pairs[2], pairs[3])));
    return fmaxf(most.x, most.y);
  }
  __device__ float penalised(float logit) const {
    return sampling::cleaned(sampling::penalized(logit, params_.repetition_penalty));
  }

  __device__ std::uint32_t* seen_words_of_row() const {
    return args_.seen + std::int64_t{params_.seen_row} * seen_words(args_.stride);
  }
  __device__ bool leads() const { return group_.rank() == 0 && threadIdx.x == 0; }

  // Keeps what is at least `floor` beside, if that is little.
  __device__ void narrow(float floor) {
    if (threadIdx.x == 0) shared_.num_candidates = 0;
    __syncthreads();
    for_each_logit<false>([&](float logit, std::int32_t id) {
      if (logit < floor) return;
      const std::uint32_t place = atomicAdd(&shared_.num_candidates, 1u);
      if (place < kMostCandidates) shared_.candidates[place] = {logit, id};
    });
    __syncthreads();
    narrowed_ = shared_.num_candidates <= kMostCandidates;
  }
  // f(logit, id) for each that was kept, or for all of the share; penalised.
  template <class F>
  __device__ void for_each_candidate(const F& f) {
    if (!narrowed_) return for_each_logit<false>(f);
    for (std::uint32_t i = threadIdx.x; i < shared_.num_candidates; i += kThreads) {
      f(shared_.candidates[i].logit, shared_.candidates[i].id);
    }
  }

  // Also leaves each thread's own greatest in thread_order_.
  __device__ std::uint64_t best_logit() {
    float best = sampling::logit_of(sampling::kLeastOrder);
    std::int32_t best_at = -1;
    for_each_vector([&](std::int32_t at, const uint4& bits) {
      const float most = greatest_of(at, bits);
      if (most > best) {
        best = most;
        best_at = at;
      }
    });
    std::int32_t best_id = 0;
    if (best_at >= 0) {
      const Floats x = penalised(best_at, logits_.load(best_at));
      for (int i = kVector - 1; i >= 0; --i) {
        if (x.value[i] == best) best_id = first_id_ + best_at + i;
      }
    }
    thread_order_ = sampling::order_of(best);
    return over_group(sampling::key_of(best, best_id), larger);
  }

  // The value that `join` makes of every thread's, the same everywhere.
  template <class Join>
  __device__ std::uint64_t over_group(std::uint64_t value, const Join& join) {
    for (int distance = 16; distance > 0; distance /= 2) value = join(value, __shfl_xor_sync(~0u, value, distance));
    if (threadIdx.x % 32 == 0) shared_.warp_values[threadIdx.x / 32] = value;
    __syncthreads();
    // Two places by turns: the one of two calls ago has been read by everybody.
    std::uint64_t* const place = &shared_.published[turn_];
    turn_ ^= 1;
    if (threadIdx.x < 32) {
      value = shared_.warp_values[threadIdx.x % kWarps];
      for (int distance = kWarps / 2; distance > 0; distance /= 2) value = join(value, __shfl_xor_sync(~0u, value, distance));
      if (threadIdx.x == 0) *place = value;
    }
    group_.sync();
    value = *group_.of(place, 0);
    for (int block = 1; block < Blocks; ++block) value = join(value, *group_.of(place, block));
    return value;
  }

  struct Sums {
    std::uint64_t until;  // over this thread and those before it
    std::uint64_t total;  // over the block
  };
  __device__ Sums sum_until(std::uint64_t value) {
    for (int distance = 1; distance < 32; distance *= 2) {
      const std::uint64_t other = __shfl_up_sync(~0u, value, distance);
      if (static_cast<int>(threadIdx.x) % 32 >= distance) value += other;
    }
    __syncthreads();  // what an earlier call left has been read
    if (threadIdx.x % 32 == 31) shared_.warp_values[threadIdx.x / 32] = value;
    __syncthreads();
    Sums out{value, 0};
    for (int warp = 0; warp < kWarps; ++warp) {
      if (warp < static_cast<int>(threadIdx.x) / 32) out.until += shared_.warp_values[warp];
      out.total += shared_.warp_values[warp];
    }
    return out;
  }

  // The largest threshold such that the elements at or above it measure at least target_of(total) together; if all of them
  // measure less, something at most kLeastOrder. `for_each(visit)` calls visit(order, measure) with `measure()` the element's
  // measure, below 2^(14 Parts).
  template <int Parts, class ForEach, class TargetOf>
  __device__ std::uint32_t find_threshold(const ForEach& for_each, const TargetOf& target_of) {
    Digits digits{};
    for (int shift = kFirstShift; shift >= (penalised_ ? kLastShift : kLastShiftOfBf16); shift -= kDigitBits) {
      const int low = shift < 0 ? 0 : shift;
      fill_histogram<Parts>(for_each, digits, low);
      sum_shares<Parts>();
      if (!find_digit(digits, low, target_of)) return 0;
    }
    return digits.prefix;
  }

  // What is known of a threshold.
  struct Digits {
    std::uint32_t prefix;  // its upper bits
    std::uint32_t known;   // which bits these are, as a mask
    std::uint64_t above;   // the measure of all elements with a greater prefix
    std::uint64_t target;
  };

  // The elements that share the bits known so far, by their next digit, which begins at bit `low`.
  template <int Parts, class ForEach>
  __device__ void fill_histogram(const ForEach& for_each, const Digits& digits, int low) {
    for (int i = static_cast<int>(threadIdx.x); i < Parts * kBins; i += kThreads) shared_.histogram[0][i] = 0;
    __syncthreads();
    for_each([&](std::uint32_t order, const auto& measure) {
      if ((order & digits.known) != digits.prefix) return;
      const std::uint32_t bin = (order & ~digits.known) >> low;
      const std::uint64_t amount = measure();
      for (int part = 0; part < Parts; ++part) {
        const auto piece = static_cast<std::uint32_t>(amount >> part * kPartBits) & ((1u << kPartBits) - 1);
        if (piece != 0) atomicAdd(&shared_.histogram[part][bin], piece);
      }
    });
    group_.sync();
  }

  // Each block sums its shares of the bins over the group.
  static constexpr int kShareBins = Shared<Blocks>::kShareBins;
  static constexpr int kOwned = Shared<Blocks>::kOwned;
  static_assert(kShareBins <= kThreads);
  template <int Parts>
  __device__ void sum_shares() {
    const int thread = static_cast<int>(threadIdx.x);
    for (int owned = 0; owned < kOwned; ++owned) {
      std::uint64_t mine = 0;
      if (thread < kShareBins) {
        const int bin = (group_.rank() * kOwned + owned) * kShareBins + thread;
        for (int block = 0; block < Blocks; ++block) {
          for (int part = 0; part < Parts; ++part) {
            mine += std::uint64_t{*group_.of(&shared_.histogram[part][bin], block)} << part * kPartBits;
          }
        }
        shared_.share[owned][thread] = mine;
      }
      const std::uint64_t share_total = sum_until(mine).total;
      if (thread == 0) shared_.share_total[owned] = share_total;
    }
    group_.sync();
  }

  // Adds the digit of the bin in which the target lies, counted from the greatest. False, for every thread, if all elements
  // measure less; only the first digit can find that.
  template <class TargetOf>
  __device__ bool find_digit(Digits& digits, int low, const TargetOf& target_of) {
    // A lane has a share: its total, and that of it and all greater ones.
    constexpr int kShares = Shared<Blocks>::kShares;
    static_assert(kShares <= 32);
    const int lane = static_cast<int>(threadIdx.x % 32);
    const int of_lane = min(lane, kShares - 1);
    const std::uint64_t of_share = lane < kShares ? *group_.of(&shared_.share_total[of_lane % kOwned], of_lane / kOwned) : 0;
    std::uint64_t from_share = of_share;
    for (int distance = 1; distance < kShares; distance *= 2) from_share += __shfl_down_sync(~0u, from_share, distance);
    const std::uint64_t total = __shfl_sync(~0u, from_share, 0);
    if (digits.known == 0) digits.target = target_of(total);
    if (digits.above + total < digits.target) return false;
    const int share =
        31 - __clz(static_cast<int>(__ballot_sync(~0u, lane < kShares && digits.above + from_share >= digits.target)));
    digits.above += __shfl_sync(~0u, from_share - of_share, share);
    // The first thread has the greatest bin.
    const int bin = kShareBins - 1 - static_cast<int>(threadIdx.x);
    const std::uint64_t mine = bin >= 0 ? *group_.of(&shared_.share[share % kOwned][max(bin, 0)], share / kOwned) : 0;
    const std::uint64_t until = digits.above + sum_until(mine).until;
    if (until - mine < digits.target && until >= digits.target) {
      shared_.digit = static_cast<std::uint32_t>(share * kShareBins + bin);
      shared_.above = until - mine;
    }
    __syncthreads();
    digits.prefix |= shared_.digit << low;
    digits.known |= ~0u << low;
    digits.above = shared_.above;
    return true;
  }

  // The token that the cuts and the noise choose. `top` is the greatest logit's key.
  __device__ std::int32_t draw(std::uint64_t top) {
    const float greatest = sampling::value_of(top);
    const float temperature = params_.temperature;
    std::uint32_t threshold = sampling::kLeastOrder + 1;
    if (params_.top_k > 0) {
      const auto k = static_cast<std::uint64_t>(params_.top_k);
      const auto one = [] { return std::uint64_t{1}; };
      const auto target = [&](std::uint64_t) { return k; };
      // The k-th of the threads' own greatest logits is not above the k-th of all: what is below it is out.
      const float floor = sampling::logit_of(max(threshold, find_threshold<1>(
                                                                [&](const auto& visit) {
                                                                  if (thread_order_ >= threshold) visit(thread_order_, one);
                                                                },
                                                                target)));
      narrow(floor);
      threshold = max(threshold, find_threshold<1>(
                                     [&](const auto& visit) {
                                       for_each_candidate([&](float logit, std::int32_t) {
                                         if (logit >= floor) visit(sampling::order_of(logit), one);
                                       });
                                     },
                                     target));
    }
    if (params_.top_p < 1.0f) {
      const float least = sampling::logit_of(threshold);
      const auto masses = [&](const auto& visit) {
        for_each_candidate([&](float logit, std::int32_t) {
          if (logit < least) return;
          visit(sampling::order_of(logit), [&] { return sampling::mass(sampling::scaled(logit, greatest, temperature)); });
        });
      };
      const auto target = [&](std::uint64_t total) { return larger(1, sampling::share_of(total, params_.top_p)); };
      threshold = max(threshold, find_threshold<kParts>(masses, target));
    }
    return best_score(top, sampling::logit_of(threshold));
  }

  // Gumbel-max over the logits that are at least `least`; `top` is the key of the greatest. Noise is dear and only one token
  // wins. As v >= 2^-(z+1) for a word with z leading zeros, g <= ln 2 (z + 1). So a logit needs some number of leading zeros to
  // reach the best score so far, and eight logits need at least what the greatest of them needs. Few words have that many, and
  // only their logits are scored.
  __device__ std::int32_t best_score(std::uint64_t top, float least) {
    const float greatest = sampling::value_of(top);
    const auto position = static_cast<std::uint32_t>(params_.position);
    std::uint64_t best = 0;
    const auto score = [&](float logit, std::uint32_t word, std::int32_t id) {
      const float scaled = sampling::scaled(logit, greatest, params_.temperature);
      if (logit < least || (params_.min_p > 0.0f && sampling::weight(scaled) < params_.min_p)) return;
      const std::uint64_t key = sampling::key_of(sampling::score(scaled, word), id);
      best = larger(best, key);
      // By one lane's word for its warp, as 512 at once would queue up.
      const auto order = static_cast<std::uint32_t>(key >> 32);
      if (order == __reduce_max_sync(__activemask(), order)) atomicMax(&shared_.best_order, order);
    };
    if (threadIdx.x == 0) {
      const std::int32_t id = sampling::id_of(top);
      shared_.best_order = 0;
      score(greatest, sampling::noise(params_.seed, position, id), id);
    }
    __syncthreads();
    if (narrowed_) {
      for_each_candidate([&](float logit, std::int32_t id) { score(logit, sampling::noise(params_.seed, position, id), id); });
      return sampling::id_of(over_group(best, larger));
    }

    constexpr float kPerLn2 = 1.44269504f;
    constexpr float kTooMany = 33.0f;  // leading zeros that no word has
    // 1.5 x 2^23: what is added to it is rounded to an integer, which then stands in the low bits of the sum.
    constexpr float kRounder = 12582912.0f;
    constexpr int kRounderBits = 0x4b400000;
    constexpr float kJustBelowHalf = 0.49f;  // y + 0.49, rounded to the nearest, never exceeds the next whole number above y
    const float slope = -kPerLn2 / params_.temperature;
    for_each_vector([&](std::int32_t at, const uint4& bits) {
      const std::uint32_t best_order = *const_cast<const volatile std::uint32_t*>(&shared_.best_order);
      const float offset = sampling::logit_of(best_order) * kPerLn2 - 1.0f + kJustBelowHalf;
      const auto zeros_for = [&](float logit) { return fmaf(logit - greatest, slope, offset); };
      const auto has_zeros_for = [&](float logit, std::uint32_t word) {
        const float zeros = fminf(zeros_for(logit), kTooMany) + kRounder;
        return __clz(static_cast<int>(word)) >= __float_as_int(zeros) - kRounderBits;
      };
      const float most = greatest_of(at, bits);
      if (most < least || zeros_for(most) > kTooMany - 0.5f) return;

      const std::int32_t first = first_id_ + at;
      const auto group = static_cast<std::uint32_t>(first) / 4;
      const sampling::Words low = sampling::noise4(params_.seed, position, group);
      const sampling::Words high = sampling::noise4(params_.seed, position, group + 1);
      const auto word = [&](int i) { return i < 4 ? low.word[i] : high.word[i - 4]; };
      std::uint32_t smallest = word(0);
      for (int i = 1; i < kVector; ++i) smallest = min(smallest, word(i));
      if (!has_zeros_for(most, smallest)) return;
      const Floats x = penalised(at, bits);
      std::uint32_t hopeful = 0;
      for (int i = 0; i < kVector; ++i) hopeful |= std::uint32_t{has_zeros_for(x.value[i], word(i))} << i;
      for (; hopeful != 0; hopeful &= hopeful - 1) {
        // The first of them, found by a loop: indexing with a variable would move all of them to local memory.
        float logit = 0;
        std::uint32_t its_word = 0;
        for (int i = kVector - 1; i >= 0; --i) {
          if (hopeful >> i & 1) {
            logit = x.value[i];
            its_word = word(i);
          }
        }
        score(logit, its_word, first + __ffs(static_cast<int>(hopeful)) - 1);
      }
    });
    return sampling::id_of(over_group(best, larger));
  }

  __device__ void report_logprobs(std::int32_t token) {
    logits_.unmask();
    std::uint64_t best = 0;  // this thread's greatest of those not yet reported
    const auto rescan = [&](std::uint64_t below) {
      best = 0;
      for_each_logit<true>([&](float logit, std::int32_t id) {
        const std::uint64_t key = sampling::key_of(logit, id);
        if (key < below && id < args_.num_ids) best = larger(best, key);
      });
    };
    rescan(~std::uint64_t{0});
    std::uint64_t next = over_group(best, larger);
    const float greatest = sampling::value_of(next);
    const auto bits = static_cast<std::uint32_t>(clean_bits(args_, row_, token));
    const std::uint64_t chosen = sampling::key_of(__uint_as_float(bits << 16), token);
    std::uint64_t mass = 0;
    std::uint64_t ahead = 0;
    for_each_logit<true>([&](float logit, std::int32_t id) {
      mass += sampling::mass(sampling::scaled(logit, greatest, 1.0f));
      ahead += sampling::key_of(logit, id) > chosen;
    });
    const auto sum = [](std::uint64_t a, std::uint64_t b) { return a + b; };
    mass = over_group(mass, sum);
    ahead = over_group(ahead, sum);
    const auto logprob_of = [&](std::uint64_t key) {
      return sampling::logprob(sampling::scaled(sampling::value_of(key), greatest, 1.0f), mass);
    };
    if (leads()) {
      args_.logprobs[row_] = logprob_of(chosen);
      args_.ranks[row_] = static_cast<std::int32_t>(ahead) + 1;
    }
    for (std::int32_t i = 0; i < min(params_.logprobs, args_.num_ids); ++i) {
      if (i > 0) {
        if (best == next) rescan(next);  // only the thread that had it
        next = over_group(best, larger);
      }
      if (leads()) {
        args_.top_tokens[row_ * args_.top_capacity + i] = sampling::id_of(next);
        args_.top_logprobs[row_ * args_.top_capacity + i] = logprob_of(next);
      }
    }
  }

  const Sample& args_;
  Shared<Blocks>& shared_;
  const std::int64_t row_;
  const SampleRow params_;
  typename Means<Blocks>::Group group_;
  Logits logits_;
  const std::int32_t first_id_;
  const bool penalised_;
  bool narrowed_ = false;
  int turn_ = 0;
  std::uint32_t thread_order_ = 0;
};

template <int Blocks>
// With eight blocks a row there are few rows, and a multiprocessor has one of their blocks at most.
__global__ void __launch_bounds__(kThreads, Blocks == 8 ? 1 : 2) sample_kernel(const Sample args) {
  extern __shared__ __align__(16) unsigned char memory[];
  __shared__ Shared<Blocks> shared;
  wait_for_predecessor();
  let_successor_start();
  if constexpr (Blocks == 1 || kHasClusters) {
    const std::int64_t row = blockIdx.x / Blocks;
    if (args.rows[row].position < 0) return;  // the whole group
    Row<Blocks>(args, shared, memory, row).run();
  }
}

template <int Blocks>
bool fits(std::int32_t stride) {
  const std::size_t bytes = sizeof(Shared<Blocks>) + static_cast<std::size_t>(Means<Blocks>::Logits::bytes(stride));
  return (Blocks == 1 || card().clusters) && bytes <= static_cast<std::size_t>(card().shared_bytes);
}

template <int Blocks>
void launch_sample(const Sample& args, std::int32_t rows, Stream stream) {
  allow_all_shared_memory<sample_kernel<Blocks>>();
  const auto bytes = static_cast<std::size_t>(Means<Blocks>::Logits::bytes(args.stride));
  launch_clusters("sample", sample_kernel<Blocks>, Blocks, dim3(static_cast<unsigned>(rows * Blocks)), dim3(kThreads), bytes,
                  stream, args);
}

__global__ void mark_seen_kernel(std::uint32_t* seen, std::int32_t words, const Occurrence* occurrences, std::int32_t count) {
  wait_for_predecessor();
  const std::int32_t i = static_cast<std::int32_t>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= count) return;
  const auto [row, token] = occurrences[i];
  atomicOr(seen + std::int64_t{row} * words + token / 32, 1u << token % 32);
}

}  // namespace

void sample(const Sample& args, std::int32_t rows, Stream stream) {
  if (args.stride % kVector != 0 || args.stride > kMostIds) {
    throw std::invalid_argument("the vocabulary must be a multiple of 8 and at most 800000");
  }
  // A row gets more blocks the fewer rows there are, one where every multiprocessor has rows of its own. The tokens do not
  // depend on it: docs/kernels/sampling.md.
  const bool many = 4 * rows > 3 * card().multiprocessors;
  if (fits<8>(args.stride) && (rows <= 8 || !fits<4>(args.stride)) && !many) {
    launch_sample<8>(args, rows, stream);
  } else if (fits<4>(args.stride) && !many) {
    launch_sample<4>(args, rows, stream);
  } else if (fits<1>(args.stride)) {
    launch_sample<1>(args, rows, stream);
  } else if (fits<8>(args.stride)) {
    launch_sample<8>(args, rows, stream);
  } else {
    throw std::invalid_argument("the shared memory of the GPU is too small for so large a vocabulary");
  }
}

void mark_seen(std::uint32_t* seen, std::int32_t stride, const Occurrence* occurrences, std::int32_t count, Stream stream) {
  if (count == 0) return;
  launch("mark_seen", mark_seen_kernel, dim3(static_cast<unsigned>((count + 255) / 256)), dim3(256), 0, stream, seen,
         seen_words(stride), occurrences, count);
}

}  // namespace tokenyard::kernels
