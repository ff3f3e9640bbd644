// The harness of kernel_bench: each file here adds its benchmarks by name.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "kernels/device.h"

namespace tokenyard::bench {

// What this card reads at best, measured (docs/measurements.md): the 100 % of every line.
inline constexpr double kReadCeiling = 3.116e12;  // bytes/s
inline constexpr double kMatrixCeiling = 749e12;  // FLOP/s, bf16, 8192^3 by cuBLASLt

// Registers a benchmark; `kernel_bench WORD...` runs those whose name contains one of the words. For a file-scope constant:
//   const bool added = bench::add("attention/decode", [] { ... });
bool add(const std::string& name, std::function<void()> run);

// Microseconds of one of the `count` launches that `launch` puts into the stream: the median over replays of a CUDA graph of
// them all. Let them pass over different data, more than the L2 holds (50 MB), unless the data would be in the L2 in use too.
double time_us(int count, const std::function<void(kernels::Stream)>& launch);

// One line: name, microseconds, GB/s and TFLOP/s with their shares of the ceilings (0: not printed).
void report(const std::string& name, double us, double bytes, double flops = 0);

}  // namespace tokenyard::bench
