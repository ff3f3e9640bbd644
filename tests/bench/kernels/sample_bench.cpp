// Sampling over Qwen3's vocabulary. GB/s counts the logits once.
#include <fmt/core.h>

#include "kernels/sample.h"
#include "kernels/simple/simple.h"
#include "tests/bench/kernels/bench.h"
#include "tests/kernels/gpu/support/device.h"

namespace tokenyard {
namespace {

using gpu::DeviceArray;
using kernels::Bf16;
using kernels::SampleRow;
using kernels::Stream;

constexpr std::int32_t kVocabulary = 151936;
constexpr std::int32_t kTop = 20;

const bool added = bench::add("sample", [] {
  struct Case {
    const char* name;
    float temperature;
    std::int32_t top_k;
    float top_p;
    float penalty;
    std::int32_t logprobs;
  };
  for (const std::int32_t rows : {1, 16, 32, 128, 256}) {
    const auto all = static_cast<std::size_t>(rows);
    // Two sets of logits by turns, as the head GEMM between two steps passes more than the L2 holds.
    const std::size_t size = all * kVocabulary;
    const DeviceArray<Bf16> logits(2 * size);
    // A thousand tokens of each row's vocabulary occurred.
    const DeviceArray<std::uint32_t> seen(
        std::vector<std::uint32_t>(all * static_cast<std::size_t>(kernels::seen_words(kVocabulary))));
    std::vector<kernels::Occurrence> occurrences;
    for (std::int32_t i = 0; i < 1000 * rows; ++i)
      occurrences.push_back({i / 1000, static_cast<std::int32_t>(i * 7919LL % kVocabulary)});
    const DeviceArray<kernels::Occurrence> device_occurrences(occurrences);
    kernels::mark_seen(seen.data(), kVocabulary, device_occurrences.data(), 1000 * rows, nullptr);
    const DeviceArray<std::int32_t> tokens(all);
    const DeviceArray<float> logprobs(all);
    const DeviceArray<std::int32_t> ranks(all);
    const DeviceArray<std::int32_t> top_tokens(all * kTop);
    const DeviceArray<float> top_logprobs(all * kTop);
    for (const float spread : {1.0f, 5.0f}) {
      gpu::fill_random(logits.data(), logits.size(), 5, spread);
      for (const Case& c : {Case{"greedy", 0, 0, 1, 1, -1},
                            {"T 0.6", 0.6f, 0, 1, 1, -1},
                            {"T 0.6, top_k 20, top_p 0.95", 0.6f, 20, 0.95f, 1, -1},
                            {"T 0.6, top_p 0.95", 0.6f, 0, 0.95f, 1, -1},
                            {"T 0.6, top_k 20, top_p 0.95, penalty", 0.6f, 20, 0.95f, 1.1f, -1},
                            {"greedy, 5 logprobs", 0, 0, 1, 1, 5}}) {
        std::vector<SampleRow> params;
        for (std::int32_t r = 0; r < rows; ++r) {
          params.push_back({static_cast<std::uint64_t>(r), 1000, c.temperature, c.top_k, c.top_p, 0, c.penalty,
                            c.penalty != 1 ? r : -1, 0, 0, c.logprobs});
        }
        const DeviceArray<SampleRow> device_params(params);
        const auto bench_line = [&](const char* suffix, int launches, const auto& sample) {
          const double us = bench::time_us(launches, [&](Stream stream) {
            for (int i = 0; i < launches; ++i) {
              sample({logits.data() + static_cast<std::size_t>(i % 2) * size, device_params.data(), nullptr, seen.data(),
                      kVocabulary, kVocabulary, kTop, tokens.data(), logprobs.data(), ranks.data(), top_tokens.data(),
                      top_logprobs.data()},
                     rows, stream);
            }
          });
          bench::report(fmt::format("sample, {} rows, sd {}, {}{}", rows, spread, c.name, suffix), us,
                        2.0 * static_cast<double>(size));
        };
        if (spread == 1.0f && c.logprobs < 0) bench_line(", simple", 2, kernels::simple::sample);
        bench_line("", 10, kernels::sample);
      }
    }
  }
});

}  // namespace
}  // namespace tokenyard
