// docs/sampling.md word by word: a block a row, every question about the row a pass over memory. docs/kernels/sampling.md
// begins with it.
#include <cmath>

#include "core/base/sampling.h"
#include "kernels/launch.cuh"
#include "kernels/simple/over_block.cuh"
#include "kernels/simple/simple.h"

namespace tokenyard::kernels::simple {
namespace {

constexpr int kThreads = 256;

__global__ void simple_sample(Sample args) {
  __shared__ std::uint64_t per_thread[kThreads];
  const std::int64_t row = blockIdx.x;
  const SampleRow params = args.rows[row];
  if (params.position < 0) return;

  const auto logit_of = [&](std::int32_t id) {
    float logit = sampling::cleaned(__bfloat162float(args.logits[row * args.stride + id]));
    if (params.repetition_penalty != 1.0f) {
      const std::uint32_t* const seen = args.seen + std::int64_t{params.seen_row} * seen_words(args.stride);
      if (seen[id / 32] >> id % 32 & 1) logit = sampling::cleaned(sampling::penalized(logit, params.repetition_penalty));
    }
    for (std::int32_t i = 0; i < params.num_masked; ++i) {
      if (args.masked_ids[params.first_masked + i] == id) logit = -INFINITY;
    }
    return logit;
  };
  // `join` over what `of` makes of every id.
  const auto over_row = [&](const auto& of, const auto& join) {
    std::uint64_t value = 0;
    for (auto id = static_cast<std::int32_t>(threadIdx.x); id < args.num_ids; id += kThreads) value = join(value, of(id));
    return over_block(value, per_thread, join);
  };
  const auto larger = [](std::uint64_t a, std::uint64_t b) { return a > b ? a : b; };
  const auto sum = [](std::uint64_t a, std::uint64_t b) { return a + b; };

  const std::uint64_t top = over_row([&](std::int32_t id) { return sampling::key_of(logit_of(id), id); }, larger);
  const float greatest = sampling::value_of(top);
  const auto scaled_of = [&](std::int32_t id) { return sampling::scaled(logit_of(id), greatest, params.temperature); };
  std::uint32_t threshold = sampling::kLeastOrder + 1;
  // What is below the greatest number such that the ids from there on measure `target` is cut, if there is such a number.
  const auto cut = [&](const auto& measure_from, std::uint64_t target) {
    std::uint32_t found = 0;
    for (int bit = 31; bit >= 0; --bit) {
      if (measure_from(found | 1u << bit) >= target) found |= 1u << bit;
    }
    threshold = max(threshold, found);
  };
  const auto number_from = [&](std::uint32_t order) {
    return over_row([&](std::int32_t id) { return std::uint64_t{sampling::order_of(logit_of(id)) >= order}; }, sum);
  };
  const auto mass_from = [&](std::uint32_t order) {
    return over_row(
        [&](std::int32_t id) {
          return sampling::order_of(logit_of(id)) >= max(order, threshold) ? sampling::mass(scaled_of(id)) : 0;
        },
        sum);
  };

  std::int32_t token = -1;
  if (sampling::order_of(greatest) > sampling::kLeastOrder) {
    token = sampling::id_of(top);
    if (params.temperature > 0.0f) {
      if (params.top_k > 0) cut(number_from, static_cast<std::uint64_t>(params.top_k));
      if (params.top_p < 1.0f) cut(mass_from, larger(1, sampling::share_of(mass_from(0), params.top_p)));
      const auto score_of = [&](std::int32_t id) {
        if (sampling::order_of(logit_of(id)) < threshold || sampling::weight(scaled_of(id)) < params.min_p) {
          return std::uint64_t{0};
        }
        const std::uint32_t word = sampling::noise(params.seed, static_cast<std::uint32_t>(params.position), id);
        return sampling::key_of(sampling::score(scaled_of(id), word), id);
      };
      token = sampling::id_of(over_row(score_of, larger));
    }
  }
  if (threadIdx.x > 0) return;
  args.tokens[row] = token;
  if (params.seen_row >= 0 && token >= 0) {
    args.seen[std::int64_t{params.seen_row} * seen_words(args.stride) + token / 32] |= 1u << token % 32;
  }
}

}  // namespace

void sample(const Sample& args, std::int32_t rows, Stream stream) {
  simple_sample<<<static_cast<unsigned>(rows), kThreads, 0, stream>>>(args);
  check(cudaGetLastError(), "simple_sample");
}

}  // namespace tokenyard::kernels::simple
