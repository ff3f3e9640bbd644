// What insisting on one order of sums costs: the fastest of cuBLASLt's candidates with everything allowed (32 MiB of workspace,
// split sums), against the fastest without split sums, which the CUDA backend takes, and against its first choice. Qwen3-0.6B's
// shapes.
#include <cublasLt.h>
#include <fmt/core.h>

#include <algorithm>
#include <vector>

#include "tests/bench/kernels/bench.h"
#include "tests/kernels/gpu/support/device.h"

namespace tokenyard {
namespace {

using gpu::DeviceArray;
using kernels::Bf16;
using kernels::Stream;

constexpr std::size_t kWorkspace = std::size_t{32} << 20;
constexpr int kCandidates = 8;

struct Shape {
  const char* name;
  std::int64_t n, k;
};
constexpr Shape kShapes[] = {
    {"qkv", 4096, 1024}, {"o", 1024, 2048}, {"gate_up", 6144, 1024}, {"down", 1024, 3072}, {"head", 151936, 1024}};

void ok(cublasStatus_t status) {
  if (status != CUBLAS_STATUS_SUCCESS) throw kernels::DeviceError(cublasLtGetStatusString(status));
}

struct Times {
  double best = 1e30;
  double first = 0;
};

// Weights pass in turn, 200 MB and more of them, so that none is in the L2.
Times time_products(cublasLtHandle_t cublas, const Shape& shape, std::int64_t m, bool split) {
  const std::size_t elements = static_cast<std::size_t>(shape.n * shape.k);
  const std::size_t copies = std::max<std::size_t>(3, (std::size_t{100} << 20) / elements);
  const DeviceArray<Bf16> w(elements * copies);
  const DeviceArray<Bf16> x(static_cast<std::size_t>(m * shape.k));
  const DeviceArray<Bf16> y(static_cast<std::size_t>(m * shape.n));
  const DeviceArray<std::byte> workspace(kWorkspace);
  gpu::fill_random(w.data(), w.size(), 1, 0.02f);
  gpu::fill_random(x.data(), x.size(), 2, 1);

  cublasLtMatmulDesc_t product = nullptr;
  cublasLtMatrixLayout_t a = nullptr, b = nullptr, c = nullptr;
  cublasLtMatmulPreference_t preference = nullptr;
  const cublasOperation_t transposed = CUBLAS_OP_T;
  const std::uint64_t bytes = split ? kWorkspace : 0;
  const std::uint32_t reduction = split ? static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_MASK)
                                        : static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_NONE);
  ok(cublasLtMatmulDescCreate(&product, CUBLAS_COMPUTE_32F, CUDA_R_32F));
  ok(cublasLtMatmulDescSetAttribute(product, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed));
  ok(cublasLtMatrixLayoutCreate(&a, CUDA_R_16BF, static_cast<std::uint64_t>(shape.k), static_cast<std::uint64_t>(shape.n),
                                shape.k));
  ok(cublasLtMatrixLayoutCreate(&b, CUDA_R_16BF, static_cast<std::uint64_t>(shape.k), static_cast<std::uint64_t>(m), shape.k));
  ok(cublasLtMatrixLayoutCreate(&c, CUDA_R_16BF, static_cast<std::uint64_t>(shape.n), static_cast<std::uint64_t>(m), shape.n));
  ok(cublasLtMatmulPreferenceCreate(&preference));
  ok(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &bytes, sizeof bytes));
  ok(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &reduction,
                                          sizeof reduction));
  cublasLtMatmulHeuristicResult_t results[kCandidates];
  int count = 0;
  ok(cublasLtMatmulAlgoGetHeuristic(cublas, product, a, b, c, c, preference, kCandidates, results, &count));
  Times times;
  const float one = 1;
  const float zero = 0;
  const int launches = static_cast<int>(std::max<std::size_t>(copies, 20));
  for (int i = 0; i < count; ++i) {
    const double us = bench::time_us(launches, [&](Stream stream) {
      for (int n = 0; n < launches; ++n) {
        const auto* weight =
            reinterpret_cast<const std::uint16_t*>(w.data()) + elements * (static_cast<std::size_t>(n) % copies);
        ok(cublasLtMatmul(cublas, product, &one, weight, a, x.data(), b, &zero, y.data(), c, y.data(), c, &results[i].algo,
                          split ? workspace.data() : nullptr, bytes, stream));
      }
    });
    if (i == 0) times.first = us;
    times.best = std::min(times.best, us);
  }
  cublasLtMatmulPreferenceDestroy(preference);
  cublasLtMatrixLayoutDestroy(a);
  cublasLtMatrixLayoutDestroy(b);
  cublasLtMatrixLayoutDestroy(c);
  cublasLtMatmulDescDestroy(product);
  return times;
}

const bool added = bench::add("gemm_order", [] {
  cublasLtHandle_t cublas = nullptr;
  ok(cublasLtCreate(&cublas));
  for (const std::int64_t m : {1, 16, 64, 128, 256, 2048}) {
    double free_us = 0;
    double ordered_us = 0;
    double first_us = 0;
    for (const Shape& shape : kShapes) {
      if (m > 256 && shape.n > 100000) continue;
      const double times = shape.n > 100000 ? 1 : 28;
      const Times free = time_products(cublas, shape, m, true);
      const Times ordered = time_products(cublas, shape, m, false);
      bench::report(fmt::format("gemm_order {}, {} rows, anything", shape.name, m), free.best,
                    2.0 * static_cast<double>(shape.n * shape.k), 2.0 * static_cast<double>(m * shape.n * shape.k));
      bench::report(fmt::format("gemm_order {}, {} rows, one order", shape.name, m), ordered.best,
                    2.0 * static_cast<double>(shape.n * shape.k), 2.0 * static_cast<double>(m * shape.n * shape.k));
      free_us += times * free.best;
      ordered_us += times * ordered.best;
      first_us += times * ordered.first;
    }
    bench::report(fmt::format("gemm_order step of {} rows, anything", m), free_us, 0);
    bench::report(fmt::format("gemm_order step of {} rows, one order, {:.3f} of it", m, ordered_us / free_us), ordered_us, 0);
    bench::report(fmt::format("gemm_order step of {} rows, one order, first choice, {:.3f}", m, first_us / free_us), first_us,
                  0);
  }
  cublasLtDestroy(cublas);
});

}  // namespace
}  // namespace tokenyard
