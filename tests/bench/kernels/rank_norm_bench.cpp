// Norms over the ranks of two cards, one after another in a graph, by message: what every route takes, NCCL too, and what the
// norm takes where all is on one card.
#include <fmt/core.h>

#include <algorithm>
#include <barrier>
#include <chrono>
#include <memory>

#include "backends/cuda/collectives.h"
#include "kernels/rank_norm.h"
#include "tests/bench/kernels/bench.h"
#include "tests/kernels/gpu/support/ranks.h"

namespace tokenyard {
namespace {

using gpu::DeviceArray;
using kernels::Bf16;
using kernels::RankRoute;

constexpr std::int32_t kHidden = 4096;
constexpr int kChain = 50;
constexpr int kReplays = 15;

// Microseconds of one of kChain norms over two cards, by the slower card.
double time_route(std::int32_t rows, RankRoute route) {
  const auto n = static_cast<std::size_t>(rows) * kHidden;
  gpu::LinkedCards cards(2, kChain);
  const bool gathers = route == RankRoute::gathered;
  const auto nccl = gathers ? cuda::connect_by_nccl({0, 1}, std::chrono::seconds(60)) : nullptr;
  std::unique_ptr<DeviceArray<float>> partial[2][2];
  std::unique_ptr<DeviceArray<Bf16>> out[2];
  gpu::on_ranks(2, [&](std::int32_t r) {
    for (auto& each : partial[r]) each = std::make_unique<DeviceArray<float>>(std::vector<float>(n, 1e-3f));
    out[r] = std::make_unique<DeviceArray<Bf16>>(n);
  });
  std::barrier together(2);
  double medians[2] = {};
  gpu::on_ranks(2, [&](std::int32_t r) {
    const DeviceArray<float> residual(std::vector<float>(n, 0.5f));
    const DeviceArray<Bf16> weight(std::vector<Bf16>(kHidden, __float2bfloat16(1)));
    kernels::RankNorm args{};
    args.norm = {residual.data(), {nullptr, nullptr}, weight.data(), 1e-6f, kHidden, out[r]->data()};
    args.links = cards.links(r);
    for (int q = 0; q < 2; ++q) args.out[q] = out[q]->data();
    const DeviceArray<float> gathered(gathers ? 2 * n : 0);
    if (gathers) nccl->all_gather(r, partial[r][0]->data(), gathered.data(), static_cast<std::int64_t>(4 * n), nullptr);
    gpu::synchronize();
    const gpu::CapturedGraph graph([&](kernels::Stream stream) {
      kernels::next_step(args.links, stream);
      for (args.site = 0; args.site < kChain; ++args.site) {
        const float* const own = partial[r][args.site % 2]->data();
        if (gathers) nccl->all_gather(r, own, gathered.data(), static_cast<std::int64_t>(4 * n), stream);
        for (std::size_t q = 0; q < 2; ++q) {
          args.partial[q] = gathers ? gathered.data() + q * n : partial[q][args.site % 2]->data();
        }
        kernels::add_and_norm_over_ranks(args, rows, route, stream);
      }
    });
    cudaStream_t stream = nullptr;
    cudaEvent_t begin = nullptr;
    cudaEvent_t end = nullptr;
    gpu::check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
    gpu::check(cudaEventCreate(&begin), "cudaEventCreate");
    gpu::check(cudaEventCreate(&end), "cudaEventCreate");
    std::vector<double> times;
    for (int i = 0; i < kReplays + 3; ++i) {
      together.arrive_and_wait();
      gpu::check(cudaEventRecord(begin, stream), "cudaEventRecord");
      graph.launch(stream);
      gpu::check(cudaEventRecord(end, stream), "cudaEventRecord");
      gpu::check(cudaStreamSynchronize(stream), "running");
      float ms = 0;
      gpu::check(cudaEventElapsedTime(&ms, begin, end), "cudaEventElapsedTime");
      if (i >= 3) times.push_back(1000.0 * static_cast<double>(ms) / kChain);
    }
    std::nth_element(times.begin(), times.begin() + kReplays / 2, times.end());
    medians[r] = times[kReplays / 2];
    cudaEventDestroy(begin);
    cudaEventDestroy(end);
    cudaStreamDestroy(stream);
  });
  gpu::check(cudaSetDevice(0), "cudaSetDevice");
  return cards.late() == 0 ? std::max(medians[0], medians[1]) : -1;
}

double time_alone(std::int32_t rows) {
  const auto n = static_cast<std::size_t>(rows) * kHidden;
  const DeviceArray<float> residual(std::vector<float>(n, 0.5f));
  const DeviceArray<float> halves(std::vector<float>(2 * n, 1e-3f));
  const DeviceArray<Bf16> weight(std::vector<Bf16>(kHidden, __float2bfloat16(1)));
  const DeviceArray<Bf16> out(n);
  return bench::time_us(kChain, [&](kernels::Stream stream) {
    for (int i = 0; i < kChain; ++i) {
      kernels::add_and_norm({residual.data(), {halves.data(), halves.data() + n}, weight.data(), 1e-6f, kHidden, out.data()},
                            rows, stream);
    }
  });
}

const bool added = bench::add("rank_norm", [] {
  if (gpu::count_cards() < 2) {
    fmt::print("rank_norm: two cards are needed\n");
    return;
  }
  for (const std::int32_t rows : {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 8192}) {
    const double partial_bytes = 4.0 * rows * kHidden;
    const std::string what = fmt::format("{} rows of {}, {:.0f} KiB a rank", rows, kHidden, partial_bytes / 1024);
    bench::report("rank_norm alone, " + what, time_alone(rows), 0);
    if (std::int64_t{rows} * kHidden <= kernels::kMostPacketNumbers) {
      bench::report("rank_norm packets, " + what, time_route(rows, RankRoute::packets), 0);
    }
    bench::report("rank_norm one shot, " + what, time_route(rows, RankRoute::one_shot), 0);
    if (rows > 1) bench::report("rank_norm two shots, " + what, time_route(rows, RankRoute::two_shot), 0);
    if (cuda::why_no_nccl().empty()) bench::report("rank_norm by NCCL, " + what, time_route(rows, RankRoute::gathered), 0);
  }
});

}  // namespace
}  // namespace tokenyard
