// A GEMM for up to 16 tokens has the bits of the plain loop in order, and with the activation those of the two kernels.
#include "kernels/skinny_gemm.h"

#include <cstring>
#include <vector>

#include "catch.h"
#include "kernels/norm.h"
#include "kernels/ordered_gemm.h"
#include "kernels/small_gemm.h"
#include "kernels/swiglu.h"
#include "tests/kernels/gpu/support/device.h"

namespace tokenyard {
namespace {

using gpu::DeviceArray;
using kernels::Bf16;

struct SkinnyShape {
  int n, k;
};
constexpr SkinnyShape kSkinnyShapes[] = {{4096, 1024}, {6144, 1024}, {960, 576},   {3072, 576},  {16, 32},
                                         {48, 96},     {2064, 288},  {1536, 2048}, {3072, 1536}, {80, 4096}};

template <class T>
std::vector<std::uint8_t> skinny_bytes(const DeviceArray<T>& array) {
  const std::vector<T> values = array.download();
  std::vector<std::uint8_t> out(values.size() * sizeof(T));
  std::memcpy(out.data(), values.data(), out.size());
  return out;
}

std::size_t product(int a, int b) { return static_cast<std::size_t>(a) * static_cast<std::size_t>(b); }

TEST_CASE("a product of up to 16 tokens, with SwiGLU or without, is in the one order of sums [small]", "[small]") {
  for (const auto [n, k] : kSkinnyShapes) {
    const DeviceArray<Bf16> w(product(n, k));
    const DeviceArray<Bf16> x(product(kernels::kSkinnyGemmTokens, k));
    gpu::fill_random(w.data(), w.size(), 41, 0.05f);
    gpu::fill_random(x.data(), x.size(), 42);
    for (const int m : {1, 2, 7, 8, 9, 15, 16}) {
      if (!kernels::fits_skinny_gemm(m, n, k)) continue;
      INFO(m << " x " << n << " x " << k);
      const DeviceArray<Bf16> ours(product(m, n)), ordered(product(m, n));
      const DeviceArray<Bf16> gated(product(m, n / 2)), activated(product(m, n / 2));
      kernels::skinny_gemm(w.data(), x.data(), m, n, k, ours.data(), nullptr);
      kernels::ordered_gemm({w.data(), x.data(), m, n, k, k}, ordered.data(), nullptr);
      kernels::skinny_gemm_gated(w.data(), x.data(), m, n, k, gated.data(), nullptr);
      kernels::swiglu(ordered.data(), m, n / 2, activated.data(), nullptr);
      gpu::synchronize();
      CHECK(skinny_bytes(ours) == skinny_bytes(ordered));
      CHECK(skinny_bytes(gated) == skinny_bytes(activated));
    }
  }
  CHECK(kernels::fits_skinny_gemm(16, 6144, 1024));
  CHECK_FALSE(kernels::fits_skinny_gemm(17, 6144, 1024));
  CHECK_FALSE(kernels::fits_skinny_gemm(1, 24, 1024));
  CHECK_FALSE(kernels::fits_skinny_gemm(1, 32, 1000));
  CHECK_FALSE(kernels::fits_skinny_gemm(16, 32, 8192));
  CHECK_THROWS_AS(kernels::skinny_gemm(nullptr, nullptr, 17, 32, 64, nullptr, nullptr), std::invalid_argument);
}

TEST_CASE("a product of a norm with SwiGLU is that norm, that product and that activation [small]", "[small]") {
  constexpr int kRows = 2064;  // not a multiple of what a grid shares out
  for (const int hidden : {64, 576, 1024, 2560, 4096}) {
    for (const int tokens : {1, 2, 3, 5, 8, 9, 16}) {
      if (!kernels::fits_skinny_gemm_of_norm(tokens, kRows, hidden)) continue;
      INFO(tokens << " tokens of " << hidden);
      std::vector<float> before;
      const std::size_t size = product(tokens, hidden);
      const DeviceArray<Bf16> numbers(2 * size);
      gpu::fill_random(numbers.data(), numbers.size(), 1);
      for (const Bf16 each : numbers.download()) before.push_back(__bfloat162float(each) * 1.0009765625f);
      const DeviceArray<float> halves(before);
      before.resize(size);
      const DeviceArray<float> residual(before), untouched(before), other(size);
      const DeviceArray<Bf16> gamma(static_cast<std::size_t>(hidden)), weight(product(kRows, hidden));
      gpu::fill_random(gamma.data(), gamma.size(), 4);
      gpu::fill_random(weight.data(), weight.size(), 5, 0.05f);
      const DeviceArray<Bf16> normed(size), gate_up(product(tokens, kRows));
      const DeviceArray<Bf16> expected(product(tokens, kRows / 2)), out(expected.size());
      kernels::Norm norm{residual.data(), {halves.data(), halves.data() + size}, gamma.data(), 1e-6f, hidden, normed.data()};
      kernels::add_and_norm(norm, tokens, nullptr);
      kernels::ordered_gemm({weight.data(), normed.data(), tokens, kRows, hidden, hidden}, gate_up.data(), nullptr);
      kernels::swiglu(gate_up.data(), tokens, kRows / 2, expected.data(), nullptr);
      norm.residual = untouched.data();
      norm.out = nullptr;
      kernels::skinny_gemm_gated_of_norm(weight.data(), norm, other.data(), tokens, kRows, out.data(), nullptr);
      gpu::synchronize();
      CHECK(skinny_bytes(out) == skinny_bytes(expected));
      CHECK(skinny_bytes(other) == skinny_bytes(residual));
      const DeviceArray<Bf16> plain(gate_up.size());
      kernels::skinny_gemm_of_norm(weight.data(), norm, other.data(), tokens, kRows, plain.data(), nullptr);
      gpu::synchronize();
      CHECK(skinny_bytes(plain) == skinny_bytes(gate_up));
      CHECK(untouched.download() == before);
    }
  }
}

}  // namespace
}  // namespace tokenyard
