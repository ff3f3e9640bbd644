#include <fmt/core.h>

#include <random>
#include <string>
#include <vector>

#include "tests/bench/kernels/bench.h"
#include "tests/kernels/gpu/support/attention_problem.h"

namespace {

using namespace tokenyard;
using gpu::AttentionProblem;
using gpu::AttentionRequest;
using kernels::AttentionRow;
using kernels::DecodeSplit;
using kernels::KvShape;

// `layers`: so many that more than the L2 passes between two uses.
struct Decode {
  const char* name;
  std::int32_t batch, shortest, longest;
  std::int32_t kv_heads, group, head_dim, block_size, layers;
  bool fp8 = false;
};
constexpr Decode kDecodes[] = {
    {"256 x 500..1500", 256, 500, 1500, 8, 2, 128, 16, 4},
    {"256 x 500..1500, fp8", 256, 500, 1500, 8, 2, 128, 16, 8, true},
    {"256 x 500..1500, SmolLM2, fp8", 256, 500, 1500, 3, 3, 64, 16, 16, true},
    {"32 x 2000, fp8", 32, 2000, 2000, 8, 2, 128, 16, 16, true},
    {"1 x 1024, fp8", 1, 1024, 1024, 8, 2, 128, 16, 64, true},
    {"256 x 500..1500, blocks of 256", 256, 500, 1500, 8, 2, 128, 256, 4},
    {"256 x 500..1500, group 4", 256, 500, 1500, 8, 4, 128, 16, 4},
    {"256 x 500..1500, group 8", 256, 500, 1500, 8, 8, 128, 16, 4},
    {"256 x 500..1500, SmolLM2", 256, 500, 1500, 3, 3, 64, 16, 8},
    {"32 x 2000", 32, 2000, 2000, 8, 2, 128, 16, 8},
    {"8 x 500..1500", 8, 500, 1500, 8, 2, 128, 16, 32},
    {"1 x 32768", 1, 32768, 32768, 8, 2, 128, 16, 16},
    {"1 x 1024", 1, 1024, 1024, 8, 2, 128, 16, 64},
    {"1 x 200", 1, 200, 200, 8, 2, 128, 16, 64},
};

void bench_decode(const Decode& shape) {
  std::mt19937 dice(7);
  std::vector<AttentionRequest> requests;
  std::vector<AttentionRow> rows;
  for (std::int32_t r = 0; r < shape.batch; ++r) {
    const auto range = static_cast<std::uint32_t>(shape.longest - shape.shortest + 1);
    const std::int32_t context = shape.shortest + static_cast<std::int32_t>(dice() % range);
    requests.push_back({static_cast<std::uint32_t>(dice()), context});
    rows.push_back({r, 0, context - 1, 1});
  }
  AttentionProblem problem({shape.layers, 0, shape.kv_heads, shape.block_size, shape.head_dim, shape.fp8}, shape.group,
                           requests, shape.batch, 1);
  problem.plan(rows);
  const auto bytes = static_cast<double>(problem.kv_bytes());
  for (const DecodeSplit split : {DecodeSplit::automatic, DecodeSplit::warps, DecodeSplit::teams}) {
    const char* const names[] = {"automatic", "warps", "teams"};
    const double us = bench::time_us(shape.layers, [&](kernels::Stream stream) {
      for (std::int32_t layer = 0; layer < shape.layers; ++layer) problem.launch_decode(layer, split, stream);
    });
    bench::report(fmt::format("attention/decode {}, {}", shape.name, names[static_cast<int>(split)]), us, bytes);
  }
  if (shape.fp8) return;
  const double us = bench::time_us(shape.layers, [&](kernels::Stream stream) {
    for (std::int32_t layer = 0; layer < shape.layers; ++layer) problem.launch_simple(layer, stream);
  });
  bench::report(fmt::format("attention/decode {}, simple", shape.name), us, bytes);
}

struct Prefill {
  const char* name;
  std::int32_t first, count;
  std::int32_t kv_heads, group, head_dim, block_size;
  bool fp8 = false;
};
constexpr Prefill kPrefills[] = {
    {"4096", 0, 4096, 8, 2, 128, 16},
    {"4096, group 4", 0, 4096, 8, 4, 128, 16},
    {"4096, group 8", 0, 4096, 8, 8, 128, 16},
    {"16384", 0, 16384, 8, 2, 128, 16},
    {"1024", 0, 1024, 8, 2, 128, 16},
    {"512 after 8192", 8192, 512, 8, 2, 128, 16},
    {"4096, SmolLM2", 0, 4096, 3, 3, 64, 16},
    {"4096, fp8", 0, 4096, 8, 2, 128, 16, true},
    {"512 after 8192, fp8", 8192, 512, 8, 2, 128, 16, true},
};

void bench_prefill(const Prefill& shape) {
  constexpr std::int32_t kLayers = 4;
  AttentionProblem problem({kLayers, 0, shape.kv_heads, shape.block_size, shape.head_dim, shape.fp8}, shape.group,
                           {{1, shape.first + shape.count}}, shape.count, 1);
  problem.plan({{0, 0, shape.first, shape.count}});
  const double us = bench::time_us(kLayers, [&](kernels::Stream stream) {
    for (std::int32_t layer = 0; layer < kLayers; ++layer) {
      if (shape.fp8) {  // as a step does it: expanded, with a decode of nothing
        problem.launch_mixed(layer, DecodeSplit::automatic, stream);
      } else {
        problem.launch_prefill(layer, stream);
      }
    }
  });
  // Half of the square of new tokens is masked and not counted.
  const double pairs = (shape.first + shape.count / 2.0) * shape.count;
  bench::report(fmt::format("attention/prefill {}", shape.name), us, 0,
                4.0 * pairs * shape.kv_heads * shape.group * shape.head_dim);
}

const bool added_decode = bench::add("attention/decode", [] {
  for (const Decode& shape : kDecodes) bench_decode(shape);
});
const bool added_prefill = bench::add("attention/prefill", [] {
  for (const Prefill& shape : kPrefills) bench_prefill(shape);
});

}  // namespace
