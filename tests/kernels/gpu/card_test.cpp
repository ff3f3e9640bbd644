// The same bits on a smaller card and through an older generation's code.
#include "kernels/card.h"

#include <cuda_runtime_api.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "../../core/invariance.h"
#include "../../model/tiny_model.h"
#include "backends/cuda/collectives.h"
#include "backends/cuda/cuda_backend.h"
#include "backends/cuda/device.h"
#include "catch.h"
#include "kernels/small_gemm.h"
#include "tests/kernels/gpu/support/attention_problem.h"
#include "tests/kernels/gpu/support/cards.h"

namespace tokenyard {
namespace {

using gpu::AttentionProblem;
using gpu::DeviceArray;
using kernels::Bf16;
using kernels::DecodeSplit;

// Hashes of results, by what they are of.
using Bits = std::map<std::string, std::uint64_t>;

template <class T>
std::uint64_t hash_of(const std::vector<T>& values) {
  return XXH3_64bits(values.data(), values.size() * sizeof(T));
}

void add_attention(Bits& bits) {
  for (const std::int32_t head_dim : {64, 128}) {
    for (const std::int32_t group : {1, 2, 3, 8}) {
      std::vector<gpu::AttentionRequest> requests;
      std::vector<kernels::AttentionRow> rows;
      std::int32_t tokens = 0;
      for (const std::int32_t context : {1, 15, 64, 65, 255, 256, 257, 300, 511, 700, 1025, 3000}) {
        const auto r = static_cast<std::int32_t>(requests.size());
        requests.push_back({static_cast<std::uint32_t>(1000 + context), context});
        rows.push_back({r, 0, context - 1, 1});
        const std::int32_t count = std::min(context, 1 + context * 2 / 3);
        rows.push_back({r, 0, context - count, count});
        tokens += 1 + count;
      }
      AttentionProblem problem({2, 0, 2, 32, head_dim}, group, requests, tokens, 7);
      problem.plan(rows);
      for (const DecodeSplit split : {DecodeSplit::automatic, DecodeSplit::warps, DecodeSplit::teams}) {
        const std::string name = "attention " + std::to_string(head_dim) + " " + std::to_string(group) + " split " +
                                 std::to_string(static_cast<int>(split));
        bits[name] = hash_of(problem.attend(1, split));
      }
    }
  }
}

void add_products(Bits& bits) {
  for (const int k : {128, 1024, 3072, 6144}) {
    if (!kernels::fits_small_gemm(1, 256, k)) continue;
    const DeviceArray<Bf16> w(std::size_t{256} * static_cast<std::size_t>(k));
    const DeviceArray<Bf16> x(static_cast<std::size_t>(k));
    const DeviceArray<Bf16> out(256);
    gpu::fill_random(w.data(), w.size(), 41, 0.05f);
    gpu::fill_random(x.data(), x.size(), 42);
    kernels::small_gemm(w.data(), x.data(), 1, 256, k, out.data(), nullptr);
    gpu::synchronize();
    bits["product " + std::to_string(k)] = hash_of(out.download());
  }
}

// Every logit that a token is sampled from and every token, under a schedule with chunks of prompts, decodes and preemption.
void add_backend(Bits& bits) {
  for (const int head_dim : {64, 128}) {
    for (const bool graphs : {false, true}) {
      EngineConfig config;
      config.policy = Policy::vllm_v1;
      config.max_num_seqs = 32;
      config.max_num_batched_tokens = 256;
      config.num_blocks = 150;
      config.block_size = 16;
      ModelShape shape;
      shape.family = ModelFamily::qwen3;
      shape.num_layers = 3;
      shape.hidden = 256;
      shape.num_heads = 6;
      shape.num_kv_heads = 2;
      shape.head_dim = head_dim;
      shape.intermediate = 512;
      shape.vocabulary = 40'000;
      shape.max_context = 2048;
      std::vector<std::uint64_t> said;
      GpuOptions options;
      options.graphs = graphs;
      options.gpu_memory_utilization = 0.5;
      options.on_logits = [&](const Request&, std::int32_t, std::span<const float> row) {
        said.push_back(XXH3_64bits(row.data(), row.size_bytes()));
      };
      CudaBackend backend(shape, 5, config, std::move(options));
      Engine engine(config, backend);
      test::Dice dice(3);
      std::vector<std::shared_ptr<test::Recorder>> recorders;
      for (int i = 0; i < 40; ++i) {
        recorders.push_back(std::make_shared<test::Recorder>());
        engine.submit(test::random_spec(dice, i, i % 8 == 0), recorders.back());
      }
      while (engine.step(nullptr)) {
      }
      const std::string name = "backend " + std::to_string(head_dim) + (graphs ? " graphs" : "");
      bits[name + " logits"] = hash_of(said);
      std::vector<Token> tokens;
      std::vector<float> logprobs;
      for (const auto& recorder : recorders) {
        tokens.insert(tokens.end(), recorder->saying.tokens.begin(), recorder->saying.tokens.end());
        logprobs.insert(logprobs.end(), recorder->saying.logprobs.begin(), recorder->saying.logprobs.end());
      }
      REQUIRE(tokens.size() > 200);
      bits[name + " tokens"] = hash_of(tokens);
      bits[name + " logprobs"] = hash_of(logprobs);
    }
  }
}

Bits all_bits() {
  Bits bits;
  add_attention(bits);
  add_products(bits);
  add_backend(bits);
  return bits;
}

TEST_CASE("a smaller card gives the same bits") {
  const Bits expected = all_bits();
  for (const kernels::Card& lesser : gpu::lesser_cards()) {
    INFO("clusters " << lesser.clusters << ", early start " << lesser.early_start);
    const kernels::PretendedCard pretended(lesser);
    for (const auto& [name, hash] : all_bits()) {
      INFO(name);
      CHECK(expected.at(name) == hash);
    }
  }
}

TEST_CASE("cards that cannot reach each other's memory share a model by NCCL, or it is said what to install") {
  kernels::Card apart = kernels::card();
  apart.peer_access = false;
  const kernels::PretendedCard pretended(apart);
  int count = 0;
  REQUIRE(cudaGetDeviceCount(&count) == cudaSuccess);
  const std::string why = cuda::why_not_together(2);
  INFO(why);
  if (count < 2) {
    CHECK_THAT(why, has_text("1 GPU was found"));
  } else if (cuda::why_no_nccl().empty()) {
    CHECK(why.empty());
  } else {
    CHECK_THAT(why, has_text("cannot reach each other's memory"));
    CHECK_THAT(why, has_text(cuda::why_no_nccl()));
  }
}

TEST_CASE("what a card has no room for is said before it is launched") {
  kernels::Card small = kernels::card();
  small.shared_bytes = 16 * 1024;
  const kernels::PretendedCard pretended(small);
  gpu::AttentionProblem problem({1, 0, 2, 16, 128}, 2, {{1, 40}}, 1, 5);
  problem.plan({{0, 0, 39, 1}});
  CHECK_THROWS_AS(problem.attend(0), kernels::DeviceError);
  CHECK(!kernels::fits_small_gemm(1, 64, 1024));
}

// Two builds on one card: TOKENYARD_GPU_BITS=FILE test_gpu '[bits]' with each. The first writes the file, the next compare.
TEST_CASE("builds for different generations give the same bits on one card [bits]", "[.bits]") {
  const char* const path = std::getenv("TOKENYARD_GPU_BITS");
  REQUIRE(path != nullptr);
  const Bits bits = all_bits();
  std::ifstream before(path);
  if (!before) {
    std::ofstream file(path);
    for (const auto& [name, hash] : bits) file << hash << ' ' << name << '\n';
    WARN("compiled for " << kernels::card().compiled_for << ": " << bits.size() << " hashes written to " << path);
    return;
  }
  Bits expected;
  std::uint64_t hash = 0;
  for (std::string name; before >> hash && std::getline(before >> std::ws, name);) expected[name] = hash;
  WARN("compiled for " << kernels::card().compiled_for << ": " << bits.size() << " hashes compared with " << path);
  CHECK(expected == bits);
}

}  // namespace
}  // namespace tokenyard
