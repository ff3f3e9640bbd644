#include "backends/cuda/gemm.h"

#include <fmt/core.h>

#include <algorithm>

#include "core/backend.h"
#include "kernels/compare.h"
#include "kernels/small_gemm.h"

namespace tokenyard::cuda {
namespace {

constexpr int kCandidates = 16;
// For more rows, or a head of 100,000 rows, cuBLASLt is as fast: docs/measurements.md.
constexpr std::int32_t kSmallRows = 1;
constexpr std::int64_t kSmallN = 32768;

}  // namespace

void check(cublasStatus_t status, const char* what) {
  if (status != CUBLAS_STATUS_SUCCESS) {
    throw BackendError(fmt::format("cuBLASLt failed while {}: {}", what, cublasLtGetStatusString(status)));
  }
}

// Row-major [rows, columns] is column-major [columns, rows].
Gemm::Shape Gemm::shape(std::int64_t rows, std::int64_t columns) {
  cublasLtMatrixLayout_t layout = nullptr;
  check(cublasLtMatrixLayoutCreate(&layout, CUDA_R_16BF, static_cast<std::uint64_t>(columns), static_cast<std::uint64_t>(rows),
                                   columns),
        "describing a matrix");
  return Shape(layout);
}

Gemm::Gemm(const CublasLt& cublas, std::int32_t n, std::int32_t k, std::span<const std::int32_t> rows, const Bf16* w,
           const Bf16* x, Bf16* y, Bf16* expected, cudaStream_t stream)
    : cublas_(cublas), n_(n), k_(k), w_(shape(n, k)) {
  cublasLtMatmulDesc_t matmul = nullptr;
  check(cublasLtMatmulDescCreate(&matmul, CUBLAS_COMPUTE_32F, CUDA_R_32F), "describing a product");
  matmul_.reset(matmul);
  const cublasOperation_t transposed = CUBLAS_OP_T;
  check(cublasLtMatmulDescSetAttribute(matmul, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed),
        "describing a product");

  DeviceMemory differing(8, "comparing products");
  auto* const counter = reinterpret_cast<unsigned long long*>(differing.data());
  const std::int64_t most = rows.back();
  for (auto it = rows.rbegin(); it != rows.rend(); ++it) {
    Product product{*it, shape(*it, k), shape(*it, n), {}, false};
    const bool is_reference = products_.empty();
    // The last rows of the largest product, so that they stand at another place in it than here.
    const Bf16* const some_x = reinterpret_cast<const Bf16*>(reinterpret_cast<const std::uint16_t*>(x) + (most - *it) * k);
    Bf16* const some_expected = reinterpret_cast<Bf16*>(reinterpret_cast<std::uint16_t*>(expected) + (most - *it) * n);
    // What was never written has no chance to be equal.
    check(cudaMemsetAsync(is_reference ? expected : y, 0xff, static_cast<std::size_t>(*it * n_ * 2), stream),
          "comparing products");
    bool found = false;
    for (const cublasLtMatmulAlgo_t& algorithm : candidates(product)) {
      if (!try_run(product, algorithm, w, some_x, is_reference ? expected : y, stream)) continue;
      if (!is_reference && !passes(y, some_expected, *it, counter, stream)) continue;
      product.algorithm = algorithm;
      found = true;
      break;
    }
    if (!is_reference && *it <= kSmallRows && n_ <= kSmallN && kernels::fits_small_gemm(*it, n, k)) {
      check(cudaMemsetAsync(y, 0xff, static_cast<std::size_t>(*it * n_ * 2), stream), "comparing products");
      kernels::small_gemm(w, some_x, *it, n, k, y, stream);
      product.small = passes(y, some_expected, *it, counter, stream);
      found = found || product.small;
    }
    if (found) products_.push_back(std::move(product));
    if (products_.empty()) {
      throw BackendError(fmt::format("cuBLASLt has no product of {} rows by a [{}, {}] matrix without split sums", *it, n, k));
    }
  }
  std::reverse(products_.begin(), products_.end());
}

bool Gemm::passes(const Bf16* y, const Bf16* expected, std::int32_t rows, unsigned long long* counter,
                  cudaStream_t stream) const {
  unsigned long long count = 0;
  check(cudaMemsetAsync(counter, 0, sizeof count, stream), "comparing products");
  kernels::count_differing(y, expected, rows * n_, counter, stream);
  check(cudaMemcpyAsync(&count, counter, sizeof count, cudaMemcpyDeviceToHost, stream), "comparing products");
  check(cudaStreamSynchronize(stream), "comparing products");
  return count == 0;
}

std::vector<cublasLtMatmulAlgo_t> Gemm::candidates(const Product& product) const {
  cublasLtMatmulPreference_t raw = nullptr;
  check(cublasLtMatmulPreferenceCreate(&raw), "choosing a product");
  const Preference preference(raw);
  const std::uint64_t workspace = 0;
  const std::uint32_t reduction = CUBLASLT_REDUCTION_SCHEME_NONE;
  check(cublasLtMatmulPreferenceSetAttribute(raw, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace),
        "choosing a product");
  check(cublasLtMatmulPreferenceSetAttribute(raw, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &reduction, sizeof reduction),
        "choosing a product");
  cublasLtMatmulHeuristicResult_t results[kCandidates];
  int count = 0;
  const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(
      cublas_, matmul_.get(), w_.get(), product.x.get(), product.y.get(), product.y.get(), raw, kCandidates, results, &count);
  std::vector<cublasLtMatmulAlgo_t> out;
  if (status == CUBLAS_STATUS_NOT_SUPPORTED) return out;
  check(status, "choosing a product");
  for (int i = 0; i < count; ++i) {
    if (results[i].state == CUBLAS_STATUS_SUCCESS) out.push_back(results[i].algo);
  }
  return out;
}

bool Gemm::try_run(const Product& product, const cublasLtMatmulAlgo_t& algorithm, const Bf16* w, const Bf16* x, Bf16* y,
                   cudaStream_t stream) const {
  const float one = 1;
  const float zero = 0;
  return cublasLtMatmul(cublas_, matmul_.get(), &one, w, w_.get(), x, product.x.get(), &zero, y, product.y.get(), y,
                        product.y.get(), &algorithm, nullptr, 0, stream) == CUBLAS_STATUS_SUCCESS;
}

void Gemm::run(const Bf16* w, const Bf16* x, Bf16* y, std::int32_t rows, cudaStream_t stream) const {
  const auto at = std::lower_bound(products_.begin(), products_.end(), rows,
                                   [](const Product& product, std::int32_t wanted) { return product.rows < wanted; });
  if (at->small) {
    kernels::small_gemm(w, x, at->rows, static_cast<std::int32_t>(n_), static_cast<std::int32_t>(k_), y, stream);
    return;
  }
  if (!try_run(*at, at->algorithm, w, x, y, stream)) throw BackendError("cuBLASLt failed while multiplying");
}

}  // namespace tokenyard::cuda
