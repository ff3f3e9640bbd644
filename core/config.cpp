#include "core/config.h"

#include <utility>

#include "core/policy.h"

namespace tokenyard {
namespace {

template <typename Enum>
using Names = std::vector<std::pair<Enum, const char*>>;

const Names<VllmVersion>& names(VllmVersion) {
  static const Names<VllmVersion> all = {
      {VllmVersion::v0_28, "0.28"}, {VllmVersion::v0_29, "0.29"}, {VllmVersion::v0_31, "0.31"}, {VllmVersion::v0_33, "0.33"}};
  return all;
}
const Names<QueueOrder>& names(QueueOrder) {
  static const Names<QueueOrder> all = {{QueueOrder::fcfs, "fcfs"}, {QueueOrder::priority, "priority"}};
  return all;
}
const Names<FreeOrder>& names(FreeOrder) {
  static const Names<FreeOrder> all = {{FreeOrder::unhashed_first, "unhashed_first"}, {FreeOrder::lru_all, "lru_all"}};
  return all;
}
const Names<Reservation>& names(Reservation) {
  static const Names<Reservation> all = {
      {Reservation::max, "max"}, {Reservation::pow2, "pow2"}, {Reservation::oracle, "oracle"}};
  return all;
}
const Names<Delivery>& names(Delivery) {
  static const Names<Delivery> all = {{Delivery::batch_end, "batch_end"}, {Delivery::stream, "stream"}};
  return all;
}

template <typename Enum>
const char* find_name(Enum value) {
  for (const auto& [each, name] : names(value)) {
    if (each == value) return name;
  }
  return "?";
}

std::string number(std::int64_t n) { return std::to_string(n); }

}  // namespace

const char* name_of(VllmVersion v) { return find_name(v); }
const char* name_of(QueueOrder v) { return find_name(v); }
const char* name_of(FreeOrder v) { return find_name(v); }
const char* name_of(Reservation v) { return find_name(v); }
const char* name_of(Delivery v) { return find_name(v); }

template <typename Enum>
std::optional<Enum> parse_name(const std::string& wanted) {
  for (const auto& [each, name] : names(Enum{})) {
    if (wanted == name) return each;
  }
  return std::nullopt;
}

template <typename Enum>
std::vector<std::string> all_names() {
  std::vector<std::string> out;
  for (const auto& [each, name] : names(Enum{})) out.emplace_back(name);
  return out;
}

const char* name_of(Policy policy) { return policy->name; }
template <>
std::optional<Policy> parse_name(const std::string& wanted) {
  for (const Policy policy : all_policies()) {
    if (wanted == policy->name) return policy;
  }
  return std::nullopt;
}
template <>
std::vector<std::string> all_names<Policy>() {
  std::vector<std::string> out;
  for (const Policy policy : all_policies()) out.emplace_back(policy->name);
  return out;
}

template std::optional<VllmVersion> parse_name(const std::string&);
template std::optional<QueueOrder> parse_name(const std::string&);
template std::optional<FreeOrder> parse_name(const std::string&);
template std::optional<Reservation> parse_name(const std::string&);
template std::optional<Delivery> parse_name(const std::string&);
template std::vector<std::string> all_names<VllmVersion>();
template std::vector<std::string> all_names<QueueOrder>();
template std::vector<std::string> all_names<FreeOrder>();
template std::vector<std::string> all_names<Reservation>();
template std::vector<std::string> all_names<Delivery>();

std::optional<std::string> validate(const EngineConfig& c) {
  const std::int32_t most = 1 << 30;
  const auto outside = [&](const char* name, std::int64_t value, std::int64_t least) -> std::optional<std::string> {
    if (value >= least && value <= most) return std::nullopt;
    return std::string(name) + " is " + number(value) + "; it must be between " + number(least) + " and " + number(most);
  };
  if (auto e = outside("max_num_seqs", c.max_num_seqs, 1)) return e;
  if (auto e = outside("max_num_batched_tokens", c.max_num_batched_tokens, 1)) return e;
  if (auto e = outside("block_size", c.block_size, 1)) return e;
  if (auto e = outside("num_blocks", c.num_blocks, 1)) return e;
  if (auto e = outside("max_model_len", c.max_model_len, 0)) return e;
  if (auto e = outside("long_prefill_token_threshold", c.long_prefill_token_threshold, 0)) return e;
  if (auto e = outside("watermark_blocks", c.watermark_blocks, 0)) return e;
  if (c.batch_timeout < 0) return "batch_timeout is negative";
  if (c.async_scheduling && !c.policy->plans_ahead) {
    return std::string("async_scheduling plans a step ahead, which policy ") + c.policy->name + " cannot do; leave it out";
  }
  if (usable_blocks(c) < 1) {
    return "num_blocks is " + number(c.num_blocks) + "; " + c.policy->name +
           " keeps block 0 as its null block, so it needs at least 2";
  }
  if (std::int64_t{c.num_blocks} * c.block_size > (std::int64_t{1} << 31) - 2) {
    return "num_blocks x block_size is " + number(std::int64_t{c.num_blocks} * c.block_size) +
           " token slots; at most 2147483646 are supported";
  }
  return c.policy->wrong(c);
}

}  // namespace tokenyard
