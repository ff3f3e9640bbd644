// Everything of a layer but attention, in Qwen3-0.6B's shapes: each operation's simple version, then the one in use.
// Activations of a step stay in the L2, here as in use.
#include <fmt/core.h>

#include <algorithm>

#include "kernels/block_copy.h"
#include "kernels/embedding.h"
#include "kernels/heads.h"
#include "kernels/norm.h"
#include "kernels/simple/simple.h"
#include "kernels/skinny_gemm.h"
#include "kernels/small_gemm.h"
#include "kernels/swiglu.h"
#include "tests/bench/kernels/bench.h"
#include "tests/kernels/gpu/support/device.h"

namespace tokenyard {
namespace {

using gpu::DeviceArray;
using kernels::Bf16;
using kernels::Stream;

constexpr std::int32_t kHidden = 1024;
constexpr std::int32_t kIntermediate = 3072;
constexpr std::int32_t kHeads = 16;
constexpr std::int32_t kKvHeads = 8;
constexpr std::int32_t kHeadDim = 128;
constexpr int kLaunches = 50;
constexpr std::int32_t kTokens[] = {1, 32, 256, 2048};

DeviceArray<Bf16> random_array(std::size_t size, float scale = 1) {
  DeviceArray<Bf16> out(size);
  gpu::fill_random(out.data(), size, 1, scale);
  return out;
}

std::size_t size_of(std::int32_t a, std::int32_t b) { return static_cast<std::size_t>(a) * static_cast<std::size_t>(b); }

template <class Launch>
void bench_line(const std::string& name, std::int32_t tokens, double bytes, const Launch& launch) {
  const double us = bench::time_us(kLaunches, [&](Stream stream) {
    for (int i = 0; i < kLaunches; ++i) launch(stream);
  });
  bench::report(fmt::format("{}, {} tokens", name, tokens), us, bytes);
}

const bool norms = bench::add("norm", [] {
  for (const std::int32_t tokens : kTokens) {
    const DeviceArray<float> residual(std::vector<float>(size_of(tokens, kHidden), 0.5f));
    const DeviceArray<float> halves(std::vector<float>(2 * size_of(2048, kHidden), 1e-3f));
    float* const half = halves.data();
    float* const other = half + size_of(2048, kHidden);
    const auto weight = random_array(kHidden);
    const DeviceArray<Bf16> out(size_of(tokens, kHidden));
    const kernels::Norm args{residual.data(), {half, other}, weight.data(), 1e-6f, kHidden, out.data()};
    bench_line("norm, with residual, simple", tokens, 114.0 * tokens * kHidden,
               [&](Stream stream) { kernels::simple::add_and_norm(args, tokens, stream); });
    bench_line("norm, with residual", tokens, 114.0 * tokens * kHidden,
               [&](Stream stream) { kernels::add_and_norm(args, tokens, stream); });
    // As many requests' last tokens among 2,048.
    const DeviceArray<float> all(std::vector<float>(size_of(2048, kHidden), 0.5f));
    std::vector<std::int32_t> last;
    for (std::int32_t t = 0; t < tokens; ++t) last.push_back((t + 1) * (2048 / tokens) - 1);
    const DeviceArray<std::int32_t> tokens_of(last);
    const kernels::Norm gather{all.data(), {half, other}, weight.data(), 1e-6f, kHidden, out.data()};
    bench_line("norm, last tokens, simple", tokens, 14.0 * tokens * kHidden,
               [&](Stream stream) { kernels::simple::gather_and_norm(gather, tokens_of.data(), tokens, stream); });
    bench_line("norm, last tokens", tokens, 14.0 * tokens * kHidden,
               [&](Stream stream) { kernels::gather_and_norm(gather, tokens_of.data(), tokens, stream); });
  }
});

const bool embeddings = bench::add("embedding", [] {
  const std::int32_t vocabulary = 151936;
  const auto table = random_array(size_of(vocabulary, kHidden));
  for (const std::int32_t tokens : kTokens) {
    std::vector<std::int32_t> ids;
    for (std::int32_t t = 0; t < tokens; ++t) ids.push_back(static_cast<std::int32_t>(t * 7919LL % vocabulary));
    const DeviceArray<std::int32_t> device_ids(ids);
    const DeviceArray<float> residual(size_of(tokens, kHidden));
    bench_line("embedding", tokens, 6.0 * tokens * kHidden, [&](Stream stream) {
      kernels::embed({table.data(), device_ids.data(), nullptr, residual.data(), vocabulary, kHidden}, tokens, stream);
    });
  }
});

const bool heads = bench::add("heads", [] {
  for (const std::int32_t tokens : kTokens) {
    const std::int32_t all = kHeads + 2 * kKvHeads;
    const auto qkv = random_array(size_of(tokens, all * kHeadDim));
    const auto norm = random_array(kHeadDim);
    const DeviceArray<float> angles(std::vector<float>(size_of(4096, kHeadDim / 2), 0.5f));
    std::vector<std::int32_t> positions;
    std::vector<std::int32_t> slots;
    for (std::int32_t t = 0; t < tokens; ++t) {
      positions.push_back(t * 37 % 4096);
      slots.push_back(t * 16);
    }
    const DeviceArray<std::int32_t> device_positions(positions);
    const DeviceArray<std::int32_t> device_slots(slots);
    const DeviceArray<Bf16> q(size_of(tokens, kHeads * kHeadDim));
    const DeviceArray<Bf16> cache(2 * size_of(tokens * 16, kKvHeads * kHeadDim));
    const kernels::Heads args{qkv.data(),
                              nullptr,
                              norm.data(),
                              norm.data(),
                              angles.data(),
                              angles.data(),
                              device_positions.data(),
                              device_slots.data(),
                              q.data(),
                              cache.data(),
                              cache.data() + cache.size() / 2,
                              1e-6f,
                              kHeads,
                              kKvHeads,
                              kHeadDim,
                              16};
    const double bytes = 4.0 * tokens * all * kHeadDim;
    bench_line("heads: norm, rotation, K/V write, simple", tokens, bytes,
               [&](Stream stream) { kernels::simple::prepare_heads(args, tokens, stream); });
    bench_line("heads: norm, rotation, K/V write", tokens, bytes,
               [&](Stream stream) { kernels::prepare_heads(args, tokens, stream); });
  }
});

const bool swiglus = bench::add("swiglu", [] {
  for (const std::int32_t tokens : kTokens) {
    const auto gate_up = random_array(size_of(tokens, 2 * kIntermediate));
    const DeviceArray<Bf16> out(size_of(tokens, kIntermediate));
    bench_line("swiglu, simple", tokens, 6.0 * tokens * kIntermediate,
               [&](Stream stream) { kernels::simple::swiglu(gate_up.data(), tokens, kIntermediate, out.data(), stream); });
    bench_line("swiglu", tokens, 6.0 * tokens * kIntermediate,
               [&](Stream stream) { kernels::swiglu(gate_up.data(), tokens, kIntermediate, out.data(), stream); });
  }
});

const bool block_copies = bench::add("block_copy", [] {
  const std::int32_t elements = 16 * kKvHeads * kHeadDim;
  const auto cache = random_array(static_cast<std::size_t>(56 * 200) * static_cast<std::size_t>(elements));
  std::vector<kernels::BlockPair> pairs;
  for (std::int32_t i = 0; i < 50; ++i) pairs.push_back({i, 100 + i});
  const DeviceArray<kernels::BlockPair> device_pairs(pairs);
  const double us = bench::time_us(5, [&](Stream stream) {
    for (int i = 0; i < 5; ++i) kernels::copy_blocks(cache.data(), 56, 200, elements, device_pairs.data(), 50, stream);
  });
  bench::report("block_copy, 50 blocks of 16 tokens, 28 layers", us, 2.0 * 50 * 56 * elements * 2);
});

// Weights pass by from memory, 256 MB between reuses.
const bool small_gemms = bench::add("small_gemm", [] {
  struct Shape {
    const char* name;
    std::int32_t n, k;
  };
  for (const bool simply : {true, false}) {
    const auto multiply = simply ? kernels::simple::small_gemm : kernels::small_gemm;
    const char* const suffix = simply ? ", simple" : "";
    for (const std::int32_t tokens : {1, 8}) {
      double sum = 0;
      double bytes = 0;
      for (const Shape& s : {Shape{"qkv", 4096, 1024}, {"o", 1024, 2048}, {"gate_up", 6144, 1024}, {"down", 1024, 3072}}) {
        const std::size_t size = size_of(s.n, s.k);
        const int copies = static_cast<int>((256u << 20) / (2 * size)) + 1;
        const auto weights = random_array(size * static_cast<std::size_t>(copies), 0.05f);
        const auto x = random_array(size_of(tokens, s.k));
        const DeviceArray<Bf16> out(size_of(tokens, s.n));
        const double us = bench::time_us(copies, [&](Stream stream) {
          for (int i = 0; i < copies; ++i) {
            multiply(weights.data() + static_cast<std::size_t>(i) * size, x.data(), tokens, s.n, s.k, out.data(), stream);
          }
        });
        sum += us;
        bytes += 2.0 * static_cast<double>(size);
        bench::report(fmt::format("small_gemm {} {} x {}, {} tokens{}", s.name, s.n, s.k, tokens, suffix), us,
                      2.0 * static_cast<double>(size));
      }
      bench::report(fmt::format("small_gemm, the four of a layer, {} tokens{}", tokens, suffix), sum, bytes);
    }
  }
});

const bool skinny_gemms = bench::add("skinny_gemm", [] {
  struct Shape {
    const char* name;
    std::int32_t n, k;
  };
  for (const std::int32_t tokens : {1, 8, 16}) {
    for (const Shape& s : {Shape{"qkv", 4096, 1024}, {"gate_up", 6144, 1024}}) {
      const std::size_t size = size_of(s.n, s.k);
      const int copies = static_cast<int>((256u << 20) / (2 * size)) + 1;
      const auto weights = random_array(size * static_cast<std::size_t>(copies), 0.05f);
      const auto x = random_array(size_of(tokens, s.k));
      const DeviceArray<Bf16> out(size_of(tokens, s.n));
      const auto bench_product = [&](const char* suffix, const auto& multiply) {
        const double us = bench::time_us(copies, [&](Stream stream) {
          for (int i = 0; i < copies; ++i) {
            multiply(weights.data() + static_cast<std::size_t>(i) * size, x.data(), tokens, s.n, s.k, out.data(), stream);
          }
        });
        bench::report(fmt::format("skinny_gemm {} {} x {}, {} tokens{}", s.name, s.n, s.k, tokens, suffix), us,
                      2.0 * static_cast<double>(size));
      };
      if (tokens == 16) bench_product(", simple", kernels::simple::small_gemm);
      bench_product("", kernels::skinny_gemm);
      if (s.n == 2 * kIntermediate) bench_product(", with SwiGLU", kernels::skinny_gemm_gated);
    }
  }
});

// All of a layer but attention, as a decode step runs it: what the prefetch of weights behind other kernels is worth.
const bool chains = bench::add("layer_chain", [] {
  constexpr int kLayers = 28;
  constexpr std::int32_t kQkv = (kHeads + 2 * kKvHeads) * kHeadDim;
  constexpr std::size_t kWeights = std::size_t{kHidden} * (kQkv + kHeads * kHeadDim + 3 * kIntermediate);
  const auto weights = random_array(kLayers * kWeights, 0.03f);
  const auto norm = random_array(kHidden, 0.1f);
  const DeviceArray<float> angles(std::vector<float>(size_of(4096, kHeadDim / 2), 0.5f));
  for (const std::int32_t tokens : {1, 2, 4, 8}) {
    const DeviceArray<float> residual(std::vector<float>(size_of(tokens, kHidden), 0.5f));
    const std::size_t width = size_of(tokens, kHidden);
    const DeviceArray<float> halves(std::vector<float>(2 * width, 1e-3f));
    const DeviceArray<Bf16> normed(size_of(tokens, kHidden));
    const DeviceArray<Bf16> qkv(size_of(tokens, kQkv));
    const DeviceArray<Bf16> q(size_of(tokens, kHeads * kHeadDim));
    const DeviceArray<Bf16> gate_up(size_of(tokens, 2 * kIntermediate));
    const DeviceArray<Bf16> activated(size_of(tokens, kIntermediate));
    const DeviceArray<Bf16> cache(2 * size_of(tokens * 16, kKvHeads * kHeadDim));
    const DeviceArray<std::int32_t> positions(std::vector<std::int32_t>(static_cast<std::size_t>(tokens)));
    const kernels::Norm add{residual.data(), {halves.data(), halves.data() + width}, norm.data(), 1e-6f, kHidden,
                            normed.data()};
    const double us = bench::time_us(kLayers, [&](Stream stream) {
      for (int layer = 0; layer < kLayers; ++layer) {
        const Bf16* const w_qkv = weights.data() + static_cast<std::size_t>(layer) * kWeights;
        const Bf16* const w_o = w_qkv + size_of(kQkv, kHidden);
        const Bf16* const w_gate_up = w_o + size_of(kHidden, kHeads * kHeadDim);
        const Bf16* const w_down = w_gate_up + size_of(2 * kIntermediate, kHidden);
        kernels::add_and_norm(add, tokens, stream);
        kernels::small_gemm(w_qkv, normed.data(), tokens, kQkv, kHidden, qkv.data(), stream);
        kernels::prepare_heads(
            {qkv.data(), nullptr, norm.data(), norm.data(), angles.data(), angles.data(), positions.data(), positions.data(),
             q.data(), cache.data(), cache.data() + cache.size() / 2, 1e-6f, kHeads, kKvHeads, kHeadDim, 16},
            tokens, stream);
        kernels::small_gemm_in_parts(w_o, q.data(), tokens, kHidden, kHeads * kHeadDim, 2, halves.data(),
                                     static_cast<std::int64_t>(width), stream);
        kernels::add_and_norm(add, tokens, stream);
        kernels::small_gemm(w_gate_up, normed.data(), tokens, 2 * kIntermediate, kHidden, gate_up.data(), stream);
        kernels::swiglu(gate_up.data(), tokens, kIntermediate, activated.data(), stream);
        kernels::small_gemm_in_parts(w_down, activated.data(), tokens, kHidden, kIntermediate, 2, halves.data(),
                                     static_cast<std::int64_t>(width), stream);
      }
    });
    bench::report(fmt::format("a layer without attention, small_gemm, {} tokens", tokens), us, 2.0 * kWeights);
    const DeviceArray<float> other(std::vector<float>(size_of(tokens, kHidden), 0.5f));
    const double fused = bench::time_us(kLayers, [&](Stream stream) {
      for (int layer = 0; layer < kLayers; ++layer) {
        const Bf16* const w_qkv = weights.data() + static_cast<std::size_t>(layer) * kWeights;
        const Bf16* const w_o = w_qkv + size_of(kQkv, kHidden);
        const Bf16* const w_gate_up = w_o + size_of(kHidden, kHeads * kHeadDim);
        const Bf16* const w_down = w_gate_up + size_of(2 * kIntermediate, kHidden);
        const auto first = tokens > kernels::kSkinnyGemmUnshared ? kernels::skinny_gemm_of_norm : kernels::small_gemm_of_norm;
        first(w_qkv, add, other.data(), tokens, kQkv, qkv.data(), stream);
        kernels::prepare_heads(
            {qkv.data(), nullptr, norm.data(), norm.data(), angles.data(), angles.data(), positions.data(), positions.data(),
             q.data(), cache.data(), cache.data() + cache.size() / 2, 1e-6f, kHeads, kKvHeads, kHeadDim, 16},
            tokens, stream);
        kernels::small_gemm_in_parts(w_o, q.data(), tokens, kHidden, kHeads * kHeadDim, 2, halves.data(),
                                     static_cast<std::int64_t>(width), stream);
        kernels::Norm between = add;
        between.residual = other.data();
        kernels::skinny_gemm_gated_of_norm(w_gate_up, between, residual.data(), tokens, 2 * kIntermediate, activated.data(),
                                           stream);
        kernels::small_gemm_in_parts(w_down, activated.data(), tokens, kHidden, kIntermediate, 2, halves.data(),
                                     static_cast<std::int64_t>(width), stream);
      }
    });
    bench::report(fmt::format("a layer without attention, fused, {} tokens", tokens), fused, 2.0 * kWeights);
  }
});

}  // namespace
}  // namespace tokenyard
