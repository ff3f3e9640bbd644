// The backend's side of the seam: clock, limits, errors, log probabilities, the embedded model.
#include "backends/cpu/cpu_backend.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <chrono>
#include <cmath>
#include <cstring>
#include <thread>

#include "../model/tiny_model.h"
#include "backends/cpu/kv_cache.h"
#include "backends/model/tokenizer.h"
#include "catch.h"
#include "core/engine.h"

namespace tokenyard {
namespace {

using test::TempFolder;
using test::TinyModel;

struct Model {
  explicit Model(const TinyModel& tiny = {}) {
    tiny.write(folder);
    weights = std::make_unique<Weights>(folder.path());
  }
  TempFolder folder;
  std::unique_ptr<Weights> weights;
};

EngineConfig small_config() {
  EngineConfig config;
  config.max_num_seqs = 4;
  config.num_blocks = 20;
  config.eos_token_id = 7;
  return config;
}

struct Keep : RequestListener {
  std::vector<Token> tokens;
  std::vector<TokenLogprobs> logprobs;
  FinishReason reason = FinishReason::none;
  std::string why;
  void on_token(const Request&, Token token, const TokenLogprobs* probabilities) override {
    tokens.push_back(token);
    if (probabilities != nullptr) logprobs.push_back(*probabilities);
  }
  void on_end(const Request& request, const std::string& text) override {
    reason = request.finish_reason;
    why = text;
  }
};

RequestSpec spec_of(const std::string& id, const std::vector<Token>& prompt, std::int32_t max_tokens) {
  RequestSpec spec;
  spec.id = id;
  spec.prompt.append(prompt);
  spec.max_tokens = max_tokens;
  return spec;
}

TEST_CASE("cpu backend: limits") {
  const Model model;
  CpuBackend backend(*model.weights, small_config());
  CHECK(backend.limits().max_context == 1024);
  CHECK(backend.limits().num_blocks == 20);
  CHECK(backend.limits().computes);
}

TEST_CASE("cpu backend: the clock runs, waits and wakes") {
  const Model model;
  CpuBackend backend(*model.weights, small_config());
  const TimeNs before = backend.now();
  backend.wait_until(before + 2'000'000);
  CHECK(backend.now() >= before + 2'000'000);
  backend.wake();  // before the wait: the next one returns at once
  backend.wait_until(kNever);
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    backend.wake();
  });
  backend.wait_until(kNever);
  other.join();
}

TEST_CASE("cpu backend: configurations it cannot serve") {
  const Model model;
  const auto error = [&](const EngineConfig& config, const CpuOptions& options = {}) {
    try {
      CpuBackend backend(*model.weights, config, options);
    } catch (const std::invalid_argument& caught) {
      return std::string(caught.what());
    }
    return std::string("accepted");
  };
  EngineConfig config = small_config();
  config.num_blocks = 0;
  CHECK_THAT(error(config), has_text("num_blocks is 0"));
  CpuOptions options;
  options.num_ids = 101;
  CHECK_THAT(error(small_config(), options), has_text("the tokenizer knows 101 token ids"));
  options = {};
  options.threads = -1;
  CHECK_THAT(error(small_config(), options), has_text("threads is -1"));
  ModelShape giant = model.weights->config().shape;
  giant.num_layers = giant.head_dim = giant.num_kv_heads = 4096;
  CHECK_THROWS_WITH(KvCache(giant, 1 << 30, 1),
                    has_text("a KV pool of 1073741824 blocks of 1 tokens needs 9223372036854775807 bytes"));
}

TEST_CASE("cpu backend: parts of a step add up to its duration") {
  struct Checked : Backend {
    explicit Checked(CpuBackend& b) : backend(b) {}
    BackendLimits limits() const override { return backend.limits(); }
    void submit(const StepPlan& plan) override { backend.submit(plan); }
    const StepResult& collect() override {
      const StepResult& result = backend.collect();
      CHECK(result.parts.total() == result.duration);
      CHECK(result.parts.gemm > 0);
      CHECK(result.parts.attention > 0);
      CHECK(result.parts.head > 0);
      CHECK(result.parts.host >= 0);
      CHECK(result.duration > 0);
      ++steps;
      return result;
    }
    TimeNs now() const override { return backend.now(); }
    void wait_until(TimeNs time) override { backend.wait_until(time); }
    void wake() override { backend.wake(); }
    CpuBackend& backend;
    int steps = 0;
  };
  const Model model;
  CpuBackend backend(*model.weights, small_config());
  Checked checked(backend);
  Engine engine(small_config(), checked);
  auto kept = std::make_shared<Keep>();
  RequestSpec spec = spec_of("a", {1, 2, 3}, 5);
  spec.ignore_eos = true;
  engine.submit(spec, kept);
  while (engine.step(nullptr)) {
  }
  CHECK(checked.steps == 5);
  CHECK(kept->tokens.size() == 5);
  CHECK(kept->reason == FinishReason::length);
}

TEST_CASE("cpu backend: log probabilities go to those who ask") {
  const Model model;
  std::vector<std::vector<float>> rows;
  CpuOptions options;
  options.on_logits = [&](const Request& request, std::int32_t, std::span<const float> logits) {
    if (request.spec.id == "asks") rows.emplace_back(logits.begin(), logits.end());
  };
  CpuBackend backend(*model.weights, small_config(), options);
  Engine engine(small_config(), backend);
  auto asks = std::make_shared<Keep>();
  auto does_not = std::make_shared<Keep>();
  RequestSpec spec = spec_of("asks", {1, 2, 3}, 4);
  spec.ignore_eos = true;
  spec.sampling = {.temperature = 1.5f, .seed = 3, .logprobs = 2};
  engine.submit(spec_of("does not", {4, 5}, 4), does_not);
  engine.submit(spec, asks);
  while (engine.step(nullptr)) {
  }
  CHECK(does_not->logprobs.empty());
  REQUIRE(asks->logprobs.size() == 4);
  REQUIRE(rows.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) {
    const TokenLogprobs& logprobs = asks->logprobs[i];
    CHECK(logprobs.chosen.token == asks->tokens[i]);
    REQUIRE(logprobs.top.size() == 2);
    const auto best = std::max_element(rows[i].begin(), rows[i].end()) - rows[i].begin();
    CHECK(logprobs.top[0].token == best);
    double total = 0;
    for (const float logit : rows[i]) total += std::exp(static_cast<double>(logit));
    CHECK(logprobs.top[0].logprob == Approx(rows[i][static_cast<std::size_t>(best)] - std::log(total)).margin(1e-5));
  }
}

TEST_CASE("cpu backend: what cannot be computed ends as a failure with a sentence") {
  TinyModel tiny;
  auto tensors = tiny.tensors();
  for (auto& tensor : tensors) {
    if (tensor.name == "model.norm.weight") {  // NaN everywhere behind it
      const float nan = std::nanf("");
      for (std::size_t i = 0; i < tensor.bytes.size(); i += 4) std::memcpy(tensor.bytes.data() + i, &nan, 4);
    }
  }
  const TempFolder folder;
  folder.write("config.json", tiny.config());
  folder.write("model.safetensors", test::safetensors(tensors));
  const Weights broken(folder.path());
  const Model model;
  const bool nan = GENERATE(false, true);
  CpuBackend backend(nan ? broken : *model.weights, small_config());
  Engine engine(small_config(), backend);
  auto kept = std::make_shared<Keep>();
  engine.submit(spec_of("a", {nan ? 1 : 100}, 4), kept);
  CHECK_THROWS_AS(engine.step(nullptr), BackendError);
  CHECK(kept->reason == FinishReason::error);
  CHECK_THAT(kept->why, has_text(nan ? "request a at position 1: none of the logits that may be sampled is finite"
                                     : "request a has token id 100 at position 0; the model's vocabulary is 0 to 99"));
}

TEST_CASE("cpu backend: the same bits on every machine") {
  const Weights weights(TOKENYARD_SOURCE_DIR "/scenarios/models/story");
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  EngineConfig config = small_config();
  config.num_blocks = 40;
  CpuOptions options;
  options.on_logits = [&](const Request&, std::int32_t, std::span<const float> row) {
    XXH3_64bits_update(&state, row.data(), row.size_bytes());
  };
  CpuBackend backend(weights, config, options);
  Engine engine(config, backend);
  auto kept = std::make_shared<Keep>();
  std::vector<Token> prompt;
  for (Token id = 100; id < 400; ++id) prompt.push_back(id * 5);
  RequestSpec spec = spec_of("pinned", prompt, 12);
  spec.ignore_eos = true;
  spec.sampling = {.temperature = 0.9f, .top_k = 200, .top_p = 0.95f, .min_p = 0.001f, .repetition_penalty = 1.1f, .seed = 5};
  engine.submit(spec, kept);
  while (engine.step(nullptr)) {
  }
  CHECK(fmt::format("{}", fmt::join(kept->tokens, " ")) == "0 1 461 201 653 392 260 384 419 260 1829 14");
  CHECK(fmt::format("{:016x}", XXH3_64bits_digest(&state)) == "7aa77220ae5d1f20");
}

TEST_CASE("cpu backend: the embedded model tells a story") {
  const std::string folder = TOKENYARD_SOURCE_DIR "/scenarios/models/story";
  const Weights weights(folder);
  const Tokenizer tokenizer = Tokenizer::load(folder + "/tokenizer.json");
  EngineConfig config = small_config();
  config.num_blocks = 40;
  config.eos_token_id = weights.config().eos_token_ids.front();
  CpuOptions options;
  options.num_ids = tokenizer.num_ids();
  CpuBackend backend(weights, config, options);
  Engine engine(config, backend);
  auto kept = std::make_shared<Keep>();
  RequestSpec spec = spec_of("story", tokenizer.encode("Once upon a time"), 120);
  engine.submit(spec, kept);
  while (engine.step(nullptr)) {
  }
  const std::string text = tokenizer.decode(kept->tokens, true);
  INFO(text);
  CHECK(text.size() > 100);
  int spaces = 0;
  for (const char c : text) spaces += c == ' ';
  CHECK(spaces > 15);  // words of English, not byte soup
  CHECK_THAT(text, has_text(" the "));
}

}  // namespace
}  // namespace tokenyard
