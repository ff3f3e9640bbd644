// Measured kernel times: what tables of several makers say, in one form. docs/calibration.md lists the columns read.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/model_shape.h"

namespace tokenyard {

// Microseconds of one kernel, of bf16 data.
struct KernelTimes {
  struct Gemm {  // [m, k] x [k, n]
    double m, n, k, us;
  };
  // One attention kernel over `decodes` sequences with one new token each and over `chunks` sequences with `chunk_tokens` new
  // tokens each; kv counts include the new tokens.
  struct Attention {
    double heads, kv_heads, head_dim;
    double decodes, decode_kv;  // tokens of one such sequence
    double chunks, chunk_tokens, chunk_kv;
    double us;
  };
  struct AllReduce {
    double tensor_parallel, bytes, us;
  };
  struct Elementwise {  // read and written
    double bytes, us;
  };
  struct Sampler {
    double sequences, us;
  };
  std::vector<Gemm> gemm;
  std::vector<Attention> decode, prefill, mixed;  // mixed: both kinds of sequences in one kernel
  std::vector<AllReduce> all_reduce;
  std::vector<Elementwise> elementwise;
  std::vector<Sampler> sampler;
};

// Adds the rows of a CSV file, packed or not, to `times`; what kind of table it is shows in its header. Tables that name layers
// instead of shapes need `model`. Rows of other number formats, of sliding windows and of eager all-reduces are passed over.
// Throws InputError; files of more than 64 MiB of text are refused.
void read_kernel_times(const std::string& path, const std::optional<ModelShape>& model, KernelTimes& times);

// "FILE" itself, or the .csv, .csv.gz and .csv.xz files of a directory in the order of their names. Throws InputError when
// there is none.
std::vector<std::string> kernel_time_files(const std::string& file_or_directory);

}  // namespace tokenyard
