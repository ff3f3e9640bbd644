#include "backends/model/sampler.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <set>

#include "core/base/sampling.h"

namespace tokenyard {
namespace {

constexpr float kNothing = -std::numeric_limits<float>::infinity();

// The largest threshold for which the elements at or above it have measures that add up to `target` or more; the least order
// where none has. measure(i) is 1 to count elements. One byte of the threshold a pass, the high one first, as a GPU would do
// it.
template <typename Measure>
std::uint32_t find_threshold(const std::vector<std::uint32_t>& orders, const Measure& measure, std::uint64_t target) {
  std::uint32_t prefix = 0;
  std::uint64_t above = 0;  // the measure of what is greater than anything that begins with the prefix
  for (int shift = 24; shift >= 0; shift -= 8) {
    std::uint64_t histogram[256] = {};
    for (std::size_t i = 0; i < orders.size(); ++i) {
      const std::uint64_t high = std::uint64_t{orders[i]} >> (shift + 8);
      if (high == std::uint64_t{prefix} >> (shift + 8)) histogram[orders[i] >> shift & 0xffu] += measure(i);
    }
    std::uint32_t digit = 255;
    while (digit > 0 && above + histogram[digit] < target) above += histogram[digit--];
    prefix |= digit << shift;
  }
  return prefix;
}

}  // namespace

Sampler::Sampler(std::int32_t vocabulary, std::int32_t num_ids)
    : vocabulary_(vocabulary), num_ids_(num_ids), seen_(static_cast<std::size_t>(vocabulary)) {}

std::optional<Token> Sampler::sample(std::span<const float> logits, const Request& request, Token eos_token_id) {
  const RequestSpec& spec = request.spec;
  const SamplingParams& params = spec.sampling;
  const auto ids = static_cast<std::size_t>(num_ids_);
  logits_.assign(logits.begin(), logits.begin() + num_ids_);
  for (float& logit : logits_) logit = sampling::cleaned(logit);

  if (params.repetition_penalty != 1) {
    for (std::int32_t p = 0; p < request.num_tokens; ++p) {
      seen_[static_cast<std::size_t>(request.tokens.at(p, vocabulary_))] = true;
    }
    for (std::size_t i = 0; i < ids; ++i) {
      if (seen_[i]) logits_[i] = sampling::cleaned(sampling::penalized(logits_[i], params.repetition_penalty));
    }
    std::fill(seen_.begin(), seen_.end(), false);
  }
  if (request.num_output() < spec.min_tokens) {
    const auto mask = [&](Token id) {
      if (id >= 0 && id < num_ids_) logits_[static_cast<std::size_t>(id)] = kNothing;
    };
    if (!spec.ignore_eos) mask(eos_token_id);
    for (const Token id : spec.stop_token_ids) mask(id);
  }

  const auto best = std::max_element(logits_.begin(), logits_.end());  // the first of equal ones
  const float greatest = *best;
  if (greatest == kNothing) return std::nullopt;
  if (params.temperature == 0) return static_cast<Token>(best - logits_.begin());

  orders_.resize(ids);
  for (std::size_t i = 0; i < ids; ++i) orders_[i] = sampling::order_of(logits_[i]);
  std::uint32_t threshold = sampling::kLeastOrder + 1;
  if (params.top_k > 0) {
    const auto one = [](std::size_t) { return std::uint64_t{1}; };
    threshold = std::max(threshold, find_threshold(orders_, one, static_cast<std::uint64_t>(params.top_k)));
  }
  if (params.top_p < 1) {
    masses_.resize(ids);
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < ids; ++i) {
      const bool in = orders_[i] >= threshold;
      masses_[i] = in ? sampling::mass(sampling::scaled(logits_[i], greatest, params.temperature)) : 0;
      total += masses_[i];
    }
    // The likeliest token's mass is not 0, so a target of 1 keeps it alone.
    const std::uint64_t target = std::max<std::uint64_t>(1, sampling::share_of(total, params.top_p));
    threshold = std::max(threshold, find_threshold(
                                        orders_, [&](std::size_t i) { return masses_[i]; }, target));
  }

  Token chosen = -1;
  float best_score = kNothing;
  for (std::uint32_t group = 0; 4 * group < ids; ++group) {
    sampling::Words noise{};
    bool drawn = false;
    for (std::uint32_t i = 4 * group; i < std::min<std::size_t>(4 * group + 4, ids); ++i) {
      if (orders_[i] < threshold) continue;
      const float scaled = sampling::scaled(logits_[i], greatest, params.temperature);
      if (params.min_p > 0 && sampling::weight(scaled) < params.min_p) continue;
      if (!drawn) noise = sampling::noise4(params.seed, static_cast<std::uint32_t>(request.num_tokens), group);
      drawn = true;
      const float score = sampling::score(scaled, noise.word[i % 4]);
      if (score > best_score) {
        best_score = score;
        chosen = static_cast<Token>(i);
      }
    }
  }
  return chosen;
}

TokenLogprobs Sampler::logprobs(std::span<const float> logits, Token chosen, std::int32_t top) const {
  const auto at = [&](Token id) { return sampling::cleaned(logits[static_cast<std::size_t>(id)]); };
  float greatest = kNothing;
  for (Token id = 0; id < num_ids_; ++id) greatest = std::max(greatest, at(id));
  std::uint64_t total = 0;
  for (Token id = 0; id < num_ids_; ++id) total += sampling::mass(sampling::scaled(at(id), greatest, 1));
  const auto candidate = [&](Token id) {
    return TokenLogprobs::Candidate{id, sampling::logprob(sampling::scaled(at(id), greatest, 1), total)};
  };

  TokenLogprobs out{candidate(chosen), 1, {}};
  for (Token id = 0; id < num_ids_; ++id) out.rank += at(id) > at(chosen) || (at(id) == at(chosen) && id < chosen);
  std::vector<Token> ids(static_cast<std::size_t>(num_ids_));
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<Token>(i);
  const auto count = std::clamp(top, 0, num_ids_);
  std::partial_sort(ids.begin(), ids.begin() + count, ids.end(),
                    [&](Token a, Token b) { return at(a) != at(b) ? at(a) > at(b) : a < b; });
  for (std::int32_t i = 0; i < count; ++i) out.top.push_back(candidate(ids[static_cast<std::size_t>(i)]));
  return out;
}

std::optional<std::string> refusal(const RequestSpec& spec, std::int32_t num_ids) {
  for (const Token id : spec.prompt.stored()) {
    if (id < 0 || id >= num_ids) {
      return "the prompt has token id " + std::to_string(id) + "; the model's are 0 to " + std::to_string(num_ids - 1);
    }
  }
  if (spec.min_tokens > 0) {
    const std::set<Token> stops(spec.stop_token_ids.begin(), spec.stop_token_ids.end());
    const auto known = std::count_if(stops.begin(), stops.end(), [&](Token id) { return id >= 0 && id < num_ids; });
    if (known + 1 >= num_ids) return "min_tokens keeps every token from being sampled, as all of them are stop ids";
  }
  const SamplingParams& s = spec.sampling;
  const auto bad = [](const char* name, float value, const char* range) {
    char text[32];  // the shortest decimal that is this float
    char* const end = std::to_chars(text, text + sizeof text, value).ptr;
    return std::string(name) + " is " + std::string(text, end) + "; it must be " + range;
  };
  // Written so that NaN is refused.
  if (!(s.temperature >= 0 && s.temperature <= 1e6f)) return bad("temperature", s.temperature, "between 0 and 1000000");
  if (!(s.top_p > 0 && s.top_p <= 1)) return bad("top_p", s.top_p, "above 0 and at most 1");
  if (!(s.min_p >= 0 && s.min_p <= 1)) return bad("min_p", s.min_p, "between 0 and 1");
  if (!(s.repetition_penalty > 0 && s.repetition_penalty <= 1e6f)) {
    return bad("repetition_penalty", s.repetition_penalty, "above 0 and at most 1000000");
  }
  if (s.top_k < 0) return "top_k is " + std::to_string(s.top_k) + "; it must be at least 0";
  if (s.logprobs < -1) return "logprobs is " + std::to_string(s.logprobs) + "; it must be at least 0, or -1 for none";
  return std::nullopt;
}

}  // namespace tokenyard
