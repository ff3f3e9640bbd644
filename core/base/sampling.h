// The pieces of sampling that the CPU and the GPU share bit by bit; docs/sampling.md is the whole definition.
// Everything here is a function of one logit (or of integers), so it does not matter who computes it in which order. Sums are
// sums of integers.
#pragma once

#include <cstdint>

#include "core/base/exact_math.h"

namespace tokenyard::sampling {

// What takes no part: masked tokens. As a float, minus infinity.
inline constexpr std::uint32_t kMasked = 0xff800000u;

// A logit that is NaN or plus infinity takes no part either, rather than spoiling its row.
TOKENYARD_HD float cleaned(float logit) { return exact::sub(logit, logit) == 0.0f ? logit : exact::float_of(kMasked); }

// `penalty` > 1 makes a token that occurred before less likely.
TOKENYARD_HD float penalized(float logit, float penalty) {
  return logit > 0.0f ? exact::div(logit, penalty) : exact::mul(logit, penalty);
}

// Integers in the order of the logits, -0 and +0 being one: a < b exactly if order_of(a) < order_of(b). Minus infinity is the
// least, kLeastOrder.
inline constexpr std::uint32_t kLeastOrder = 0x007fffffu;
TOKENYARD_HD std::uint32_t order_of(float logit) {
  const std::uint32_t bits = exact::bits_of(exact::add(logit, 0.0f));  // -0 + 0 = +0
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}
TOKENYARD_HD float logit_of(std::uint32_t order) { return exact::float_of(order >> 31 ? order & 0x7fffffffu : ~order); }

// One integer for a number and the id it belongs to: the greatest is the best, of equal numbers that with the lowest id.
TOKENYARD_HD std::uint64_t key_of(float x, std::int32_t id) {
  return std::uint64_t{order_of(x)} << 32 | ~static_cast<std::uint32_t>(id);
}
TOKENYARD_HD std::int32_t id_of(std::uint64_t key) { return static_cast<std::int32_t>(~static_cast<std::uint32_t>(key)); }
TOKENYARD_HD float value_of(std::uint64_t key) { return logit_of(static_cast<std::uint32_t>(key >> 32)); }

// (logit - greatest) / temperature: at most 0.
TOKENYARD_HD float scaled(float logit, float greatest, float temperature) {
  return exact::div(exact::sub(logit, greatest), temperature);
}

// A token's share of probability relative to the likeliest token's, e^scaled, and the same in units of 2^-40: a sum over a
// vocabulary of 2^22 stays below 2^62.
TOKENYARD_HD float weight(float scaled) { return exact::exp_of_negative(scaled); }
TOKENYARD_HD std::uint64_t mass(float scaled) {
  return static_cast<std::uint64_t>(exact::mul(weight(scaled), 1099511627776.0f));  // 2^40: exact but for the cut to an integer
}

// floor(total x p) with p cut to units of 2^-32. REQUIRES: total < 2^63, 0 <= p <= 1.
TOKENYARD_HD std::uint64_t share_of(std::uint64_t total, float p) {
  const auto fraction = static_cast<std::uint64_t>(exact::mul(p, 4294967296.0f));
  return (total >> 32) * fraction + ((total & 0xffffffffu) * fraction >> 32);
}

// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
struct Words {
  std::uint32_t word[4];
};
TOKENYARD_HD Words philox(Words counter, std::uint32_t key0, std::uint32_t key1) {
  std::uint32_t* const c = counter.word;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = exact::product(0xD2511F53u, c[0]);
    const std::uint64_t b = exact::product(0xCD9E8D57u, c[2]);
    c[0] = static_cast<std::uint32_t>(b >> 32) ^ c[1] ^ key0;
    c[1] = static_cast<std::uint32_t>(b);
    c[2] = static_cast<std::uint32_t>(a >> 32) ^ c[3] ^ key1;
    c[3] = static_cast<std::uint32_t>(a);
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return counter;
}

// 32 random bits for each of the tokens 4 group .. 4 group + 3, should one stand at `position`.
TOKENYARD_HD Words noise4(std::uint64_t seed, std::uint32_t position, std::uint32_t group) {
  return philox({{group, position, 0, 0}}, static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32));
}

TOKENYARD_HD std::uint32_t noise(std::uint64_t seed, std::uint32_t position, std::int32_t id) {
  const Words words = noise4(seed, position, static_cast<std::uint32_t>(id) / 4);
  // Chosen by comparing: on a device an index that varies would put the words into slow memory.
  const std::uint32_t low = id % 2 == 0 ? words.word[0] : words.word[1];
  const std::uint32_t high = id % 2 == 0 ? words.word[2] : words.word[3];
  return id % 4 < 2 ? low : high;
}

// A standard Gumbel variable, -ln(-ln(1 - v)), v = (word + 1/2) / 2^32; from -3.13 to 22.9. Small v, which win, keep full
// relative precision.
TOKENYARD_HD float gumbel(std::uint32_t word) {
  const float unit = 2.3283064365386963e-10f;  // 2^-32
  // Below 0.29 the logarithm of 1 - v comes from v itself; above, 1 - v is computed in integers.
  const float exponential = word < 0x4a000000u
                                ? -exact::log_near_one(-exact::mul(exact::add(exact::to_float(word), 0.5f), unit))
                                : -exact::log(exact::mul(exact::add(exact::to_float(~word), 0.5f), unit));
  return -exact::log(exponential);
}

// The token with the greatest score is the sample; among equal ones the lowest id.
TOKENYARD_HD float score(float scaled, std::uint32_t noise_word) { return exact::add(scaled, gumbel(noise_word)); }

// ln of the probability of a token: its `scaled` at temperature 1, less the logarithm of the row's total mass.
TOKENYARD_HD float logprob(float scaled, std::uint64_t total_mass) {
  return exact::sub(scaled, exact::log(exact::mul(exact::to_float(total_mass), 9.094947017729282e-13f)));  // 2^-40
}

}  // namespace tokenyard::sampling
