// Matrix products through cuBLASLt whose rows have the same bits in every batch.
//
// y[m][n] = sum over k of x[m][k] w[n][k], bf16 in and out, sums in fp32. A sum's order is the algorithm's; one that splits k
// among blocks is never taken, and a gate at construction compares every number of rows that will ever run with the largest,
// bit by bit. On an H100 with cuBLASLt 13.1 no algorithm without split has failed it.
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

// Products with all weights of one shape.
class Gemm {
 public:
  // Prepares products of `rows` rows, ascending, by weights of [n, k]; `w` is one of them. `x` ([rows.back(), k], any numbers
  // of the size of activations), `y` and `expected` ([rows.back(), n]) are scratch for the gate. A number of rows for which no
  // candidate passes the gate runs as the next larger one. Throws BackendError when there is none.
  Gemm(const CublasLt& cublas, std::int32_t n, std::int32_t k, std::span<const std::int32_t> rows, const Bf16* w, const Bf16* x,
       Bf16* y, Bf16* expected, cudaStream_t stream);

  // `rows` is one of the constructor's; x and y have room for as many, or for the next larger number where the gate has refused
  // that one.
  void run(const Bf16* w, const Bf16* x, Bf16* y, std::int32_t rows, cudaStream_t stream) const;

  std::int64_t n() const { return n_; }
  std::int64_t k() const { return k_; }

 private:
  struct Destroy {
    void operator()(cublasLtMatmulDescOpaque_t* p) const { cublasLtMatmulDescDestroy(p); }
    void operator()(cublasLtMatrixLayoutOpaque_t* p) const { cublasLtMatrixLayoutDestroy(p); }
    void operator()(cublasLtMatmulPreferenceOpaque_t* p) const { cublasLtMatmulPreferenceDestroy(p); }
  };
  using Matmul = std::unique_ptr<cublasLtMatmulDescOpaque_t, Destroy>;
  using Shape = std::unique_ptr<cublasLtMatrixLayoutOpaque_t, Destroy>;
  using Preference = std::unique_ptr<cublasLtMatmulPreferenceOpaque_t, Destroy>;
  struct Product {
    std::int32_t rows;
    Shape x, y;
    cublasLtMatmulAlgo_t algorithm;
    bool small;  // by kernels::small_gemm, which has the same order of sums and is faster for one row
  };

  static Shape shape(std::int64_t rows, std::int64_t columns);
  std::vector<cublasLtMatmulAlgo_t> candidates(const Product& product) const;
  bool passes(const Bf16* y, const Bf16* expected, std::int32_t rows, unsigned long long* counter, cudaStream_t stream) const;
  bool try_run(const Product& product, const cublasLtMatmulAlgo_t& algorithm, const Bf16* w, const Bf16* x, Bf16* y,
               cudaStream_t stream) const;

  cublasLtHandle_t cublas_;
  std::int64_t n_;
  std::int64_t k_;
  Matmul matmul_;
  Shape w_;
  std::vector<Product> products_;  // ascending
};

}  // namespace tokenyard::cuda
