// kernel_bench [WORD...]: times every kernel, or those whose benchmark's name contains one of the words.
#include <cuda_runtime_api.h>
#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "tests/bench/kernels/bench.h"
#include "tests/kernels/gpu/support/device.h"

namespace tokenyard::bench {
namespace {

std::vector<std::pair<std::string, std::function<void()>>>& all() {
  static std::vector<std::pair<std::string, std::function<void()>>> benchmarks;
  return benchmarks;
}

}  // namespace

bool add(const std::string& name, std::function<void()> run) {
  all().emplace_back(name, std::move(run));
  return true;
}

double time_us(int count, const std::function<void(kernels::Stream)>& launch) {
  using gpu::check;
  constexpr int kWarm = 3;
  constexpr int kReplays = 15;
  const gpu::CapturedGraph graph(launch);
  cudaStream_t stream;
  cudaEvent_t begin;
  cudaEvent_t end;
  check(cudaStreamCreate(&stream), "cudaStreamCreate");
  check(cudaEventCreate(&begin), "cudaEventCreate");
  check(cudaEventCreate(&end), "cudaEventCreate");
  std::vector<double> times;
  for (int i = 0; i < kWarm + kReplays; ++i) {
    check(cudaEventRecord(begin, stream), "cudaEventRecord");
    graph.launch(stream);
    check(cudaEventRecord(end, stream), "cudaEventRecord");
    check(cudaStreamSynchronize(stream), "running");
    float ms = 0;
    check(cudaEventElapsedTime(&ms, begin, end), "cudaEventElapsedTime");
    if (i >= kWarm) times.push_back(1000.0 * static_cast<double>(ms) / count);
  }
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  cudaStreamDestroy(stream);
  std::nth_element(times.begin(), times.begin() + kReplays / 2, times.end());
  return times[kReplays / 2];
}

void report(const std::string& name, double us, double bytes, double flops) {
  fmt::print("{:<64} {:9.2f} us", name, us);
  if (bytes > 0) fmt::print(" {:8.1f} GB/s {:5.1f} %", bytes / us / 1e3, 100 * bytes / us * 1e6 / kReadCeiling);
  if (flops > 0) fmt::print(" {:8.1f} TFLOP/s {:5.1f} %", flops / us / 1e6, 100 * flops / us * 1e6 / kMatrixCeiling);
  fmt::print("\n");
  std::fflush(stdout);
}

}  // namespace tokenyard::bench

int main(int argc, char** argv) try {
  using namespace tokenyard;
  cudaDeviceProp card;
  gpu::check(cudaGetDeviceProperties(&card, 0), "no GPU");
  int driver = 0;
  gpu::check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  fmt::print("{}, {} SMs, driver API {}, ceilings {:.3f} TB/s, {:.0f} TFLOP/s\n", card.name, card.multiProcessorCount, driver,
             bench::kReadCeiling / 1e12, bench::kMatrixCeiling / 1e12);
  auto benchmarks = bench::all();
  std::sort(benchmarks.begin(), benchmarks.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [name, run] : benchmarks) {
    bool wanted = argc == 1;
    for (int i = 1; i < argc; ++i) wanted = wanted || name.find(argv[i]) != std::string::npos;
    if (wanted) run();
  }
  return 0;
} catch (const std::exception& error) {
  fmt::print(stderr, "{}\n", error.what());
  return 1;
}
