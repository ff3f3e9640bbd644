// Matrix products through cuBLASLt whose elements have the same bits in every batch and on every number of cards.
//
// y[m][n] = sum over k of x[m][k] w[n][k], bf16 in, sums in fp32. A sum's order is the algorithm's; one that splits k among
// blocks is never taken, and a gate at construction compares every number of rows that will ever run with
// kernels::ordered_gemm(), bit by bit. So an element does not depend on which other rows and columns are computed with it. On
// an H100 with cuBLASLt 13.1 no algorithm without split has failed it.
#pragma once

#include <cublasLt.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "backends/cuda/device.h"
#include "kernels/device.h"

namespace tokenyard::cuda {

using kernels::Bf16;

// Throws BackendError.
void check(cublasStatus_t status, const char* what);

class CublasLt {
 public:
  CublasLt() { check(cublasLtCreate(&handle_), "opening cuBLASLt"); }
  CublasLt(const CublasLt&) = delete;
  CublasLt& operator=(const CublasLt&) = delete;
  ~CublasLt() { cublasLtDestroy(handle_); }
  operator cublasLtHandle_t() const { return handle_; }

 private:
  cublasLtHandle_t handle_ = nullptr;
};

// Products with all weights of one shape. With `parts` 0 the result is bf16 [rows, n]. Else it is that many sums, over equal
// ranges of k, in fp32 [parts][most rows, n]: to be added by whoever reads them, or by another card.
class Gemm {
 public:
  struct Shape {
    std::int32_t n, k;
    std::int32_t parts = 0;
  };
  // Memory for the gate: x [most rows, k], any numbers of the size of activations; y and expected, as large as a result.
  struct Scratch {
    const Bf16* x;
    std::byte* y;
    std::byte* expected;
  };
  static std::int64_t result_bytes(const Shape& shape, std::int64_t rows) {
    return rows * shape.n * (shape.parts == 0 ? 2 : 4 * std::int64_t{shape.parts});
  }

  // Prepares products of `rows` rows, ascending, by weights of [n, k]; `weights` are all of them: the first is the gate's, and
  // few rows are timed over all, as a step passes over them. Of the first candidates that pass the gate the fastest is taken; a
  // number of rows for which none does runs by ordered_gemm(), which is slow. Throws BackendError.
  Gemm(const CublasLt& cublas, const Shape& shape, std::span<const std::int32_t> rows, std::span<const Bf16* const> weights,
       const Scratch& scratch, cudaStream_t stream);

  // Numbers of rows, and those of them for which no other algorithm than ordered_gemm() passed the gate.
  std::int32_t num_products() const { return static_cast<std::int32_t>(products_.size()); }
  std::int32_t num_slow_products() const;

  // `rows` is one of the constructor's. y: bf16 or float, as the shape says.
  void run(const Bf16* w, const Bf16* x, void* y, std::int32_t rows, cudaStream_t stream) const;
  // Whether small_gemm() has passed the gate for so many rows and takes at most a microsecond longer than the fastest, so that
  // it is the faster one if it spares a kernel; the same of skinny_gemm().
  bool small_is_near(std::int32_t rows) const;
  bool skinny_is_near(std::int32_t rows) const;

 private:
  struct Destroy {
    void operator()(cublasLtMatmulDescOpaque_t* p) const { cublasLtMatmulDescDestroy(p); }
    void operator()(cublasLtMatrixLayoutOpaque_t* p) const { cublasLtMatrixLayoutDestroy(p); }
    void operator()(cublasLtMatmulPreferenceOpaque_t* p) const { cublasLtMatmulPreferenceDestroy(p); }
  };
  using Matmul = std::unique_ptr<cublasLtMatmulDescOpaque_t, Destroy>;
  using Layout = std::unique_ptr<cublasLtMatrixLayoutOpaque_t, Destroy>;
  using Preference = std::unique_ptr<cublasLtMatmulPreferenceOpaque_t, Destroy>;
  enum class By { cublas, small_gemm, skinny_gemm, ordered_gemm };
  struct Product {
    std::int32_t rows;
    Layout x, y;
    cublasLtMatmulAlgo_t algorithm;
    By by;
    bool small_is_near;  // small_gemm has passed the gate and is hardly slower than the fastest
    bool skinny_is_near;
  };

  static Layout layout(cudaDataType_t type, std::int64_t rows, std::int64_t columns, std::int64_t stride, std::int32_t parts,
                       std::int64_t part_stride);
  std::vector<cublasLtMatmulAlgo_t> candidates(const Product& product) const;
  bool try_cublas(const Product& product, const cublasLtMatmulAlgo_t& algorithm, const Bf16* w, const Bf16* x, void* y,
                  cudaStream_t stream) const;
  void run(const Product& product, const Bf16* w, const Bf16* x, void* y, cudaStream_t stream) const;
  const Product* product_of(std::int32_t rows) const;  // null if it is none of the constructor's
  bool fits_small(std::int32_t rows) const;
  bool fits_skinny(std::int32_t rows) const;
  void run_small(const Bf16* w, const Bf16* x, void* y, std::int32_t rows, cudaStream_t stream) const;
  void run_ordered(const Bf16* w, const Bf16* x, void* y, std::int32_t rows, cudaStream_t stream) const;

  cublasLtHandle_t cublas_;
  Shape shape_;
  std::int64_t most_rows_;
  Matmul matmul_;
  Layout w_;
  std::vector<Product> products_;  // ascending
};

}  // namespace tokenyard::cuda
