// Invariant 5 for any backend that computes: scheduling never changes what a request says. The same requests, alone and in
// thousands of random schedules, give the same tokens and the same logits, bit by bit.
#pragma once

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "catch.h"
#include "core/dice.h"
#include "core/engine.h"

namespace tokenyard::test {

// What a request said: its tokens, the hash of the logits each was sampled from, and its log probabilities.
struct Saying {
  std::vector<Token> tokens;
  std::vector<std::uint64_t> logits;
  std::vector<float> logprobs;
  FinishReason reason = FinishReason::none;
};

struct Recorder : RequestListener {
  Saying saying;
  std::int32_t preemptions = 0;
  std::int32_t cached = 0;
  void on_token(const Request&, Token token, const TokenLogprobs* logprobs) override {
    saying.tokens.push_back(token);
    if (logprobs != nullptr) {
      saying.logprobs.push_back(logprobs->chosen.logprob);
      for (const auto& candidate : logprobs->top) saying.logprobs.push_back(candidate.logprob);
    }
  }
  void on_end(const Request& request, const std::string&) override {
    saying.reason = request.finish_reason;
    preemptions = request.num_preemptions;
    cached = request.num_cached;
  }
};

// How often what could have changed a bit happened.
struct Happened {
  int preemptions = 0;
  int hits = 0;
  int copies = 0;
  int chunks = 0;
  int padding = 0;
  int shared_steps = 0;   // with prefill and decode
  int long_contexts = 0;  // beyond one piece of attention
  std::map<std::int32_t, int> block_sizes;
  std::array<int, 4> finished{};  // by policy
};

// Passes on and counts.
class Watch : public Backend {
 public:
  Watch(Backend& backend, Happened& happened) : backend_(backend), happened_(happened) {}
  BackendLimits limits() const override { return backend_.limits(); }
  void submit(const StepPlan& plan) override {
    happened_.copies += static_cast<int>(plan.copies.size());
    bool prefill = false;
    bool decode = false;
    for (const Row& row : plan.rows) {
      happened_.padding += row.padding;
      happened_.chunks += row.count > 0 && !row.sample;
      happened_.long_contexts += row.first + row.count > 256;
      prefill = prefill || row.count > 1;
      decode = decode || row.count == 1;
    }
    happened_.shared_steps += prefill && decode;
    backend_.submit(plan);
  }
  const StepResult& collect() override { return backend_.collect(); }
  TimeNs now() const override { return backend_.now(); }
  void wait_until(TimeNs time) override { backend_.wait_until(time); }
  void wake() override { backend_.wake(); }

 private:
  Backend& backend_;
  Happened& happened_;
};

// Hears the logits that tokens are sampled from.
using OnLogits = std::function<void(const Request& request, std::int32_t position, std::span<const float> logits)>;

struct Subject {
  // A backend over a model of 100 tokens and a context of at least 1,000.
  std::function<std::unique_ptr<Backend>(const EngineConfig& config, OnLogits on_logits, Dice& dice)> make;
  std::vector<int> block_sizes;  // it may have, ascending
  bool any_block_size = false;   // or all from 1 up
  int schedules = 0;
};

class Lab {
 public:
  explicit Lab(const Subject& subject) : subject_(subject) {}

  // Runs the requests `chosen` (indices into specs), which join at random moments.
  std::vector<Saying> run(const EngineConfig& config, const std::vector<std::size_t>& chosen, Dice& dice) {
    std::map<std::string, std::vector<std::uint64_t>> logits;
    const auto on_logits = [&](const Request& request, std::int32_t position, std::span<const float> row) {
      auto& hashes = logits[request.spec.id];
      // A token that is computed again must not be sampled again.
      REQUIRE(position + 1 == request.num_prompt + static_cast<std::int32_t>(hashes.size()));
      hashes.push_back(XXH3_64bits(row.data(), row.size_bytes()));
    };
    const std::unique_ptr<Backend> backend = subject_.make(config, on_logits, dice);
    Watch watch(*backend, happened);
    Engine engine(config, watch);
    std::vector<std::shared_ptr<Recorder>> recorders;
    for (const std::size_t index : chosen) {
      recorders.push_back(std::make_shared<Recorder>());
      engine.submit(specs[index], recorders.back());
      for (int steps = dice.chance(50) ? dice.roll(1, 6) : 0; steps > 0; --steps) engine.step(nullptr);
    }
    while (engine.step(nullptr)) {
    }
    std::vector<Saying> out;
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      Recorder& recorder = *recorders[i];
      recorder.saying.logits = logits[specs[chosen[i]].id];
      happened.preemptions += recorder.preemptions;
      happened.hits += recorder.cached > 0;
      happened.finished[number_of(config.policy)] += recorder.saying.reason != FinishReason::refused;
      out.push_back(std::move(recorder.saying));
    }
    ++happened.block_sizes[config.block_size];
    return out;
  }

  std::vector<RequestSpec> specs;
  Happened happened;

 private:
  const Subject& subject_;
};

// Prompts begin with one of three common texts, so that prefixes are shared; half of the requests sample.
inline RequestSpec random_spec(Dice& dice, int number, bool is_long) {
  RequestSpec spec;
  spec.id = "r" + std::to_string(number);
  Dice text(static_cast<std::uint64_t>(dice.roll(1, 3)));
  for (int i = is_long ? dice.roll(240, 300) : dice.roll(0, 50); i > 0; --i) spec.prompt.append(Token{text.roll(8, 99)});
  for (int i = dice.roll(1, 12); i > 0; --i) spec.prompt.append(Token{dice.roll(0, 99)});
  spec.max_tokens = is_long ? 20 : dice.roll(1, 24);
  spec.priority = dice.roll(0, 3);
  spec.ignore_eos = dice.chance(30);
  if (dice.chance(30)) spec.min_tokens = dice.roll(0, spec.max_tokens);
  if (dice.chance(20)) spec.stop_token_ids = {dice.roll(8, 99)};
  if (dice.chance(60)) {
    spec.sampling.temperature = 0.5f + static_cast<float>(dice.roll(0, 10)) / 10;
    spec.sampling.seed = static_cast<std::uint64_t>(dice.roll(0, 1 << 30)) << 20;
    if (dice.chance(40)) spec.sampling.top_k = dice.roll(1, 50);
    if (dice.chance(40)) spec.sampling.top_p = static_cast<float>(dice.roll(50, 99)) / 100;
    if (dice.chance(30)) spec.sampling.min_p = 0.05f;
  }
  if (dice.chance(40)) spec.sampling.repetition_penalty = 1.3f;
  if (dice.chance(30)) spec.sampling.logprobs = dice.roll(0, 4);
  return spec;
}

inline EngineConfig random_engine(const Subject& subject, Policy policy, Dice& dice, bool large) {
  EngineConfig config = random_config(policy, dice);
  if (!subject.any_block_size || dice.chance(30)) {
    config.block_size =
        subject.block_sizes[static_cast<std::size_t>(dice.roll(0, static_cast<int>(subject.block_sizes.size()) - 1))];
    config.num_blocks = std::max(3, 2 + dice.roll(60, 400) / config.block_size);
  }
  if (large) {
    config.num_blocks = std::max(config.num_blocks, 2 + dice.roll(400, 900) / config.block_size);
    config.max_num_batched_tokens = std::max(config.max_num_seqs, dice.roll(30, 400));
    config.max_model_len = 0;
    config.long_prefill_token_threshold = dice.chance(50) ? dice.roll(20, 200) : 0;
    if (!config.enable_chunked_prefill) config.max_num_batched_tokens = 1024;
  }
  if (policy == Policy::vllm_v1 && !config.enable_chunked_prefill) {  // the budget must hold a whole context
    config.max_num_batched_tokens = std::max(config.max_num_batched_tokens, std::max(config.max_model_len, 1024));
  }
  return config;
}

inline void check_invariance(const Subject& subject) {
  Lab lab(subject);
  Dice dice(20);
  const int num_specs = 40;
  const int num_long = 4;
  std::vector<Saying> alone;
  for (int i = 0; i < num_specs; ++i) lab.specs.push_back(random_spec(dice, i, i < num_long));
  for (std::size_t i = 0; i < lab.specs.size(); ++i) {  // computed whole, in a pool of its own
    EngineConfig config;
    config.max_num_batched_tokens = 1024;
    config.num_blocks = 100;
    config.enable_prefix_caching = false;
    config.eos_token_id = 7;
    config.max_num_seqs = 1;
    alone.push_back(lab.run(config, {i}, dice)[0]);
    REQUIRE(alone.back().tokens.size() == alone.back().logits.size());
    REQUIRE(alone.back().reason != FinishReason::kv_capacity);
  }
  lab.happened = {};

  const int schedules = subject.schedules;
  for (int n = 0; n < schedules; ++n) {
    const Policy policy = all_policies()[static_cast<std::size_t>(n % 4)];
    const bool large = n % 25 < 4;
    EngineConfig config = random_engine(subject, policy, dice, large);
    config.async_scheduling = policy != Policy::static_batch && dice.chance(50);
    std::vector<std::size_t> chosen;
    for (int i = dice.roll(1, large ? 4 : 8); i > 0; --i) {
      const auto index = static_cast<std::size_t>(large ? dice.roll(0, num_long + 3) : dice.roll(num_long, num_specs - 1));
      if (std::find(chosen.begin(), chosen.end(), index) == chosen.end()) chosen.push_back(index);
    }
    const std::vector<Saying> said = lab.run(config, chosen, dice);
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      const Saying& want = alone[chosen[i]];
      const Saying& got = said[i];
      INFO("schedule " << n << ", " << name_of(policy) << (config.async_scheduling ? " async" : "") << ", block size "
                       << config.block_size << ", request " << chosen[i]);
      if (got.reason == FinishReason::refused) continue;
      // A small context or pool may cut a text short, never change it.
      const bool cut = got.reason == FinishReason::kv_capacity ||
                       (got.reason == FinishReason::length && got.tokens.size() < want.tokens.size());
      if (!cut) REQUIRE(got.reason == want.reason);
      if (!cut) REQUIRE(got.tokens.size() == want.tokens.size());
      REQUIRE(std::equal(got.tokens.begin(), got.tokens.end(), want.tokens.begin()));
      REQUIRE(got.logits.size() == got.tokens.size());
      REQUIRE(std::equal(got.logits.begin(), got.logits.end(), want.logits.begin()));
      REQUIRE(got.logprobs.size() <= want.logprobs.size());
      REQUIRE(std::equal(got.logprobs.begin(), got.logprobs.end(), want.logprobs.begin()));
    }
  }

  // The test is worth something only if all of this was in the schedules.
  const Happened& happened = lab.happened;
  CHECK(happened.preemptions > schedules / 20);
  CHECK(happened.hits > schedules / (subject.any_block_size ? 10 : 30));  // short prompts seldom fill large blocks
  CHECK(happened.chunks > schedules / 5);
  CHECK(happened.shared_steps > schedules / 5);
  CHECK(happened.padding > schedules / 5);
  CHECK(happened.long_contexts > schedules / 20);
  if (schedules >= 1000) {
    CHECK(happened.copies > 0);
    if (subject.any_block_size) CHECK(happened.block_sizes.size() >= 20);
    for (const int size : subject.block_sizes) CHECK(happened.block_sizes.contains(size));
  }
  for (const int finished : happened.finished) CHECK(finished > schedules / 4);
}

}  // namespace tokenyard::test
