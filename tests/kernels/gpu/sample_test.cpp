// The GPU's sampler against the CPU's: equal tokens, ranks and log probabilities, bit by bit.
#include "kernels/sample.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <random>

#include "backends/model/sampler.h"
#include "catch.h"
#include "kernels/simple/simple.h"
#include "tests/kernels/gpu/support/cards.h"
#include "tests/kernels/gpu/support/device.h"

namespace tokenyard {
namespace {

using gpu::DeviceArray;
using kernels::Bf16;
using kernels::SampleRow;

float widened(Bf16 x) { return __bfloat162float(x); }

struct Problem {
  std::int32_t stride;
  std::int32_t num_ids;
  std::vector<Bf16> logits;       // [rows, stride]
  std::vector<Request> requests;  // one a row
  Token eos = 2;
};

std::int32_t uniform(std::mt19937_64& random, std::int32_t low, std::int32_t high) {
  return low + static_cast<std::int32_t>(random() % static_cast<std::uint64_t>(high - low + 1));
}

template <class T>
T one_of(std::mt19937_64& random, std::initializer_list<T> values) {
  return values.begin()[random() % values.size()];
}

Request random_request(std::mt19937_64& random, std::int32_t num_ids, std::int32_t max_logprobs) {
  Request request;
  RequestSpec& spec = request.spec;
  SamplingParams& params = spec.sampling;
  params.temperature = one_of(random, {0.0f, 0.001f, 0.3f, 0.6f, 1.0f, 1.7f, 30.0f});
  params.top_k = one_of(random, {0, 0, 1, 2, 20, 50, 1000, 5000, num_ids - 1, num_ids + 7});
  params.top_p = one_of(random, {1.0f, 1.0f, 0.95f, 0.5f, 0.1f, 1e-6f, 0.9999f});
  params.min_p = one_of(random, {0.0f, 0.0f, 0.05f, 0.3f, 1.0f});
  params.repetition_penalty = one_of(random, {1.0f, 1.0f, 1.0f, 1.1f, 0.7f, 3.0f});
  params.seed = random();
  params.logprobs = uniform(random, -1, max_logprobs);
  spec.min_tokens = one_of(random, {0, 0, 3});
  spec.ignore_eos = random() % 4 == 0;
  for (int i = uniform(random, 0, 5); i > 0; --i) spec.stop_token_ids.push_back(uniform(random, -1, num_ids + 3));
  std::vector<Token> text;
  for (int i = uniform(random, 1, 300); i > 0; --i) text.push_back(uniform(random, 0, num_ids - 1));
  request.tokens.append(text);
  request.num_tokens = static_cast<std::int32_t>(text.size());
  request.num_prompt = std::max(1, request.num_tokens - uniform(random, 0, 6));
  return request;
}

Problem random_problem(std::mt19937_64& random, std::int32_t rows, std::int32_t stride, std::int32_t num_ids) {
  Problem problem{stride, num_ids, {}, {}, 2};
  std::normal_distribution<float> normal;
  for (std::int32_t r = 0; r < rows; ++r) {
    // Narrow rows, where noise decides; wide ones, where it does not; coarse ones, with many ties; ones with bad numbers.
    const float spread = one_of(random, {0.0f, 0.02f, 1.0f, 4.0f, 30.0f});
    const float centre = one_of(random, {0.0f, -20.0f, 15.0f});
    const bool coarse = random() % 3 == 0;
    const bool bad = random() % 4 == 0;
    for (std::int32_t i = 0; i < stride; ++i) {
      float logit = centre + spread * normal(random);
      if (coarse) logit = static_cast<float>(static_cast<int>(logit));
      if (bad && random() % 50 == 0) {
        logit = one_of(random, {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
                                std::numeric_limits<float>::quiet_NaN(), -0.0f, 3e38f});
      }
      problem.logits.push_back(__float2bfloat16(logit));
    }
    problem.requests.push_back(random_request(random, num_ids, 25));
  }
  return problem;
}

struct Answers {
  std::vector<std::int32_t> tokens;
  std::vector<float> logprobs;
  std::vector<std::int32_t> ranks;
  std::vector<std::int32_t> top_tokens;
  std::vector<float> top_logprobs;
  std::vector<std::uint32_t> seen;
};

constexpr std::int32_t kTop = 25;

// `padded` rows more than there are, as in a graph for a larger batch.
Answers on_gpu(const Problem& problem, std::int32_t padded = 0, decltype(&kernels::sample) sample = kernels::sample) {
  const auto rows = static_cast<std::int32_t>(problem.requests.size());
  const auto all = static_cast<std::size_t>(rows + padded);
  std::vector<SampleRow> params(all, SampleRow{0, -1, 0, 0, 1, 0, 1, -1, 0, 0, -1});
  std::vector<std::int32_t> masked;
  std::vector<kernels::Occurrence> occurrences;
  for (std::int32_t r = 0; r < rows; ++r) {
    const Request& request = problem.requests[static_cast<std::size_t>(r)];
    const SamplingParams& p = request.spec.sampling;
    const auto first = static_cast<std::int32_t>(masked.size());
    if (request.num_output() < request.spec.min_tokens) {
      if (!request.spec.ignore_eos) masked.push_back(problem.eos);
      masked.insert(masked.end(), request.spec.stop_token_ids.begin(), request.spec.stop_token_ids.end());
    }
    const bool penalised = p.repetition_penalty != 1;
    params[static_cast<std::size_t>(r)] = {
        p.seed,    request.num_tokens,   p.temperature,      p.top_k, p.top_p,
        p.min_p,   p.repetition_penalty, penalised ? r : -1, first,   static_cast<std::int32_t>(masked.size()) - first,
        p.logprobs};
    if (!penalised) continue;
    for (std::int32_t i = 0; i < request.num_tokens; ++i) occurrences.push_back({r, request.tokens.at(i, problem.stride)});
  }
  const auto words = static_cast<std::size_t>(kernels::seen_words(problem.stride));
  DeviceArray<Bf16> logits(all * static_cast<std::size_t>(problem.stride));
  std::vector<Bf16> padded_logits = problem.logits;
  padded_logits.resize(logits.size());
  logits.upload(padded_logits);
  const DeviceArray<SampleRow> device_params(params);
  const DeviceArray<std::int32_t> device_masked(masked);
  const DeviceArray<std::uint32_t> seen(std::vector<std::uint32_t>(all * words));
  const DeviceArray<kernels::Occurrence> device_occurrences(occurrences);
  const DeviceArray<std::int32_t> tokens(all);
  const DeviceArray<float> logprobs(all);
  const DeviceArray<std::int32_t> ranks(all);
  const DeviceArray<std::int32_t> top_tokens(all * kTop);
  const DeviceArray<float> top_logprobs(all * kTop);
  kernels::mark_seen(seen.data(), problem.stride, device_occurrences.data(), static_cast<std::int32_t>(occurrences.size()),
                     nullptr);
  sample({logits.data(), device_params.data(), device_masked.data(), seen.data(), problem.stride, problem.num_ids, kTop,
          tokens.data(), logprobs.data(), ranks.data(), top_tokens.data(), top_logprobs.data()},
         rows + padded, nullptr);
  gpu::synchronize();
  return {tokens.download(),     logprobs.download(),     ranks.download(),
          top_tokens.download(), top_logprobs.download(), seen.download()};
}

bool same_bits(float a, float b) { return std::memcmp(&a, &b, sizeof a) == 0; }

void check_against_cpu(const Problem& problem, const Answers& answers) {
  Sampler sampler(problem.stride, problem.num_ids);
  const auto stride = static_cast<std::size_t>(problem.stride);
  for (std::size_t r = 0; r < problem.requests.size(); ++r) {
    const Request& request = problem.requests[r];
    const SamplingParams& p = request.spec.sampling;
    std::vector<float> logits;
    for (std::size_t i = 0; i < stride; ++i) logits.push_back(widened(problem.logits[r * stride + i]));
    INFO("row " << r << " of " << problem.requests.size() << ", vocabulary " << stride << ", ids " << problem.num_ids
                << ", temperature " << p.temperature << ", top_k " << p.top_k << ", top_p " << p.top_p << ", min_p " << p.min_p
                << ", penalty " << p.repetition_penalty << ", seed " << p.seed);
    const auto token = sampler.sample(logits, request, problem.eos);
    REQUIRE(answers.tokens[r] == token.value_or(-1));
    if (!token || p.logprobs < 0) continue;
    const TokenLogprobs expected = sampler.logprobs(logits, *token, p.logprobs);
    CHECK(answers.ranks[r] == expected.rank);
    CHECK(same_bits(answers.logprobs[r], expected.chosen.logprob));
    for (std::size_t i = 0; i < expected.top.size(); ++i) {
      INFO("top " << i);
      REQUIRE(answers.top_tokens[r * kTop + i] == expected.top[i].token);
      REQUIRE(same_bits(answers.top_logprobs[r * kTop + i], expected.top[i].logprob));
    }
  }
}

TEST_CASE("sampling on the GPU equals sampling on the CPU, whatever the parameters") {
  std::mt19937_64 random(1);
  for (int round = 0; round < 120; ++round) {
    const std::int32_t stride = 8 * uniform(random, 1, round % 4 == 0 ? 2500 : 300);
    const std::int32_t num_ids = std::max(4, stride - uniform(random, 0, 9));
    if (num_ids > stride) continue;
    const Problem problem = random_problem(random, uniform(random, 1, 40), stride, num_ids);
    check_against_cpu(problem, on_gpu(problem));
  }
}

TEST_CASE("sampling on the GPU equals sampling on the CPU over the vocabularies of real models") {
  std::mt19937_64 random(2);
  for (const auto& [stride, num_ids] : {std::pair{151936, 151669}, {49152, 49152}, {128256, 128256}, {256000, 255999}}) {
    for (const std::int32_t rows : {3, 20}) {
      const Problem problem = random_problem(random, rows, stride, num_ids);
      check_against_cpu(problem, on_gpu(problem));
    }
  }
}

TEST_CASE("sampling on a smaller GPU equals sampling on the CPU") {
  for (const kernels::Card& lesser : gpu::lesser_cards()) {
    const kernels::PretendedCard pretended(lesser);
    std::mt19937_64 random(6);
    for (int round = 0; round < 40; ++round) {
      const std::int32_t stride = 8 * uniform(random, 1, round % 4 == 0 ? 2500 : 300);
      const Problem problem =
          random_problem(random, uniform(random, 1, 40), stride, std::max(4, stride - uniform(random, 0, 4)));
      check_against_cpu(problem, on_gpu(problem, round % 3));
    }
    for (const std::int32_t stride : {151936, 256000, 450000}) {
      const Problem problem = random_problem(random, 3, stride, stride - 1);
      check_against_cpu(problem, on_gpu(problem));
    }
  }
}

TEST_CASE("the simple sampling equals the CPU's, whatever the parameters") {
  std::mt19937_64 random(5);
  for (int round = 0; round < 60; ++round) {
    const std::int32_t stride = 8 * uniform(random, 1, round % 4 == 0 ? 2500 : 300);
    Problem problem = random_problem(random, uniform(random, 1, 20), stride, std::max(4, stride - uniform(random, 0, 4)));
    for (Request& request : problem.requests) request.spec.sampling.logprobs = -1;
    check_against_cpu(problem, on_gpu(problem, 2, kernels::simple::sample));
  }
}

TEST_CASE("a sampled row does not depend on its batch") {
  std::mt19937_64 random(3);
  const Problem problem = random_problem(random, 40, 4096, 4000);
  const Answers together = on_gpu(problem, 7);
  for (std::size_t r = 0; r < problem.requests.size(); ++r) {
    const auto first = problem.logits.begin() + static_cast<std::ptrdiff_t>(r * 4096);
    const Problem alone{4096, 4000, {first, first + 4096}, {problem.requests[r]}, problem.eos};
    const Answers answers = on_gpu(alone);
    CHECK(answers.tokens[0] == together.tokens[r]);
    if (problem.requests[r].spec.sampling.logprobs >= 0) CHECK(same_bits(answers.logprobs[0], together.logprobs[r]));
  }
  for (std::size_t r = problem.requests.size(); r < together.tokens.size(); ++r) CHECK(together.tokens[r] == -1);  // the poison
}

TEST_CASE("a row without a finite logit has no token, and a sampled token is marked as seen") {
  std::mt19937_64 random(4);
  Problem problem = random_problem(random, 2, 1024, 1000);
  for (Request& request : problem.requests) {
    request.spec.sampling = {};
    request.spec.sampling.repetition_penalty = 1.5f;
    request.spec.min_tokens = 0;
  }
  std::fill(problem.logits.begin(), problem.logits.begin() + 1024, __float2bfloat16(std::numeric_limits<float>::quiet_NaN()));
  const Answers answers = on_gpu(problem);
  check_against_cpu(problem, answers);
  CHECK(answers.tokens[0] == -1);
  const auto words = static_cast<std::size_t>(kernels::seen_words(1024));
  std::vector<std::uint32_t> expected(2 * words);
  const auto mark = [&](std::size_t row, Token token) {
    expected[row * words + static_cast<std::size_t>(token) / 32] |= 1u << token % 32;
  };
  for (std::size_t r = 0; r < 2; ++r) {
    for (std::int32_t i = 0; i < problem.requests[r].num_tokens; ++i) mark(r, problem.requests[r].tokens.at(i, 1024));
  }
  mark(1, answers.tokens[1]);
  CHECK(answers.seen == expected);
}

}  // namespace
}  // namespace tokenyard
