// The CPU backend's numbers against a second implementation, and the pieces they are made of.
#include <cmath>
#include <map>
#include <memory>
#include <random>

#include "../model/tiny_model.h"
#include "backends/cpu/attention.h"
#include "backends/cpu/cpu_backend.h"
#include "backends/cpu/linear.h"
#include "catch.h"
#include "core/engine.h"
#include "naive_model.h"

namespace tokenyard {
namespace {

using test::TempFolder;
using test::TinyModel;

struct Ending : RequestListener {
  std::vector<Token> tokens;
  std::string why = "live";
  void on_token(const Request&, Token token, const TokenLogprobs*) override { tokens.push_back(token); }
  void on_end(const Request&, const std::string& reason) override { why = reason; }
};

// The logits after every position of `ids`, computed in chunks of `chunk`.
std::vector<std::vector<float>> backend_logits(const Weights& weights, const std::vector<Token>& ids, std::int32_t chunk) {
  EngineConfig config;
  config.max_num_seqs = 1;
  config.max_num_batched_tokens = chunk;
  config.num_blocks = static_cast<std::int32_t>(ids.size()) / 16 + 3;
  std::vector<std::vector<float>> out;
  CpuOptions options;
  options.threads = 2;
  options.every_position = true;
  options.on_logits = [&](const Request&, std::int32_t position, std::span<const float> logits) {
    REQUIRE(position == static_cast<std::int32_t>(out.size()));
    out.emplace_back(logits.begin(), logits.end());
  };
  CpuBackend backend(weights, config, options);
  Engine engine(config, backend);
  RequestSpec spec;
  spec.id = "a";
  spec.prompt.append(ids);
  spec.max_tokens = 1;
  engine.submit(std::move(spec), std::make_shared<Ending>());
  while (engine.step(nullptr)) {
  }
  return out;
}

TEST_CASE("forward: every family agrees with a naive decoder in double") {
  const std::string llama3 =
      R"({"rope_type":"llama3","factor":8,"low_freq_factor":1,"high_freq_factor":4,"original_max_position_embeddings":64})";
  const std::string yarn = R"({"rope_type":"yarn","factor":4,"original_max_position_embeddings":256})";
  const auto [name, tiny] = GENERATE_COPY(table<std::string, TinyModel>({
      {"qwen3", {}},
      {"qwen3, tied, bf16, group 8, width no multiple of 8",
       {.dtype = DType::bf16, .hidden = 30, .intermediate = 21, .heads = 8, .kv_heads = 1, .head_dim = 6, .tied = true}},
      {"qwen2, biases, fp16", {.family = ModelFamily::qwen2, .dtype = DType::f16, .tied = true}},
      {"llama, group 3", {.family = ModelFamily::llama, .heads = 6, .kv_heads = 2, .head_dim = 10}},
      {"llama, group 1", {.family = ModelFamily::llama, .dtype = DType::bf16, .kv_heads = 4}},
      {"llama, scaled rotation", {.family = ModelFamily::llama, .rope_scaling = llama3}},
      {"llama, linear rotation", {.family = ModelFamily::llama, .rope_scaling = R"({"type":"linear","factor":4})"}},
      {"qwen3, yarn", {.head_dim = 32, .rope_scaling = yarn}},
  }));
  INFO(name);
  const TempFolder folder;
  tiny.write(folder);
  const Weights weights(folder.path());
  std::mt19937_64 random(3);
  std::vector<Token> ids;
  for (int i = 0; i < 300; ++i) ids.push_back(static_cast<Token>(random() % 100));  // beyond a piece of attention
  const auto expected = test::NaiveModel(weights).logits(ids);
  const auto found = backend_logits(weights, ids, 64);
  REQUIRE(found.size() == ids.size());
  double distance = 0;
  double length = 0;
  for (std::size_t p = 0; p < ids.size(); ++p) {
    for (std::size_t i = 0; i < expected[p].size(); ++i) {
      distance += (found[p][i] - expected[p][i]) * (found[p][i] - expected[p][i]);
      length += expected[p][i] * expected[p][i];
    }
  }
  CHECK(std::sqrt(distance / length) < 1e-5);
  CHECK(std::sqrt(length / static_cast<double>(ids.size())) > 1);  // something to be wrong about
}

TEST_CASE("forward: a dot product has its documented order") {
  std::mt19937_64 random(1);
  std::vector<float> a;
  std::vector<float> b;
  for (int i = 0; i < 61; ++i) {
    a.push_back(static_cast<float>(random() >> 40) / 1000 - 5000);
    b.push_back(static_cast<float>(random() >> 40) / 3000 - 2000);
  }
  for (std::int64_t n = 0; n <= 61; ++n) {
    float s[8] = {};
    for (std::int64_t k = 0; k < n; ++k) {
      const float product = a[static_cast<std::size_t>(k)] * b[static_cast<std::size_t>(k)];
      s[k % 8] = s[k % 8] + product;
    }
    const float expected = ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
    REQUIRE(dot(a.data(), b.data(), n) == expected);
    // The same in a product of many rows and tokens, with whatever instructions this machine has.
    Matrix w{DType::f32, reinterpret_cast<const std::byte*>(a.data()), 7, n, 0};  // seven equal rows
    std::vector<float> x;
    for (int t = 0; t < 5; ++t) x.insert(x.end(), b.begin(), b.begin() + n);
    std::vector<float> y(35);
    ThreadPool pool(1);
    multiply(w, x.data(), 5, y.data(), 7, pool);
    for (const float value : y) REQUIRE(value == expected);
  }
}

TEST_CASE("forward: scores of any size do not overflow") {
  TinyModel tiny;
  ModelShape config = parse_model_config(tiny.config(), "config.json").shape;
  config.num_layers = 1;
  KvCache cache(config, 64, 8);
  std::vector<BlockId> blocks;
  for (BlockId b = 63; b >= 0; --b) blocks.push_back(b);
  for (std::int32_t p = 0; p < 500; ++p) {
    for (std::int32_t e = 0; e < 8; ++e) {
      cache.key(0, blocks[static_cast<std::size_t>(p / 8)], 0, p % 8)[e] = p == 300 ? 1e18f : -1e18f;
      cache.value(0, blocks[static_cast<std::size_t>(p / 8)], 0, p % 8)[e] = static_cast<float>(p);
    }
  }
  const std::vector<float> query(8, 1);
  float out[8];
  attend(cache, 0, 0, blocks, 500, query.data(), 8, out);
  CHECK(out[0] == 300);
  attend(cache, 0, 0, blocks, 300, query.data(), 8, out);
  CHECK(out[7] == Approx(149.5));
  attend(cache, 0, 0, blocks, 1, query.data(), 8, out);
  CHECK(out[3] == 0);
}

TEST_CASE("thread pool: every index once, whatever the cost") {
  for (const std::int32_t threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (const std::int64_t n : {0, 1, 7, 1000}) {
      for (const std::int64_t cost : {0, 1'000'000}) {
        std::vector<int> seen(static_cast<std::size_t>(n));
        for (int round = 0; round < 20; ++round) {
          pool.for_range(n, cost, [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
          });
        }
        CHECK(std::all_of(seen.begin(), seen.end(), [](int count) { return count == 20; }));
      }
    }
  }
}

}  // namespace
}  // namespace tokenyard
