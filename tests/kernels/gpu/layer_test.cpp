// Embedding, norms, heads, SwiGLU, their simple versions and block copies against references in double precision.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "catch.h"
#include "core/base/fp8.h"
#include "kernels/block_copy.h"
#include "kernels/embedding.h"
#include "kernels/heads.h"
#include "kernels/norm.h"
#include "kernels/simple/simple.h"
#include "kernels/swiglu.h"
#include "tests/kernels/gpu/support/device.h"

namespace tokenyard {
namespace {

using gpu::DeviceArray;
using kernels::Bf16;

constexpr double kHalfUlp = 0.00390625;  // of a bf16: 2^-8

double value(Bf16 x) { return static_cast<double>(__bfloat162float(x)); }

class Numbers {
 public:
  explicit Numbers(unsigned seed) : random_(seed) {}
  std::vector<Bf16> bf16(std::size_t n, float scale = 1, float centre = 0) {
    std::vector<Bf16> out(n);
    for (Bf16& x : out) x = __float2bfloat16(centre + scale * normal_(random_));
    return out;
  }
  std::vector<float> floats(std::size_t n, float scale = 1) {
    std::vector<float> out(n);
    for (float& x : out) x = scale * normal_(random_);
    return out;
  }
  std::int32_t uniform(std::int32_t low, std::int32_t high) { return std::uniform_int_distribution(low, high)(random_); }

 private:
  std::mt19937_64 random_;
  std::normal_distribution<float> normal_;
};

// Each within a bf16's rounding of the reference, plus what single precision loses on the way.
void check_close(const std::vector<Bf16>& x, const std::vector<double>& reference, double scale = 1) {
  REQUIRE(x.size() == reference.size());
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double allowed = kHalfUlp * std::fabs(reference[i]) + 2e-6 * scale;
    const double error = std::fabs(value(x[i]) - reference[i]);
    worst = std::isnan(error) ? 1e9 : std::max(worst, error / allowed);
  }
  CHECK(worst <= 1);
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

std::size_t size_of(std::int32_t a, std::int32_t b) { return static_cast<std::size_t>(a) * static_cast<std::size_t>(b); }

TEST_CASE("embedding gathers rows, of given and of sampled tokens") {
  Numbers numbers(1);
  for (const std::int32_t hidden : {8, 576, 1024, 4096}) {
    const std::int32_t vocabulary = 500;
    const auto table = numbers.bf16(size_of(vocabulary, hidden));
    const std::vector<std::int32_t> ids = {0, 499, 7, -1, -3, 500, -2};
    const std::vector<std::int32_t> sampled = {13, -1, 499};
    const std::vector<std::int32_t> expected = {0, 499, 7, 13, 499, -1, -1};
    const auto tokens = static_cast<std::int32_t>(ids.size());
    const DeviceArray<Bf16> device_table(table);
    const DeviceArray<std::int32_t> device_ids(ids);
    const DeviceArray<std::int32_t> device_sampled(sampled);
    const DeviceArray<float> residual(size_of(tokens, hidden));
    kernels::embed({device_table.data(), device_ids.data(), device_sampled.data(), residual.data(), vocabulary, hidden}, tokens,
                   nullptr);
    gpu::synchronize();
    std::vector<float> want;
    for (const std::int32_t id : expected) {
      for (std::int32_t i = 0; i < hidden; ++i) {
        want.push_back(id < 0 ? 0.0f : __bfloat162float(table[size_of(id, hidden) + static_cast<std::size_t>(i)]));
      }
    }
    CHECK(same_bits(residual.download(), want));
  }
}

void check_norms(decltype(&kernels::add_and_norm) add_and_norm, decltype(&kernels::gather_and_norm) gather_and_norm) {
  Numbers numbers(2);
  for (const std::int32_t hidden : {8, 64, 264, 576, 1024, 2048, 4096, 8192}) {
    for (const bool with_branch : {false, true}) {
      const std::int32_t tokens = 37;
      const auto residual = numbers.floats(size_of(tokens, hidden), 3);
      const auto branch = numbers.floats(size_of(tokens, hidden));
      const auto other = numbers.floats(size_of(tokens, hidden));
      const auto weight = numbers.bf16(static_cast<std::size_t>(hidden), 0.2f, 1);
      const float epsilon = 1e-5f;
      std::vector<float> sums = residual;
      for (std::size_t i = 0; with_branch && i < sums.size(); ++i) sums[i] += branch[i] + other[i];
      std::vector<double> normed;
      for (std::int32_t t = 0; t < tokens; ++t) {
        const float* const x = sums.data() + size_of(t, hidden);
        double squares = 0;
        for (std::int32_t i = 0; i < hidden; ++i) squares += static_cast<double>(x[i]) * static_cast<double>(x[i]);
        const double factor = 1 / std::sqrt(squares / hidden + static_cast<double>(epsilon));
        for (std::int32_t i = 0; i < hidden; ++i) {
          normed.push_back(static_cast<double>(x[i]) * factor * value(weight[static_cast<std::size_t>(i)]));
        }
      }
      const DeviceArray<float> device_residual(residual);
      const DeviceArray<float> device_branch(branch);
      const DeviceArray<float> device_other(other);
      const DeviceArray<Bf16> device_weight(weight);
      const DeviceArray<Bf16> out(size_of(tokens, hidden));
      const kernels::Norm args{device_residual.data(),
                               {with_branch ? device_branch.data() : nullptr, with_branch ? device_other.data() : nullptr},
                               device_weight.data(),
                               epsilon,
                               hidden,
                               out.data()};
      INFO("hidden " << hidden << ", branch " << with_branch);

      // Gathered rows first, as they leave the residual as it is.
      const std::vector<std::int32_t> tokens_of = {36, 0, -1, 5};
      const DeviceArray<std::int32_t> device_tokens_of(tokens_of);
      const DeviceArray<Bf16> gathered(size_of(4, hidden));
      kernels::Norm gather = args;
      gather.out = gathered.data();
      gather_and_norm(gather, device_tokens_of.data(), 4, nullptr);
      gpu::synchronize();
      CHECK(same_bits(device_residual.download(), residual));

      add_and_norm(args, tokens, nullptr);
      gpu::synchronize();
      CHECK(same_bits(device_residual.download(), sums));
      const auto all = out.download();
      check_close(all, normed);
      const auto rows = gathered.download();
      for (std::size_t r = 0; r < tokens_of.size(); ++r) {
        for (std::size_t i = 0; i < static_cast<std::size_t>(hidden); ++i) {
          const std::size_t at = r * static_cast<std::size_t>(hidden) + i;
          if (tokens_of[r] < 0) {
            REQUIRE(value(rows[at]) == 0);
          } else {
            REQUIRE(value(rows[at]) == value(all[size_of(tokens_of[r], hidden) + i]));
          }
        }
      }
    }
  }
}

TEST_CASE("norms add the branch and are the same bits alone and in a batch") {
  check_norms(kernels::add_and_norm, kernels::gather_and_norm);
}
TEST_CASE("the simple norms do the same") { check_norms(kernels::simple::add_and_norm, kernels::simple::gather_and_norm); }

void check_heads(decltype(&kernels::prepare_heads) prepare_heads) {
  Numbers numbers(3);
  struct Shape {
    std::int32_t heads, kv_heads, head_dim, block_size;
    bool bias, norm;
  };
  for (const Shape& s : {Shape{16, 8, 128, 16, false, true},
                         {9, 3, 64, 16, false, false},
                         {14, 2, 64, 48, true, false},
                         {32, 8, 128, 256, true, true},
                         {1, 1, 64, 16, true, true},
                         {7, 1, 128, 32, false, true}}) {
    INFO(s.heads << " heads, " << s.kv_heads << " kv heads, head_dim " << s.head_dim << ", block " << s.block_size);
    const std::int32_t tokens = 29;
    const std::int32_t blocks = 9;
    const std::int32_t max_position = 400;
    const std::int32_t half = s.head_dim / 2;
    const std::int32_t all = s.heads + 2 * s.kv_heads;
    const auto d = static_cast<std::size_t>(s.head_dim);
    const auto qkv = numbers.bf16(size_of(tokens, all) * d);
    const auto bias = numbers.bf16(static_cast<std::size_t>(all) * d);
    const auto q_norm = numbers.bf16(d, 0.2f, 1);
    const auto k_norm = numbers.bf16(d, 0.2f, 1);
    std::vector<float> cosine;
    std::vector<float> sine;
    for (std::int32_t i = 0; i < max_position * half; ++i) {
      cosine.push_back(static_cast<float>(std::cos(0.37 * i)));
      sine.push_back(static_cast<float>(std::sin(0.37 * i)));
    }
    std::vector<std::int32_t> positions;
    std::vector<std::int32_t> slots;
    for (std::int32_t i = 0; i < blocks * s.block_size; ++i) slots.push_back(i);
    std::shuffle(slots.begin(), slots.end(), std::mt19937(5));
    slots.resize(static_cast<std::size_t>(tokens));
    for (std::int32_t t = 0; t < tokens; ++t) positions.push_back(numbers.uniform(0, max_position - 1));
    slots[3] = -1;
    slots[28] = -1;

    const std::vector<Bf16> none;
    const std::size_t cache_size = static_cast<std::size_t>(blocks * s.block_size * s.kv_heads) * d;
    const DeviceArray<Bf16> device_qkv(qkv);
    const DeviceArray<Bf16> device_bias(bias);
    const DeviceArray<Bf16> device_q_norm(q_norm);
    const DeviceArray<Bf16> device_k_norm(k_norm);
    const DeviceArray<float> device_cosine(cosine);
    const DeviceArray<float> device_sine(sine);
    const DeviceArray<std::int32_t> device_positions(positions);
    const DeviceArray<std::int32_t> device_slots(slots);
    const DeviceArray<Bf16> q(size_of(tokens, s.heads) * d);
    const DeviceArray<Bf16> keys(cache_size);
    const DeviceArray<Bf16> values(cache_size);
    const float epsilon = 1e-6f;
    prepare_heads(
        {device_qkv.data(), s.bias ? device_bias.data() : nullptr, s.norm ? device_q_norm.data() : nullptr,
         s.norm ? device_k_norm.data() : nullptr, device_cosine.data(), device_sine.data(), device_positions.data(),
         device_slots.data(), q.data(), keys.data(), values.data(), epsilon, s.heads, s.kv_heads, s.head_dim, s.block_size},
        tokens, nullptr);
    gpu::synchronize();

    // What is not written keeps its poison, 0xffff.
    std::vector<Bf16> got;
    std::vector<double> want;
    const auto q_host = q.download();
    const auto keys_host = keys.download();
    const auto values_host = values.download();
    std::vector<bool> written(cache_size);
    for (std::int32_t t = 0; t < tokens; ++t) {
      const auto ti = static_cast<std::size_t>(t);
      for (std::int32_t h = 0; h < all; ++h) {
        const bool is_value = h >= s.heads + s.kv_heads;
        const bool is_query = h < s.heads;
        std::vector<double> x(d);
        double squares = 0;
        for (std::size_t i = 0; i < d; ++i) {
          x[i] = value(qkv[(size_of(t, all) + static_cast<std::size_t>(h)) * d + i]);
          if (s.bias) x[i] += value(bias[static_cast<std::size_t>(h) * d + i]);
          squares += x[i] * x[i];
        }
        if (s.norm && !is_value) {
          const double factor = 1 / std::sqrt(squares / s.head_dim + static_cast<double>(epsilon));
          for (std::size_t i = 0; i < d; ++i) x[i] *= factor * value((is_query ? q_norm : k_norm)[i]);
        }
        if (!is_value) {
          for (std::size_t i = 0; i < d / 2; ++i) {
            const std::size_t angle = size_of(positions[ti], half) + i;
            const auto c = static_cast<double>(cosine[angle]);
            const auto n = static_cast<double>(sine[angle]);
            const double a = x[i];
            const double b = x[i + d / 2];
            x[i] = a * c - b * n;
            x[i + d / 2] = b * c + a * n;
          }
        }
        const Bf16* from;
        if (is_query) {
          from = q_host.data() + (size_of(t, s.heads) + static_cast<std::size_t>(h)) * d;
        } else if (slots[ti] >= 0) {
          const std::int32_t kv_head = (h - s.heads) % s.kv_heads;
          const std::int32_t block = slots[ti] / s.block_size;
          const std::size_t at =
              static_cast<std::size_t>((block * s.kv_heads + kv_head) * s.block_size + slots[ti] % s.block_size) * d;
          from = (is_value ? values_host : keys_host).data() + at;
          std::fill_n(written.begin() + static_cast<std::ptrdiff_t>(at), d, true);
        } else {
          continue;
        }
        if (slots[ti] < 0) {
          for (std::size_t i = 0; i < d; ++i) REQUIRE(std::isnan(value(from[i])));
          continue;
        }
        got.insert(got.end(), from, from + d);
        want.insert(want.end(), x.begin(), x.end());
      }
    }
    check_close(got, want);
    for (std::size_t i = 0; i < cache_size; ++i) {
      if (!written[i]) REQUIRE((std::isnan(value(keys_host[i])) && std::isnan(value(values_host[i]))));
    }
  }
}

TEST_CASE("heads in fp8: the nearest numbers, the least scale, the same queries") {
  Numbers numbers(9);
  for (const std::int32_t head_dim : {64, 128}) {
    const std::int32_t heads = 6, kv_heads = 3, tokens = 40, block_size = 16, blocks = 4;
    const auto d = static_cast<std::size_t>(head_dim);
    const std::int32_t all = heads + 2 * kv_heads;
    const DeviceArray<Bf16> qkv(numbers.bf16(size_of(tokens, all) * d));
    const DeviceArray<float> cosine(std::vector<float>(64 * d / 2, 0.8f));
    const DeviceArray<float> sine(std::vector<float>(64 * d / 2, 0.6f));
    std::vector<std::int32_t> slots;
    for (std::int32_t t = 0; t < tokens; ++t) slots.push_back(t == 5 ? -1 : tokens - 1 - t);
    const DeviceArray<std::int32_t> device_slots(slots);
    const std::size_t vectors = static_cast<std::size_t>(blocks * block_size * kv_heads);
    const DeviceArray<Bf16> q(size_of(tokens, heads) * d);
    const DeviceArray<Bf16> fp8_q(size_of(tokens, heads) * d);
    const DeviceArray<Bf16> plain[] = {DeviceArray<Bf16>(vectors * d), DeviceArray<Bf16>(vectors * d)};
    const DeviceArray<std::uint8_t> codes[] = {DeviceArray<std::uint8_t>(vectors * d), DeviceArray<std::uint8_t>(vectors * d)};
    const DeviceArray<std::uint8_t> scales[] = {DeviceArray<std::uint8_t>(vectors), DeviceArray<std::uint8_t>(vectors)};
    kernels::Heads args{qkv.data(),
                        nullptr,
                        nullptr,
                        nullptr,
                        cosine.data(),
                        sine.data(),
                        device_slots.data(),
                        device_slots.data(),
                        q.data(),
                        plain[0].data(),
                        plain[1].data(),
                        1e-6f,
                        heads,
                        kv_heads,
                        head_dim,
                        block_size};
    // Positions are slots; the padded token's is not read.
    kernels::prepare_heads(args, tokens, nullptr);
    args.q = fp8_q.data();
    args.keys = reinterpret_cast<Bf16*>(codes[0].data());
    args.values = reinterpret_cast<Bf16*>(codes[1].data());
    args.key_scales = scales[0].data();
    args.value_scales = scales[1].data();
    kernels::prepare_heads(args, tokens, nullptr);
    gpu::synchronize();
    const auto queries = q.download();
    const auto fp8_queries = fp8_q.download();
    for (std::int32_t which = 0; which < 2; ++which) {
      const auto x = plain[which].download();
      const auto c = codes[which].download();
      const auto s = scales[which].download();
      for (std::size_t v = 0; v < vectors; ++v) {
        const auto slot = static_cast<std::int32_t>(v / static_cast<std::size_t>(block_size * kv_heads)) * block_size +
                          static_cast<std::int32_t>(v) % block_size;
        if (slot >= tokens || slot == tokens - 1 - 5) {  // not written: the poison
          REQUIRE(s[v] == 0xff);
          continue;
        }
        const std::int32_t exponent = fp8::exponent_of(s[v]);
        double greatest = 0;
        for (std::size_t i = 0; i < d; ++i) {
          const auto at = static_cast<std::size_t>(i / 16 * 16 + i % 8 * 2 + i % 16 / 8);
          const auto want = static_cast<double>(static_cast<float>(x[v * d + i]));
          const auto got = static_cast<double>(fp8::decode(c[v * d + at], exponent));
          greatest = std::max(greatest, std::fabs(want));
          INFO("head_dim " << head_dim << " vector " << v << " dimension " << i);
          // Half a step of e4m3, and the rounding to bf16 that `want` has.
          REQUIRE(std::fabs(got - want) <= std::fabs(want) * (1.0 / 16 + 1.0 / 128) + std::ldexp(1.0, exponent - 10));
        }
        REQUIRE(std::ldexp(448.0, exponent) * 1.01 >= greatest);
        REQUIRE(std::ldexp(448.0, exponent - 1) <= greatest * 1.01);
      }
    }
    for (std::size_t i = 0; i < queries.size(); ++i) {
      if (static_cast<std::int32_t>(i / d) / heads != 5) {
        REQUIRE(static_cast<float>(queries[i]) == static_cast<float>(fp8_queries[i]));
      }
    }
  }
}

TEST_CASE("heads are biased, normed, rotated and written to their slots") { check_heads(kernels::prepare_heads); }
TEST_CASE("the simple kernel does the same to heads") { check_heads(kernels::simple::prepare_heads); }

void check_swiglu(decltype(&kernels::swiglu) swiglu) {
  Numbers numbers(4);
  for (const std::int32_t intermediate : {8, 72, 1536, 3072, 11008}) {
    const std::int32_t tokens = 11;
    auto gate_up = numbers.bf16(size_of(tokens, 2 * intermediate), 4);
    gate_up[0] = __float2bfloat16(-1000);
    gate_up[1] = __float2bfloat16(1000);
    gate_up[2] = __float2bfloat16(-88);
    std::vector<double> want;
    for (std::int32_t t = 0; t < tokens; ++t) {
      for (std::int32_t i = 0; i < intermediate; ++i) {
        const std::size_t at = size_of(t, 2 * intermediate) + static_cast<std::size_t>(i);
        const double gate = value(gate_up[at]);
        want.push_back(gate / (1 + std::exp(-gate)) * value(gate_up[at + static_cast<std::size_t>(intermediate)]));
      }
    }
    const DeviceArray<Bf16> device_gate_up(gate_up);
    const DeviceArray<Bf16> out(want.size());
    swiglu(device_gate_up.data(), tokens, intermediate, out.data(), nullptr);
    gpu::synchronize();
    check_close(out.download(), want, 20);
  }
}

TEST_CASE("SwiGLU") { check_swiglu(kernels::swiglu); }
TEST_CASE("the simple SwiGLU") { check_swiglu(kernels::simple::swiglu); }

TEST_CASE("block copies happen as if one after the other") {
  Numbers numbers(5);
  const std::int32_t planes = 5;
  const std::int32_t blocks = 40;
  for (const std::int32_t elements : {8, 1024, 16 * 3 * 64, 256 * 8 * 128}) {
    auto cache = numbers.bf16(size_of(planes * blocks, elements));
    const DeviceArray<Bf16> device(cache);
    // A region that moves by one, whose parts overlap, and others at random.
    std::vector<kernels::BlockPair> pairs;
    for (std::int32_t i = 0; i < 12; ++i) pairs.push_back({i + 1, i});
    for (int i = 0; i < 20; ++i) pairs.push_back({numbers.uniform(0, blocks - 1), numbers.uniform(0, blocks - 1)});
    const DeviceArray<kernels::BlockPair> device_pairs(pairs);
    kernels::copy_blocks(device.data(), planes, blocks, elements, device_pairs.data(), static_cast<std::int32_t>(pairs.size()),
                         nullptr);
    gpu::synchronize();
    for (std::int32_t plane = 0; plane < planes; ++plane) {
      for (const auto& [from, to] : pairs) {
        std::memmove(static_cast<void*>(cache.data() + size_of(plane * blocks + to, elements)),
                     cache.data() + size_of(plane * blocks + from, elements), size_of(elements, sizeof(Bf16)));
      }
    }
    CHECK(same_bits(device.download(), cache));
  }
}

}  // namespace
}  // namespace tokenyard
