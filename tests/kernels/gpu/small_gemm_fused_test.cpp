// A product that makes its own input gives the bits of the kernels that would make it, one after another.
#include <cstring>
#include <vector>

#include "catch.h"
#include "kernels/norm.h"
#include "kernels/small_gemm.h"
#include "tests/kernels/gpu/support/device.h"

namespace tokenyard {
namespace {

using gpu::DeviceArray;
using kernels::Bf16;

template <class T>
std::vector<unsigned char> bytes_of(const DeviceArray<T>& array) {
  const std::vector<T> values = array.download();
  std::vector<unsigned char> out(values.size() * sizeof(T));
  std::memcpy(out.data(), values.data(), out.size());
  return out;
}

std::size_t area(std::int64_t a, std::int64_t b) { return static_cast<std::size_t>(a * b); }

DeviceArray<Bf16> random_numbers(std::size_t size, std::uint32_t seed, float scale = 1) {
  DeviceArray<Bf16> out(size);
  gpu::fill_random(out.data(), size, seed, scale);
  return out;
}

std::vector<float> floats(std::size_t size, std::uint32_t seed) {
  std::vector<float> out;
  for (const Bf16 x : random_numbers(size, seed).download()) out.push_back(__bfloat162float(x) * 1.0009765625f);
  return out;
}

TEST_CASE("a product of a norm is that norm and that product [small]", "[small]") {
  constexpr int kRows = 264;  // not a multiple of what a grid shares out
  for (const int hidden : {64, 576, 1024, 2560, 4096}) {
    for (const int tokens : {1, 2, 3, 8}) {
      for (const bool adds : {false, true}) {
        if (!kernels::fits_small_gemm_of_norm(tokens, hidden)) continue;
        INFO(tokens << " tokens of " << hidden << (adds ? ", with two halves" : ""));
        const std::vector<float> before = floats(area(tokens, hidden), 1);
        const DeviceArray<float> residual(before), untouched(before), other(area(tokens, hidden));
        const DeviceArray<float> half(floats(area(tokens, hidden), 2)), half1(floats(area(tokens, hidden), 3));
        const DeviceArray<Bf16> gamma = random_numbers(static_cast<std::size_t>(hidden), 4);
        const DeviceArray<Bf16> weight = random_numbers(area(kRows, hidden), 5, 0.05f);
        const DeviceArray<Bf16> normed(area(tokens, hidden)), expected(area(tokens, kRows)), out(area(tokens, kRows));
        kernels::Norm norm{residual.data(), {}, gamma.data(), 1e-6f, hidden, normed.data()};
        if (adds) {
          norm.partial[0] = half.data();
          norm.partial[1] = half1.data();
        }
        kernels::add_and_norm(norm, tokens, nullptr);
        kernels::small_gemm(weight.data(), normed.data(), tokens, kRows, hidden, expected.data(), nullptr);
        norm.residual = untouched.data();
        norm.out = nullptr;
        kernels::small_gemm_of_norm(weight.data(), norm, other.data(), tokens, kRows, out.data(), nullptr);
        gpu::synchronize();
        CHECK(bytes_of(out) == bytes_of(expected));
        CHECK(bytes_of(other) == bytes_of(residual));
        CHECK(untouched.download() == before);
      }
    }
  }
  CHECK_THROWS_AS(
      kernels::small_gemm_of_norm(nullptr, {nullptr, {}, nullptr, 0, 8192, nullptr}, nullptr, 2, 8, nullptr, nullptr),
      std::invalid_argument);
}

}  // namespace
}  // namespace tokenyard
