#include "backends/model/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <set>

#include "catch.h"
#include "core/base/sampling.h"

namespace tokenyard {
namespace {

const float kInfinity = std::numeric_limits<float>::infinity();
const float kNan = std::numeric_limits<float>::quiet_NaN();

// A request that has said `output` after `prompt`.
Request request_of(const SamplingParams& params, const std::vector<Token>& prompt = {1},
                   const std::vector<Token>& output = {}) {
  Request request;
  request.spec.sampling = params;
  request.tokens.append(prompt);
  request.tokens.append(output);
  request.num_prompt = static_cast<std::int32_t>(prompt.size());
  request.num_tokens = request.tokens.size();
  return request;
}

std::vector<float> random_logits(std::mt19937_64& random, std::size_t n, float spread) {
  std::vector<float> out;
  for (std::size_t i = 0; i < n; ++i) out.push_back(spread * (static_cast<float>(random() >> 40) / (1 << 23) - 1));
  return out;
}

// The tokens that the cuts leave, from the definition in double.
std::set<Token> survivors(const std::vector<float>& logits, const SamplingParams& params) {
  std::vector<Token> order(logits.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<Token>(i);
  const auto at = [&](Token id) { return static_cast<double>(logits[static_cast<std::size_t>(id)]); };
  std::stable_sort(order.begin(), order.end(), [&](Token a, Token b) { return at(a) > at(b); });
  const auto cut_after = [&](std::size_t count) {  // and what equals the last
    while (count < order.size() && at(order[count]) == at(order[count - 1])) ++count;
    order.resize(std::min(count, order.size()));
  };
  const double greatest = at(order[0]);
  const auto weight = [&](Token id) { return std::exp((at(id) - greatest) / params.temperature); };
  if (params.top_k > 0) cut_after(std::min(static_cast<std::size_t>(params.top_k), order.size()));
  if (params.top_p < 1) {
    double total = 0;
    for (const Token id : order) total += weight(id);
    double sum = 0;
    std::size_t count = 0;
    while (count < order.size() && (count == 0 || sum < params.top_p * total)) sum += weight(order[count++]);
    cut_after(count);
  }
  std::set<Token> out;
  for (const Token id : order) {
    if (weight(id) >= params.min_p) out.insert(id);
  }
  return out;
}

// Every token sampled within `draws`, whose seeds differ.
std::map<Token, int> counts(const std::vector<float>& logits, SamplingParams params, int draws) {
  Sampler sampler(static_cast<std::int32_t>(logits.size()), static_cast<std::int32_t>(logits.size()));
  std::map<Token, int> out;
  for (int i = 0; i < draws; ++i) {
    params.seed = static_cast<std::uint64_t>(i);
    ++out[sampler.sample(logits, request_of(params), -1).value()];
  }
  return out;
}

TEST_CASE("sampling: exp and log are close to the C library's") {
  double worst = 0;
  for (float x = 0; x > -86.9f; x = x * 1.0001f - 1e-4f) {
    worst = std::max(worst, std::fabs(exact::exp_of_negative(x) / std::exp(static_cast<double>(x)) - 1));
  }
  CHECK(worst < 2e-7);
  CHECK(exact::exp_of_negative(0) == 1);
  CHECK(exact::exp_of_negative(-0.0f) == 1);
  CHECK(exact::exp_of_negative(-88) == 0);
  CHECK(exact::exp_of_negative(-kInfinity) == 0);
  worst = 0;
  for (float x = 1e-30f; x < 1e30f; x *= 1.00037f) {
    const double expected = std::log(static_cast<double>(x));
    worst = std::max(worst, std::fabs(exact::log(x) - expected) / std::max(1.0, std::fabs(expected)));
  }
  CHECK(worst < 1.2e-7);
  worst = 0;
  for (float f = 1e-9f; f < 0.29f; f *= 1.001f) {
    worst = std::max(worst, std::fabs(exact::log_near_one(-f) / std::log1p(-static_cast<double>(f)) - 1));
  }
  CHECK(worst < 4e-7);
}

TEST_CASE("sampling: the generator's published test vectors") {
  const auto words = [](sampling::Words counter, std::uint32_t k0, std::uint32_t k1) {
    const sampling::Words out = sampling::philox(counter, k0, k1);
    return std::vector<std::uint32_t>(out.word, out.word + 4);
  };
  using V = std::vector<std::uint32_t>;
  CHECK(words({{0, 0, 0, 0}}, 0, 0) == V{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(words({{~0u, ~0u, ~0u, ~0u}}, ~0u, ~0u) == V{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(words({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822, 0x299f31d0) ==
        V{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("sampling: Gumbel noise") {
  const auto exactly = [](std::uint32_t w) { return -std::log(-std::log1p(-(w + 0.5) / 4294967296.0)); };
  for (std::uint64_t w = 0; w < 4294967296; w += 999'983) {
    REQUIRE(sampling::gumbel(static_cast<std::uint32_t>(w)) == Approx(exactly(static_cast<std::uint32_t>(w))).margin(2e-6));
  }
  CHECK(sampling::gumbel(0) == Approx(22.87).margin(0.01));
  CHECK(sampling::gumbel(~0u) == Approx(-3.13).margin(0.01));
  CHECK(sampling::gumbel(0x49ffffff) == Approx(sampling::gumbel(0x4a000000)).margin(1e-6));
}

TEST_CASE("sampling: integers in the order of logits") {
  const std::vector<float> sorted = {-kInfinity, -1e30f, -2, -1.5f, -1e-40f, 0, 1e-40f, 1, 1e30f, kInfinity};
  for (std::size_t i = 0; i + 1 < sorted.size(); ++i) {
    CHECK(sampling::order_of(sorted[i]) < sampling::order_of(sorted[i + 1]));
    CHECK(sampling::logit_of(sampling::order_of(sorted[i])) == sorted[i]);
  }
  CHECK(sampling::order_of(-0.0f) == sampling::order_of(0.0f));
  CHECK(sampling::order_of(-kInfinity) == sampling::kLeastOrder);
  CHECK(sampling::share_of(std::uint64_t{1} << 58, 0.5f) == std::uint64_t{1} << 57);
  CHECK(sampling::share_of(1000, 0.75f) == 750);
  CHECK(sampling::share_of(999, 1) == 999);
}

TEST_CASE("sampling: greedy takes the greatest logit, the lowest id of equal ones, and no other number") {
  Sampler sampler(5, 5);
  const Request request = request_of({});
  CHECK(sampler.sample(std::vector<float>{1, 3, 2, 3, -1}, request, -1) == 1);
  CHECK(sampler.sample(std::vector<float>{kNan, -5, kInfinity, -kInfinity, -4}, request, -1) == 4);
  CHECK(sampler.sample(std::vector<float>{kNan, kNan, kInfinity, -kInfinity, kNan}, request, -1) == std::nullopt);
  CHECK(Sampler(5, 2).sample(std::vector<float>{1, 2, 3, 4, 5}, request, -1) == 1);  // 3 ids are padding
}

TEST_CASE("sampling: the repetition penalty touches each token that occurred, once") {
  Sampler sampler(4, 4);
  SamplingParams params{.repetition_penalty = 2};
  const std::vector<float> logits = {1, 4, 3, -1};
  CHECK(sampler.sample(logits, request_of(params, {0}), -1) == 1);
  CHECK(sampler.sample(logits, request_of(params, {1}), -1) == 2);
  CHECK(sampler.sample(logits, request_of(params, {0}, {1, 1, 1}), -1) == 2);                   // 4 / 2, not 4 / 8
  CHECK(sampler.sample(logits, request_of(params, {1, 2}), -1) == 1);                           // 2 against 1.5 and 1
  CHECK(sampler.sample(std::vector<float>{-3, -2, -5, -5}, request_of(params, {1}), -1) == 0);  // -4
  CHECK(sampler.sample(logits, request_of({}, {1}), -1) == 1);
}

TEST_CASE("sampling: min_tokens holds back whatever would end the text") {
  Sampler sampler(4, 4);
  const std::vector<float> logits = {9, 8, 7, 6};
  Request request = request_of({}, {1});
  request.spec.min_tokens = 1;
  request.spec.stop_token_ids = {1, -5, 1000};
  CHECK(sampler.sample(logits, request, 0) == 2);
  request.spec.ignore_eos = true;
  CHECK(sampler.sample(logits, request, 0) == 0);
  request = request_of({}, {1}, {2});
  request.spec.min_tokens = 1;
  CHECK(sampler.sample(logits, request, 0) == 0);  // one token is there
  request.spec.min_tokens = 2;
  request.spec.stop_token_ids = {1, 2, 3};
  CHECK(sampler.sample(logits, request, 0) == std::nullopt);
}

TEST_CASE("sampling: each cut leaves what the definition in double leaves") {
  std::mt19937_64 random(5);
  for (int round = 0; round < 300; ++round) {
    std::vector<float> logits = random_logits(random, 12, 3);
    if (round % 3 == 0) {  // equal logits
      for (float& logit : logits) logit = std::floor(logit);
    }
    if (round % 5 == 0) logits[random() % 12] = -kInfinity;
    SamplingParams params{.temperature = 0.5f + static_cast<float>(round % 4)};
    if (round % 2 == 0) params.top_k = static_cast<std::int32_t>(1 + random() % 14);
    if (round % 7 < 3) params.top_p = 0.05f + static_cast<float>(random() % 95) / 100;
    if (round % 11 < 4) params.min_p = static_cast<float>(random() % 100) / 100;
    const std::set<Token> expected = survivors(logits, params);
    std::set<Token> seen;
    for (const auto& [token, count] : counts(logits, params, 2000)) seen.insert(token);
    INFO("round " << round);
    REQUIRE(std::includes(expected.begin(), expected.end(), seen.begin(), seen.end()));
    double total = 0;
    const auto weight = [&](Token id) {
      const double greatest = *std::max_element(logits.begin(), logits.end());
      return std::exp((static_cast<double>(logits[static_cast<std::size_t>(id)]) - greatest) / params.temperature);
    };
    for (const Token id : expected) total += weight(id);
    for (const Token id : expected) {
      if (weight(id) / total > 0.01) REQUIRE(seen.contains(id));  // missed by chance with probability 2e-9
    }
  }
}

TEST_CASE("sampling: the cuts' edges") {
  const std::vector<float> logits = {1, 2, 2, 0, 2};
  const auto tokens = [&](const SamplingParams& params) {
    std::set<Token> out;
    for (const auto& [token, count] : counts(logits, params, 500)) out.insert(token);
    return out;
  };
  using Set = std::set<Token>;
  CHECK(tokens({.temperature = 1, .top_k = 1}) == Set{1, 2, 4});  // equal ones stay together
  CHECK(tokens({.temperature = 1, .top_k = 4}) == Set{0, 1, 2, 4});
  CHECK(tokens({.temperature = 1, .top_k = 100}) == Set{0, 1, 2, 3, 4});
  CHECK(tokens({.temperature = 1, .top_p = 1e-6f}) == Set{1, 2, 4});
  CHECK(tokens({.temperature = 1, .min_p = 1}) == Set{1, 2, 4});
  CHECK(tokens({.temperature = 1, .min_p = 0.36f}) == Set{0, 1, 2, 4});  // e^-1 = 0.368
  CHECK(tokens({.temperature = 1, .min_p = 0.37f}) == Set{1, 2, 4});
  CHECK(tokens({.temperature = 0.001f}) == Set{1, 2, 4});
}

TEST_CASE("sampling: a temperature as vLLM takes it") {
  CHECK(taken_temperature(0) == 0);
  CHECK(taken_temperature(9.9e-6f) == 0);
  CHECK(taken_temperature(1e-5f) == 0.01f);
  CHECK(taken_temperature(9.9e-3f) == 0.01f);
  CHECK(taken_temperature(0.01f) == 0.01f);
  CHECK(taken_temperature(2) == 2);
  CHECK(taken_temperature(-1) == -1);
  CHECK(std::isnan(taken_temperature(kNan)));
}

TEST_CASE("sampling: frequencies are those of the softmax (chi-square)") {
  std::mt19937_64 random(7);
  const std::vector<float> logits = random_logits(random, 20, 2);
  const SamplingParams params =
      GENERATE(SamplingParams{.temperature = 1}, SamplingParams{.temperature = 0.7f},
               SamplingParams{.temperature = 1.5f, .top_k = 8}, SamplingParams{.temperature = 1, .top_p = 0.8f, .min_p = 0.1f});
  const std::set<Token> kept = survivors(logits, params);
  const int draws = 50'000;
  auto observed = counts(logits, params, draws);
  double total = 0;
  for (const Token id : kept) total += std::exp(static_cast<double>(logits[static_cast<std::size_t>(id)]) / params.temperature);
  double chi_square = 0;
  for (const Token id : kept) {
    const double expected =
        draws * std::exp(static_cast<double>(logits[static_cast<std::size_t>(id)]) / params.temperature) / total;
    REQUIRE(expected > 20);
    chi_square += (observed[id] - expected) * (observed[id] - expected) / expected;
  }
  // With f degrees of freedom: mean f, deviation sqrt(2 f); beyond mean + 5 deviations comes once in 10^5 and the seeds are
  // fixed.
  const double freedom = static_cast<double>(kept.size()) - 1;
  CHECK(chi_square < freedom + 5 * std::sqrt(2 * freedom));
  CHECK(chi_square > freedom - 5 * std::sqrt(2 * freedom));
}

TEST_CASE("sampling: positions and seeds draw independently") {
  // Pairs (token at position 1, token at position 2) of a uniform distribution over 4.
  Sampler sampler(4, 4);
  const std::vector<float> flat(4, 1.0f);
  int pairs[4][4] = {};
  for (std::uint64_t seed = 0; seed < 20'000; ++seed) {
    const SamplingParams params{.temperature = 1, .seed = seed << 20};
    const Token first = sampler.sample(flat, request_of(params, {1}), -1).value();
    const Token second = sampler.sample(flat, request_of(params, {1}, {first}), -1).value();
    ++pairs[first][second];
  }
  double chi_square = 0;
  for (const auto& row : pairs) {
    for (const int n : row) chi_square += (n - 1250.0) * (n - 1250.0) / 1250;
  }
  CHECK(chi_square < 15 + 5 * std::sqrt(30.0));
}

TEST_CASE("sampling: log probabilities of the raw logits") {
  std::mt19937_64 random(11);
  std::vector<float> logits = random_logits(random, 1000, 8);
  logits[17] = logits[400] = 9;
  logits[3] = -kInfinity;
  logits[999] = 100;  // padding
  const Sampler sampler(1000, 999);
  double total = 0;
  for (std::size_t i = 0; i < 999; ++i) total += std::exp(static_cast<double>(logits[i]));
  const TokenLogprobs found = sampler.logprobs(logits, 400, 5);
  CHECK(found.chosen.token == 400);
  CHECK(found.rank == 2);
  CHECK(found.chosen.logprob == Approx(9 - std::log(total)).margin(2e-6));
  REQUIRE(found.top.size() == 5);
  CHECK(found.top[0].token == 17);
  CHECK(found.top[1].token == 400);
  for (std::size_t i = 1; i < 5; ++i) {
    const float logit = logits[static_cast<std::size_t>(found.top[i].token)];
    CHECK(found.top[i - 1].logprob >= found.top[i].logprob);
    CHECK(found.top[i].logprob == Approx(static_cast<double>(logit) - std::log(total)).margin(2e-6));
  }
  CHECK(sampler.logprobs(logits, 5, 0).top.empty());
  CHECK(sampler.logprobs(logits, 5, 2'000'000'000).top.size() == 999);
}

TEST_CASE("sampling: what a backend refuses before it runs") {
  RequestSpec spec;
  spec.prompt.append(std::vector<Token>{1, 99});
  CHECK(refusal(spec, 100) == std::nullopt);
  CHECK_THAT(refusal(spec, 99).value(), has_text("the prompt has token id 99; the model's are 0 to 98"));
  RequestSpec mute = spec;
  for (Token id = 0; id < 100; ++id) mute.stop_token_ids.push_back(id);
  CHECK(refusal(mute, 100) == std::nullopt);
  mute.min_tokens = 1;
  CHECK_THAT(refusal(mute, 100).value(), has_text("all of them are stop ids"));
  CHECK(refusal(mute, 200) == std::nullopt);
  const auto why = [&](const SamplingParams& params) {
    RequestSpec other = spec;
    other.sampling = params;
    return refusal(other, 100).value_or("fine");
  };
  CHECK_THAT(why({.temperature = -1}), has_text("temperature is -1;"));
  CHECK_THAT(why({.temperature = kNan}), has_text("temperature is nan"));
  CHECK(why({.temperature = 1e-8f}) == "fine");
  CHECK(why({.temperature = 1e-5f}) == "fine");
  CHECK_THAT(why({.top_p = 0}), has_text("top_p is 0; it must be above 0"));
  CHECK_THAT(why({.top_p = -1e-8f}), has_text("top_p is -1e-08;"));
  CHECK_THAT(why({.top_p = 1.5f}), has_text("top_p is 1.5;"));
  CHECK_THAT(why({.top_k = -1}), has_text("top_k is -1"));
  CHECK_THAT(why({.min_p = 2}), has_text("min_p is 2"));
  CHECK_THAT(why({.repetition_penalty = 0}), has_text("repetition_penalty is 0"));
  CHECK_THAT(why({.logprobs = -2}), has_text("logprobs is -2"));
  CHECK(why({.temperature = 1, .top_k = 5, .top_p = 0.5f, .min_p = 0.5f, .repetition_penalty = 1.5f, .logprobs = 0}) == "fine");
}

}  // namespace
}  // namespace tokenyard
