#include "kernels/sample.h"

#include <cooperative_groups.h>

#include <stdexcept>

#include "core/base/sampling.h"
#include "kernels/async_copy.cuh"
#include "kernels/launch.cuh"
#include "kernels/vector.cuh"

namespace tokenyard::kernels {
namespace {

namespace cg = cooperative_groups;

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
constexpr std::int32_t kMaxSlice = 100'000;  // logits a block keeps in shared memory
constexpr std::uint16_t kMinusInfinity = 0xff80;
constexpr std::uint16_t kExponent = 0x7f80;  // of a bf16; all ones: an infinity or no number

// A block's own memory, beside its slice of the row. Blocks of the cluster read each other's histogram, share,
// share_total and published.
struct Shared {
  alignas(16) std::uint32_t histogram[kParts][kBins];
  std::uint64_t warp_values[kWarps];
  std::uint64_t published[2];
  std::uint64_t share[kThreads];  // this block's share of the cluster's histogram
  std::uint64_t share_total;
  std::uint64_t above;
  std::uint32_t digit;
  std::uint32_t best_order;  // of the block's best score so far
};

__device__ std::uint64_t larger(std::uint64_t a, std::uint64_t b) { return a > b ? a : b; }

// One cluster works on one row; each of its blocks holds a slice of the logits in shared memory, so that they are read from
// global memory once. All sums and maxima are of integers: who adds what first does not matter.
template <int Blocks>
class Row {
 public:
  __device__ Row(const Sample& args, Shared& shared, Bf16* slice, std::int64_t row)
      : args_(args), shared_(shared), slice_(slice), row_(row), params_(args.rows[row]) {
    const std::int32_t vectors = args.stride / kVector;
    const std::int32_t share = (vectors + Blocks - 1) / Blocks;
    const std::int32_t first = min(vectors, static_cast<std::int32_t>(cluster_.block_rank()) * share);
    first_id_ = first * kVector;
    vectors_ = min(vectors - first, share);
    penalised_ = params_.repetition_penalty != 1.0f;
  }

  __device__ void run() {
    fetch();
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
    cluster_.sync();  // nobody leaves while another reads its memory
  }

 private:
  // Every vector of the slice is touched by one thread only, except where masks are set.
  template <class F>
  __device__ void for_each_vector(const F& f) {
    for (std::int32_t v = static_cast<std::int32_t>(threadIdx.x); v < vectors_; v += kThreads) f(v * kVector);
  }

  // f(logit, id) for each of the slice, penalised or raw.
  template <bool Raw, class F>
  __device__ void for_each_logit(const F& f) {
    for_each_vector([&](std::int32_t at) {
      const Floats x = Raw ? load(slice_ + at) : logits_at(at);
      for (int i = 0; i < kVector; ++i) f(x.value[i], first_id_ + at + i);
    });
  }

  __device__ Floats logits_at(std::int32_t at) const {
    Floats x = load(slice_ + at);
    if (penalised_) {
      const auto* const bytes = reinterpret_cast<const std::uint8_t*>(seen_words_of_row());
      const std::uint32_t seen = bytes[(first_id_ + at) / 8];
      for (int i = 0; i < kVector; ++i) {
        if (seen >> i & 1) x.value[i] = penalised(x.value[i]);
      }
    }
    return x;
  }
  __device__ float penalised(float logit) const {
    return sampling::cleaned(sampling::penalized(logit, params_.repetition_penalty));
  }

  __device__ std::uint32_t* seen_words_of_row() const {
    return args_.seen + std::int64_t{params_.seen_row} * seen_words(args_.stride);
  }
  __device__ bool leads() const { return cluster_.block_rank() == 0 && threadIdx.x == 0; }

  __device__ std::uint16_t* bits_at(std::int32_t id) { return reinterpret_cast<std::uint16_t*>(slice_) + id - first_id_; }
  __device__ std::uint16_t raw_bits(std::int32_t id) const {
    const auto bits = reinterpret_cast<const std::uint16_t*>(args_.logits)[row_ * args_.stride + id];
    return id >= args_.num_ids || (bits & kExponent) == kExponent ? kMinusInfinity : bits;
  }

  __device__ void fetch() {
    const Bf16* const from = args_.logits + row_ * args_.stride + first_id_;
    for_each_vector([&](std::int32_t at) { copy_async(slice_ + at, from + at); });
    wait_for_copies();
    // What takes no part becomes minus infinity once, here.
    for_each_vector([&](std::int32_t at) {
      const uint4 bits = *reinterpret_cast<const uint4*>(slice_ + at);
      const std::uint32_t words[] = {bits.x, bits.y, bits.z, bits.w};
      // Two logits a word: adding the exponent's lowest bit to an exponent of ones carries into the sign's place.
      std::uint32_t ones = 0;
      for (const std::uint32_t word : words) ones |= (word & 0x10001u * kExponent) + 0x10001u * 0x80u;
      const bool special = (ones & 0x10001u * 0x8000u) != 0 || first_id_ + at + kVector > args_.num_ids;
      if (special) {
        for (std::int32_t id = first_id_ + at; id < first_id_ + at + kVector; ++id) *bits_at(id) = raw_bits(id);
      }
    });
    if (params_.num_masked > 0) {
      __syncthreads();
      for_each_masked([&](std::int32_t id) { *bits_at(id) = kMinusInfinity; });
      __syncthreads();
    }
  }

  template <class F>
  __device__ void for_each_masked(const F& f) {
    for (std::int32_t i = static_cast<std::int32_t>(threadIdx.x); i < params_.num_masked; i += kThreads) {
      const std::int32_t id = args_.masked_ids[params_.first_masked + i];
      if (id >= first_id_ && id < first_id_ + vectors_ * kVector) f(id);
    }
  }

  // Also leaves each thread's own greatest in thread_order_.
  __device__ std::uint64_t best_logit() {
    float best = sampling::logit_of(sampling::kLeastOrder);
    std::int32_t best_at = -1;
    for_each_vector([&](std::int32_t at) {
      const Floats x = logits_at(at);
      float most = x.value[0];
      for (int i = 1; i < kVector; ++i) most = fmaxf(most, x.value[i]);
      if (most > best) {
        best = most;
        best_at = at;
      }
    });
    std::int32_t best_id = 0;
    if (best_at >= 0) {
      const Floats x = logits_at(best_at);
      for (int i = kVector - 1; i >= 0; --i) {
        if (x.value[i] == best) best_id = first_id_ + best_at + i;
      }
    }
    thread_order_ = sampling::order_of(best);
    return over_cluster(sampling::key_of(best, best_id), larger);
  }

  // The value that `join` makes of every thread's, the same everywhere.
  template <class Join>
  __device__ std::uint64_t over_cluster(std::uint64_t value, const Join& join) {
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
    cluster_.sync();
    value = *cluster_.map_shared_rank(place, 0);
    for (int block = 1; block < Blocks; ++block) value = join(value, *cluster_.map_shared_rank(place, block));
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
    cluster_.sync();
  }

  // Each block sums its share of the bins over the cluster.
  static constexpr int kShare = kBins / Blocks;
  static_assert(kShare <= kThreads);
  template <int Parts>
  __device__ void sum_shares() {
    const int thread = static_cast<int>(threadIdx.x);
    std::uint64_t mine = 0;
    if (thread < kShare) {
      const int bin = static_cast<int>(cluster_.block_rank()) * kShare + thread;
      for (int block = 0; block < Blocks; ++block) {
        for (int part = 0; part < Parts; ++part) {
          mine += std::uint64_t{*cluster_.map_shared_rank(&shared_.histogram[part][bin], block)} << part * kPartBits;
        }
      }
      shared_.share[thread] = mine;
    }
    const std::uint64_t share_total = sum_until(mine).total;
    if (thread == 0) shared_.share_total = share_total;
    cluster_.sync();
  }

  // Adds the digit of the bin in which the target lies, counted from the greatest. False, for every thread, if all elements
  // measure less; only the first digit can find that.
  template <class TargetOf>
  __device__ bool find_digit(Digits& digits, int low, const TargetOf& target_of) {
    std::uint64_t totals[Blocks];
    std::uint64_t total = 0;
    for (int block = 0; block < Blocks; ++block)
      total += totals[block] = *cluster_.map_shared_rank(&shared_.share_total, block);
    if (digits.known == 0) digits.target = target_of(total);
    if (digits.above + total < digits.target) return false;
    int owner = Blocks - 1;
    for (; digits.above + totals[owner] < digits.target; --owner) digits.above += totals[owner];
    // The first thread has the greatest bin.
    const int bin = kShare - 1 - static_cast<int>(threadIdx.x);
    const std::uint64_t mine = bin >= 0 ? *cluster_.map_shared_rank(&shared_.share[max(bin, 0)], owner) : 0;
    const std::uint64_t until = digits.above + sum_until(mine).until;
    if (until - mine < digits.target && until >= digits.target) {
      shared_.digit = static_cast<std::uint32_t>(owner * kShare + bin);
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
      // The k-th of the threads' own greatest logits is not above the k-th of all: below it nothing needs counting.
      const float floor = sampling::logit_of(max(threshold, find_threshold<1>(
                                                                [&](const auto& visit) {
                                                                  if (thread_order_ >= threshold) visit(thread_order_, one);
                                                                },
                                                                target)));
      threshold = max(threshold, find_threshold<1>(
                                     [&](const auto& visit) {
                                       for_each_logit<false>([&](float logit, std::int32_t) {
                                         if (logit >= floor) visit(sampling::order_of(logit), one);
                                       });
                                     },
                                     target));
    }
    if (params_.top_p < 1.0f) {
      const float least = sampling::logit_of(threshold);
      const auto masses = [&](const auto& visit) {
        for_each_logit<false>([&](float logit, std::int32_t) {
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

    constexpr float kPerLn2 = 1.44269504f;
    constexpr float kTooMany = 33.0f;  // leading zeros that no word has
    // 1.5 x 2^23: what is added to it is rounded to an integer, which then stands in the low bits of the sum.
    constexpr float kRounder = 12582912.0f;
    constexpr int kRounderBits = 0x4b400000;
    constexpr float kJustBelowHalf = 0.49f;  // y + 0.49, rounded to the nearest, never exceeds the next whole number above y
    const float slope = -kPerLn2 / params_.temperature;
    for_each_vector([&](std::int32_t at) {
      const Floats x = logits_at(at);
      const std::uint32_t best_order = *const_cast<const volatile std::uint32_t*>(&shared_.best_order);
      const float offset = sampling::logit_of(best_order) * kPerLn2 - 1.0f + kJustBelowHalf;
      const auto zeros_for = [&](float logit) { return fmaf(logit - greatest, slope, offset); };
      const auto has_zeros_for = [&](float logit, std::uint32_t word) {
        const float zeros = fminf(zeros_for(logit), kTooMany) + kRounder;
        return __clz(static_cast<int>(word)) >= __float_as_int(zeros) - kRounderBits;
      };
      float most = x.value[0];
      for (int i = 1; i < kVector; ++i) most = fmaxf(most, x.value[i]);
      if (most < least || zeros_for(most) > kTooMany - 0.5f) return;

      const std::int32_t first = first_id_ + at;
      const auto group = static_cast<std::uint32_t>(first) / 4;
      const sampling::Words low = sampling::noise4(params_.seed, position, group);
      const sampling::Words high = sampling::noise4(params_.seed, position, group + 1);
      const auto word = [&](int i) { return i < 4 ? low.word[i] : high.word[i - 4]; };
      std::uint32_t smallest = word(0);
      for (int i = 1; i < kVector; ++i) smallest = min(smallest, word(i));
      if (!has_zeros_for(most, smallest)) return;
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
    return sampling::id_of(over_cluster(best, larger));
  }

  __device__ void report_logprobs(std::int32_t token) {
    __syncthreads();  // everybody is done with the masked logits
    for_each_masked([&](std::int32_t id) { *bits_at(id) = raw_bits(id); });
    __syncthreads();
    std::uint64_t best = 0;  // this thread's greatest of those not yet reported
    const auto rescan = [&](std::uint64_t below) {
      best = 0;
      for_each_logit<true>([&](float logit, std::int32_t id) {
        const std::uint64_t key = sampling::key_of(logit, id);
        if (key < below && id < args_.num_ids) best = larger(best, key);
      });
    };
    rescan(~std::uint64_t{0});
    std::uint64_t next = over_cluster(best, larger);
    const float greatest = sampling::value_of(next);
    const auto bits = static_cast<std::uint32_t>(raw_bits(token));
    const std::uint64_t chosen = sampling::key_of(__uint_as_float(bits << 16), token);
    std::uint64_t mass = 0;
    std::uint64_t ahead = 0;
    for_each_logit<true>([&](float logit, std::int32_t id) {
      mass += sampling::mass(sampling::scaled(logit, greatest, 1.0f));
      ahead += sampling::key_of(logit, id) > chosen;
    });
    const auto sum = [](std::uint64_t a, std::uint64_t b) { return a + b; };
    mass = over_cluster(mass, sum);
    ahead = over_cluster(ahead, sum);
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
        next = over_cluster(best, larger);
      }
      if (leads()) {
        args_.top_tokens[row_ * args_.top_capacity + i] = sampling::id_of(next);
        args_.top_logprobs[row_ * args_.top_capacity + i] = logprob_of(next);
      }
    }
  }

  const Sample& args_;
  Shared& shared_;
  Bf16* const slice_;
  const std::int64_t row_;
  const SampleRow params_;
  cg::cluster_group cluster_ = cg::this_cluster();
  std::int32_t first_id_;
  std::int32_t vectors_;
  bool penalised_;
  int turn_ = 0;
  std::uint32_t thread_order_ = 0;
};

template <int Blocks>
__global__ void __cluster_dims__(Blocks, 1, 1) __launch_bounds__(kThreads, 2) sample_kernel(const Sample args) {
  extern __shared__ __align__(16) unsigned char slice[];
  __shared__ Shared shared;
  cudaGridDependencySynchronize();
  cudaTriggerProgrammaticLaunchCompletion();
  const std::int64_t row = blockIdx.x / Blocks;
  if (args.rows[row].position < 0) return;  // the whole cluster
  Row<Blocks>(args, shared, reinterpret_cast<Bf16*>(slice), row).run();
}

template <int Blocks>
void launch_sample(const Sample& args, std::int32_t rows, Stream stream) {
  const std::int32_t vectors = (args.stride / kVector + Blocks - 1) / Blocks;
  const auto bytes = static_cast<std::size_t>(vectors) * kVector * sizeof(Bf16);
  once_a_device([] {
    check(cudaFuncSetAttribute(sample_kernel<Blocks>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               kMaxSlice * static_cast<int>(sizeof(Bf16))),
          "sample: shared memory");
    return 1;
  });
  launch("sample", sample_kernel<Blocks>, dim3(static_cast<unsigned>(rows * Blocks)), dim3(kThreads), bytes, stream, args);
}

__global__ void mark_seen_kernel(std::uint32_t* seen, std::int32_t words, const Occurrence* occurrences, std::int32_t count) {
  cudaGridDependencySynchronize();
  const std::int32_t i = static_cast<std::int32_t>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= count) return;
  const auto [row, token] = occurrences[i];
  atomicOr(seen + std::int64_t{row} * words + token / 32, 1u << token % 32);
}

}  // namespace

void sample(const Sample& args, std::int32_t rows, Stream stream) {
  if (args.stride % kVector != 0 || args.stride > 8 * kMaxSlice) {
    throw std::invalid_argument("the vocabulary must be a multiple of 8 and at most 800000");
  }
  // Few rows: more blocks a row. The tokens do not depend on it.
  if (rows <= 16 || args.stride > 4 * kMaxSlice) {
    launch_sample<8>(args, rows, stream);
  } else {
    launch_sample<4>(args, rows, stream);
  }
}

void mark_seen(std::uint32_t* seen, std::int32_t stride, const Occurrence* occurrences, std::int32_t count, Stream stream) {
  if (count == 0) return;
  launch("mark_seen", mark_seen_kernel, dim3(static_cast<unsigned>((count + 255) / 256)), dim3(256), 0, stream, seen,
         seen_words(stride), occurrences, count);
}

}  // namespace tokenyard::kernels
