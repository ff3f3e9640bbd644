#include "backends/cuda/gemm.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>

#include "core/backend.h"
#include "kernels/compare.h"
#include "kernels/ordered_gemm.h"
#include "kernels/skinny_gemm.h"
#include "kernels/small_gemm.h"

namespace tokenyard::cuda {
namespace {

constexpr int kCandidates = 16;
constexpr int kTimedCandidates = 5;        // of those that pass the gate
constexpr int kTimedOfManyRows = 8;        // where the fastest is often among the last
constexpr std::int32_t kTimedRows = 4096;  // beyond, cuBLASLt's first choice is nearly as good, and timing takes longer
constexpr std::int32_t kManyRows = 256;    // beyond, it does not matter whether weights come from the L2: a few are enough
constexpr std::size_t kFewWeights = 3;
constexpr TimeNs kNear = 1'000;  // what a norm or an activation by itself takes

}  // namespace

void check(cublasStatus_t status, const char* what) {
  if (status != CUBLAS_STATUS_SUCCESS) {
    throw BackendError(fmt::format("cuBLASLt failed while {}: {}", what, cublasLtGetStatusString(status)));
  }
}

// `parts` row-major matrices [rows, columns], their rows `stride` apart; column-major that is [columns, rows].
Gemm::Layout Gemm::layout(cudaDataType_t type, std::int64_t rows, std::int64_t columns, std::int64_t stride, std::int32_t parts,
                          std::int64_t part_stride) {
  cublasLtMatrixLayout_t raw = nullptr;
  check(cublasLtMatrixLayoutCreate(&raw, type, static_cast<std::uint64_t>(columns), static_cast<std::uint64_t>(rows), stride),
        "describing a matrix");
  Layout out(raw);
  if (parts > 1) {
    check(cublasLtMatrixLayoutSetAttribute(raw, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &parts, sizeof parts),
          "describing a matrix");
    check(cublasLtMatrixLayoutSetAttribute(raw, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &part_stride, sizeof part_stride),
          "describing a matrix");
  }
  return out;
}

Gemm::Gemm(const CublasLt& cublas, const Shape& shape, std::span<const std::int32_t> rows, std::span<const Bf16* const> weights,
           const Scratch& scratch, cudaStream_t stream)
    : cublas_(cublas), shape_(shape), most_rows_(rows.back()) {
  const Bf16* const w = weights.front();
  const std::int32_t parts = std::max(1, shape.parts);
  const std::int64_t part_k = shape.k / parts;
  const cudaDataType_t result = shape.parts == 0 ? CUDA_R_16BF : CUDA_R_32F;
  w_ = layout(CUDA_R_16BF, shape.n, part_k, shape.k, parts, part_k);
  cublasLtMatmulDesc_t matmul = nullptr;
  check(cublasLtMatmulDescCreate(&matmul, CUBLAS_COMPUTE_32F, CUDA_R_32F), "describing a product");
  matmul_.reset(matmul);
  const cublasOperation_t transposed = CUBLAS_OP_T;
  check(cublasLtMatmulDescSetAttribute(matmul, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed),
        "describing a product");

  const DeviceMemory counter_memory(8, "comparing products");
  auto* const counter = reinterpret_cast<unsigned long long*>(counter_memory.data());
  run_ordered(w, scratch.x, scratch.expected, rows.back(), stream);
  for (const std::int32_t m : rows) {
    Product product{m,
                    layout(CUDA_R_16BF, m, part_k, shape.k, parts, part_k),
                    layout(result, m, shape.n, shape.n, parts, most_rows_ * shape.n),
                    {},
                    By::ordered_gemm,
                    false,
                    false};
    // The last rows of the largest product, so that they stand at another place in it than here.
    const std::int64_t skipped = most_rows_ - m;
    const Bf16* const x = reinterpret_cast<const Bf16*>(reinterpret_cast<const std::uint16_t*>(scratch.x) + skipped * shape.k);
    const std::int64_t count = m * std::int64_t{shape.n};
    const std::int64_t bytes = shape.parts == 0 ? 2 : 4;  // of a number
    const auto part_of = [&](std::byte* base, std::int32_t p) { return base + p * most_rows_ * shape.n * bytes; };
    const auto passes = [&](const auto& compute) {
      for (std::int32_t p = 0; p < parts; ++p) {  // what was never written has no chance to be equal
        check(cudaMemsetAsync(part_of(scratch.y, p), 0xff, static_cast<std::size_t>(count * bytes), stream),
              "comparing products");
      }
      if (!compute()) return false;
      unsigned long long differing = 0;
      check(cudaMemsetAsync(counter, 0, sizeof differing, stream), "comparing products");
      for (std::int32_t p = 0; p < parts; ++p) {
        const std::byte* const expected = part_of(scratch.expected, p) + skipped * shape.n * bytes;
        kernels::count_differing(reinterpret_cast<const Bf16*>(part_of(scratch.y, p)), reinterpret_cast<const Bf16*>(expected),
                                 count * bytes / 2, counter, stream);
      }
      check(cudaMemcpyAsync(&differing, counter, sizeof differing, cudaMemcpyDeviceToHost, stream), "comparing products");
      check(cudaStreamSynchronize(stream), "comparing products");
      return differing == 0;
    };
    const Event from, to;
    TimeNs best = std::numeric_limits<TimeNs>::max();
    // Takes `by` if it is the fastest so far; with many rows the first. The time of one, 0 if it was not timed.
    const auto consider = [&](By by, const cublasLtMatmulAlgo_t& algorithm) -> TimeNs {
      if (m > kTimedRows) {
        if (product.by != By::ordered_gemm) return 0;
        product.by = by;
        product.algorithm = algorithm;
        return 0;
      }
      const By before = product.by;
      const cublasLtMatmulAlgo_t algorithm_before = product.algorithm;
      product.by = by;
      product.algorithm = algorithm;
      constexpr int kLeastLaunches = 8;  // of a head there is one
      const auto timed = weights.first(m > kManyRows ? std::min(kFewWeights, weights.size()) : weights.size());
      const int rounds = m > kManyRows ? 1 : std::max(1, kLeastLaunches / static_cast<int>(timed.size()));
      from.record(stream, false);
      for (int i = 0; i < rounds; ++i) {
        for (const Bf16* const each : timed) run(product, each, x, scratch.y, stream);
      }
      to.record(stream, false);
      to.synchronize();
      const TimeNs time = elapsed(from, to) / (rounds * static_cast<TimeNs>(timed.size()));
      if (time < best) {
        best = time;
      } else {
        product.by = before;
        product.algorithm = algorithm_before;
      }
      return time;
    };
    int passed = 0;
    for (const cublasLtMatmulAlgo_t& algorithm : candidates(product)) {
      if (passed == (m > kTimedRows ? 1 : m > kManyRows ? kTimedOfManyRows : kTimedCandidates)) break;
      if (!passes([&] { return try_cublas(product, algorithm, w, x, scratch.y, stream); })) continue;
      consider(By::cublas, algorithm);
      ++passed;
    }
    if (fits_small(m) && passes([&] {
          run_small(w, x, scratch.y, m, stream);
          return true;
        })) {
      product.small_is_near = consider(By::small_gemm, {}) <= best + kNear;
    }
    if (fits_skinny(m) && passes([&] {
          kernels::skinny_gemm(w, x, m, shape_.n, shape_.k, reinterpret_cast<Bf16*>(scratch.y), stream);
          return true;
        })) {
      product.skinny_is_near = consider(By::skinny_gemm, {}) <= best + kNear;
    }
    products_.push_back(std::move(product));
  }
}

std::int32_t Gemm::num_slow_products() const {
  return static_cast<std::int32_t>(
      std::count_if(products_.begin(), products_.end(), [](const Product& each) { return each.by == By::ordered_gemm; }));
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

bool Gemm::try_cublas(const Product& product, const cublasLtMatmulAlgo_t& algorithm, const Bf16* w, const Bf16* x, void* y,
                      cudaStream_t stream) const {
  const float one = 1;
  const float zero = 0;
  return cublasLtMatmul(cublas_, matmul_.get(), &one, w, w_.get(), x, product.x.get(), &zero, y, product.y.get(), y,
                        product.y.get(), &algorithm, nullptr, 0, stream) == CUBLAS_STATUS_SUCCESS;
}

bool Gemm::fits_small(std::int32_t rows) const {
  return kernels::fits_small_gemm(rows, shape_.n, shape_.k / std::max(1, shape_.parts));
}

bool Gemm::fits_skinny(std::int32_t rows) const {
  return shape_.parts == 0 && kernels::fits_skinny_gemm(rows, shape_.n, shape_.k);
}

void Gemm::run_small(const Bf16* w, const Bf16* x, void* y, std::int32_t rows, cudaStream_t stream) const {
  if (shape_.parts == 0) {
    kernels::small_gemm(w, x, rows, shape_.n, shape_.k, static_cast<Bf16*>(y), stream);
  } else {
    kernels::small_gemm_in_parts(w, x, rows, shape_.n, shape_.k, shape_.parts, static_cast<float*>(y), most_rows_ * shape_.n,
                                 stream);
  }
}

void Gemm::run_ordered(const Bf16* w, const Bf16* x, void* y, std::int32_t rows, cudaStream_t stream) const {
  if (shape_.parts == 0) {
    kernels::ordered_gemm({w, x, rows, shape_.n, shape_.k, shape_.k}, static_cast<Bf16*>(y), stream);
    return;
  }
  const std::int64_t part_k = shape_.k / shape_.parts;
  for (std::int32_t p = 0; p < shape_.parts; ++p) {
    const auto part_of = [&](const Bf16* of) {
      return reinterpret_cast<const Bf16*>(reinterpret_cast<const std::uint16_t*>(of) + p * part_k);
    };
    kernels::ordered_gemm({part_of(w), part_of(x), rows, shape_.n, part_k, shape_.k},
                          static_cast<float*>(y) + p * most_rows_ * shape_.n, stream);
  }
}

const Gemm::Product* Gemm::product_of(std::int32_t rows) const {
  const auto at = std::lower_bound(products_.begin(), products_.end(), rows,
                                   [](const Product& product, std::int32_t wanted) { return product.rows < wanted; });
  return at != products_.end() && at->rows == rows ? &*at : nullptr;
}

bool Gemm::small_is_near(std::int32_t rows) const {
  const Product* const product = product_of(rows);
  return product != nullptr && product->small_is_near;
}

bool Gemm::skinny_is_near(std::int32_t rows) const {
  const Product* const product = product_of(rows);
  return product != nullptr && product->skinny_is_near;
}

void Gemm::run(const Bf16* w, const Bf16* x, void* y, std::int32_t rows, cudaStream_t stream) const {
  run(*product_of(rows), w, x, y, stream);
}

void Gemm::run(const Product& product, const Bf16* w, const Bf16* x, void* y, cudaStream_t stream) const {
  switch (product.by) {
    case By::small_gemm: return run_small(w, x, y, product.rows, stream);
    case By::skinny_gemm: return kernels::skinny_gemm(w, x, product.rows, shape_.n, shape_.k, static_cast<Bf16*>(y), stream);
    case By::ordered_gemm: return run_ordered(w, x, y, product.rows, stream);
    case By::cublas:
      if (!try_cublas(product, product.algorithm, w, x, y, stream)) throw BackendError("cuBLASLt failed while multiplying");
  }
}

}  // namespace tokenyard::cuda
