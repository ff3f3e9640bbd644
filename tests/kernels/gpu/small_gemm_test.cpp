// The GEMM for few tokens is right, and gives the bits of cuBLASLt's kernels without split-K, so a row gets the same tokens
// whichever computes it.
#include "kernels/small_gemm.h"

#include <cublasLt.h>

#include <array>
#include <cstring>

#include "catch.h"
#include "kernels/ordered_gemm.h"
#include "kernels/simple/simple.h"
#include "tests/kernels/gpu/support/device.h"

namespace tokenyard {
namespace {

using gpu::DeviceArray;
using kernels::Bf16;

void require(cublasStatus_t status) { REQUIRE(status == CUBLAS_STATUS_SUCCESS); }

// out [m, n] = x [m, k] w [n, k]^T by each of cuBLASLt's candidates that uses neither split-K nor a workspace.
class Candidates {
 public:
  Candidates(int m, int n, int k) {
    require(cublasLtCreate(&handle_));
    require(cublasLtMatmulDescCreate(&operation_, CUBLAS_COMPUTE_32F, CUDA_R_32F));
    const cublasOperation_t transposed = CUBLAS_OP_T;
    require(cublasLtMatmulDescSetAttribute(operation_, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed));
    const auto un = static_cast<std::uint64_t>(n);
    const auto um = static_cast<std::uint64_t>(m);
    const auto uk = static_cast<std::uint64_t>(k);
    require(cublasLtMatrixLayoutCreate(&w_, CUDA_R_16BF, uk, un, k));
    require(cublasLtMatrixLayoutCreate(&x_, CUDA_R_16BF, uk, um, k));
    require(cublasLtMatrixLayoutCreate(&out_, CUDA_R_16BF, un, um, n));
    cublasLtMatmulPreference_t preference;
    require(cublasLtMatmulPreferenceCreate(&preference));
    const std::size_t workspace = 0;
    const std::uint32_t none = CUBLASLT_REDUCTION_SCHEME_NONE;
    require(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace,
                                                 sizeof workspace));
    require(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &none, sizeof none));
    found_.resize(8);
    int count = 0;
    require(cublasLtMatmulAlgoGetHeuristic(handle_, operation_, w_, x_, out_, out_, preference, 8, found_.data(), &count));
    found_.resize(static_cast<std::size_t>(count));
    cublasLtMatmulPreferenceDestroy(preference);
  }
  ~Candidates() {
    cublasLtMatrixLayoutDestroy(w_);
    cublasLtMatrixLayoutDestroy(x_);
    cublasLtMatrixLayoutDestroy(out_);
    cublasLtMatmulDescDestroy(operation_);
    cublasLtDestroy(handle_);
  }
  Candidates(const Candidates&) = delete;
  Candidates& operator=(const Candidates&) = delete;

  std::size_t count() const { return found_.size(); }
  void run(std::size_t i, const Bf16* w, const Bf16* x, Bf16* out) const {
    const float one = 1;
    const float zero = 0;
    require(cublasLtMatmul(handle_, operation_, &one, w, w_, x, x_, &zero, out, out_, out, out_, &found_[i].algo, nullptr, 0,
                           nullptr));
  }

 private:
  cublasLtHandle_t handle_;
  cublasLtMatmulDesc_t operation_;
  cublasLtMatrixLayout_t w_, x_, out_;
  std::vector<cublasLtMatmulHeuristicResult_t> found_;
};

TEST_CASE("the GEMM for few tokens gives cuBLASLt's bits") {
  struct Shape {
    int n, k;
  };
  for (const auto [n, k] : {Shape{4096, 1024},
                            {1024, 2048},
                            {6144, 1024},
                            {1024, 3072},
                            {960, 576},
                            {576, 576},
                            {3072, 576},
                            {576, 1536},
                            {49152, 576},
                            {151936, 1024}}) {
    const auto un = static_cast<std::size_t>(n);
    const auto uk = static_cast<std::size_t>(k);
    const DeviceArray<Bf16> w(un * uk);
    const DeviceArray<Bf16> x(8 * uk);
    gpu::fill_random(w.data(), w.size(), 11, 0.05f);
    gpu::fill_random(x.data(), x.size(), 12);
    for (const int m : {1, 2, 3, 8}) {
      const auto um = static_cast<std::size_t>(m);
      const DeviceArray<Bf16> ours(um * un);
      kernels::small_gemm(w.data(), x.data(), m, n, k, ours.data(), nullptr);
      gpu::synchronize();
      const auto ours_host = ours.download();
      const Candidates candidates(m, n, k);
      REQUIRE(candidates.count() > 0);
      for (std::size_t c = 0; c < candidates.count(); ++c) {
        const DeviceArray<Bf16> theirs(um * un);
        candidates.run(c, w.data(), x.data(), theirs.data());
        gpu::synchronize();
        const auto theirs_host = theirs.download();
        std::size_t unequal = 0;
        for (std::size_t i = 0; i < ours_host.size(); ++i) {
          unequal += std::memcmp(&ours_host[i], &theirs_host[i], sizeof(Bf16)) != 0;
        }
        INFO("M " << m << ", N " << n << ", K " << k << ", candidate " << c << " of " << candidates.count());
        CHECK(unequal == 0);
      }
    }
  }
}

TEST_CASE("both GEMMs for few tokens agree with double precision, but not in all bits") {
  std::size_t unequal = 0;
  std::size_t all = 0;
  for (const auto [m, n, k] : {std::array{1, 8, 64}, {3, 72, 192}, {8, 576, 576}, {2, 960, 3072}, {5, 104, 6144}}) {
    INFO("M " << m << ", N " << n << ", K " << k);
    const auto um = static_cast<std::size_t>(m);
    const auto un = static_cast<std::size_t>(n);
    const auto uk = static_cast<std::size_t>(k);
    const DeviceArray<Bf16> w(un * uk);
    const DeviceArray<Bf16> x(um * uk);
    gpu::fill_random(w.data(), w.size(), 21, 0.05f);
    gpu::fill_random(x.data(), x.size(), 22);
    gpu::synchronize();
    const auto w_host = w.download();
    const auto x_host = x.download();
    std::vector<double> want;
    for (std::size_t i = 0; i < um * un; ++i) {
      double sum = 0;
      for (std::size_t c = 0; c < uk; ++c) {
        sum += static_cast<double>(__bfloat162float(x_host[i / un * uk + c])) *
               static_cast<double>(__bfloat162float(w_host[i % un * uk + c]));
      }
      want.push_back(sum);
    }
    const DeviceArray<Bf16> fast(want.size());
    const DeviceArray<Bf16> simple(want.size());
    kernels::small_gemm(w.data(), x.data(), m, n, k, fast.data(), nullptr);
    kernels::simple::small_gemm(w.data(), x.data(), m, n, k, simple.data(), nullptr);
    gpu::synchronize();
    const auto fast_host = fast.download();
    const auto simple_host = simple.download();
    CHECK(gpu::relative_l2(fast_host, want) < 3e-3);
    CHECK(gpu::relative_l2(simple_host, want) < 3e-3);
    all += want.size();
    for (std::size_t i = 0; i < want.size(); ++i) {
      unequal += std::memcmp(&fast_host[i], &simple_host[i], sizeof(Bf16)) != 0;
    }
  }
  CHECK(unequal > 0);  // one rounding a column or one in sixteen
  WARN(unequal << " of " << all << " differ");
}

std::vector<std::uint32_t> words(const DeviceArray<float>& array) {
  const std::vector<float> values = array.download();
  std::vector<std::uint32_t> out(values.size());
  std::memcpy(out.data(), values.data(), 4 * values.size());
  return out;
}

// A part of the columns is what a card of several has of a matrix.
TEST_CASE("parts of a product are the products of parts, in the one order of sums") {
  for (const int n : {64, 1024, 4096}) {
    for (const int k : {128, 512, 2048, 12288}) {
      for (const int parts : {1, 2}) {
        for (const int m : {1, 3, 8}) {
          if (!kernels::fits_small_gemm(m, n, k / parts)) continue;
          INFO(m << " x " << n << " x " << k << " in " << parts);
          const DeviceArray<Bf16> w(static_cast<std::size_t>(n) * static_cast<std::size_t>(k));
          const DeviceArray<Bf16> x(static_cast<std::size_t>(m) * static_cast<std::size_t>(k));
          gpu::fill_random(w.data(), w.size(), 31, 0.05f);
          gpu::fill_random(x.data(), x.size(), 32);
          const auto one = static_cast<std::size_t>(m) * static_cast<std::size_t>(n);
          const DeviceArray<float> small(one * static_cast<std::size_t>(parts));
          const DeviceArray<float> ordered(small.size());
          kernels::small_gemm_in_parts(w.data(), x.data(), m, n, k, parts, small.data(), static_cast<std::int64_t>(one),
                                       nullptr);
          for (int p = 0; p < parts; ++p) {
            kernels::ordered_gemm({w.data() + p * k / parts, x.data() + p * k / parts, m, n, k / parts, k},
                                  ordered.data() + static_cast<std::size_t>(p) * one, nullptr);
          }
          gpu::synchronize();
          CHECK(words(small) == words(ordered));
        }
      }
    }
  }
}

TEST_CASE("the product in order agrees with double precision, for odd sizes too") {
  struct Shape {
    int m, n, k;
  };
  for (const auto [m, n, k] : {Shape{1, 8, 8}, {17, 72, 40}, {33, 66, 24}, {64, 128, 576}}) {
    INFO(m << " x " << n << " x " << k);
    const DeviceArray<Bf16> w(static_cast<std::size_t>(n * k));
    const DeviceArray<Bf16> x(static_cast<std::size_t>(m * k));
    gpu::fill_random(w.data(), w.size(), 41);
    gpu::fill_random(x.data(), x.size(), 42);
    const DeviceArray<float> out(static_cast<std::size_t>(m * n));
    kernels::ordered_gemm({w.data(), x.data(), m, n, k, k}, out.data(), nullptr);
    gpu::synchronize();
    const std::vector<Bf16> a = w.download();
    const std::vector<Bf16> b = x.download();
    std::vector<double> expected;
    for (int t = 0; t < m; ++t) {
      for (int r = 0; r < n; ++r) {
        double sum = 0;
        for (int i = 0; i < k; ++i) {
          sum += static_cast<double>(__bfloat162float(a[static_cast<std::size_t>(r * k + i)])) *
                 static_cast<double>(__bfloat162float(b[static_cast<std::size_t>(t * k + i)]));
        }
        expected.push_back(sum);
      }
    }
    CHECK(gpu::relative_l2(std::span<const float>(out.download()), expected) < 1e-6);
  }
}

}  // namespace
}  // namespace tokenyard
