#include "core/config.h"

#include <utility>

#include "core/request.h"
#include "core/step_plan.h"

namespace tokenyard {
namespace {

template <typename Enum>
using Names = std::vector<std::pair<Enum, const char*>>;

const Names<Policy>& names(Policy) {
  static const Names<Policy> all = {
      {Policy::static_batch, "static"}, {Policy::orca, "orca"}, {Policy::nano_vllm, "nano_vllm"}, {Policy::vllm_v1, "vllm_v1"}};
  return all;
}
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

const char* name_of(Policy v) { return find_name(v); }
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

template std::optional<Policy> parse_name(const std::string&);
template std::optional<VllmVersion> parse_name(const std::string&);
template std::optional<QueueOrder> parse_name(const std::string&);
template std::optional<FreeOrder> parse_name(const std::string&);
template std::optional<Reservation> parse_name(const std::string&);
template std::optional<Delivery> parse_name(const std::string&);
template std::vector<std::string> all_names<Policy>();
template std::vector<std::string> all_names<VllmVersion>();
template std::vector<std::string> all_names<QueueOrder>();
template std::vector<std::string> all_names<FreeOrder>();
template std::vector<std::string> all_names<Reservation>();
template std::vector<std::string> all_names<Delivery>();

const char* name_of(FinishReason reason) {
  switch (reason) {
    case FinishReason::none: return "none";
    case FinishReason::stop: return "stop";
    case FinishReason::length: return "length";
    case FinishReason::kv_capacity: return "kv_capacity";
    case FinishReason::cancelled: return "cancelled";
    case FinishReason::refused: return "refused";
    case FinishReason::error: return "error";
  }
  return "?";
}

const char* name_of(Cause cause) {
  switch (cause) {
    case Cause::blocks: return "blocks";
    case Cause::watermark: return "watermark";
    case Cause::admission_gate: return "admission_gate";
    case Cause::region: return "region";
    case Cause::seats: return "seats";
    case Cause::token_budget: return "token_budget";
    case Cause::preemption: return "preemption";
    case Cause::batch_running: return "batch_running";
    case Cause::batch_timeout: return "batch_timeout";
  }
  return "?";
}

BlockRules block_rules(const EngineConfig& config) {
  using Findable = BlockRules::Findable;
  BlockRules rules;
  switch (config.policy) {
    case Policy::static_batch:
    case Policy::orca: rules.contiguous = true; break;
    case Policy::nano_vllm:
      rules.findable = config.enable_prefix_caching ? Findable::after_step : Findable::never;
      rules.duplicate = BlockRules::Duplicate::newest_wins;
      rules.free_order = FreeOrder::lru_all;
      break;
    case Policy::vllm_v1:
      rules.findable = config.enable_prefix_caching ? Findable::when_scheduled : Findable::never;
      rules.duplicate = BlockRules::Duplicate::oldest_wins;
      // Always so in vLLM; 0.28 is without it as traces recorded before this was known are.
      rules.publish_on_return = config.vllm_version != VllmVersion::v0_28 || config.strict_peer;
      rules.free_order = config.free_order;
      rules.null_block = true;
      break;
  }
  return rules;
}

std::int32_t usable_blocks(const EngineConfig& config) { return config.num_blocks - (block_rules(config).null_block ? 1 : 0); }

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
  if (c.async_scheduling && c.policy == Policy::static_batch) {
    return "async_scheduling plans a step ahead; a static batch ends with its slowest request, so leave it out";
  }
  if (c.async_scheduling && c.strict_peer && c.policy != Policy::vllm_v1) {
    return "async_scheduling and strict_peer: of the peers only vLLM plans a step ahead, so leave one out";
  }
  if (usable_blocks(c) < 1) {
    return "num_blocks is " + number(c.num_blocks) + "; vllm_v1 keeps block 0 as its null block, so it needs at least 2";
  }
  if (std::int64_t{c.num_blocks} * c.block_size > (std::int64_t{1} << 31) - 2) {
    return "num_blocks x block_size is " + number(std::int64_t{c.num_blocks} * c.block_size) +
           " token slots; at most 2147483646 are supported";
  }
  if (c.policy == Policy::vllm_v1 && !c.strict_peer) {
    if (c.max_num_batched_tokens < c.max_num_seqs) {
      return "max_num_batched_tokens is " + number(c.max_num_batched_tokens) + " and max_num_seqs is " +
             number(c.max_num_seqs) + "; every seat needs a token of the budget, so lower max_num_seqs or raise the budget";
    }
    if (!c.enable_chunked_prefill && c.max_model_len > c.max_num_batched_tokens) {
      return "max_num_batched_tokens is " + number(c.max_num_batched_tokens) + " and max_model_len is " +
             number(c.max_model_len) + "; without chunked prefill the budget must hold a whole context";
    }
  }
  return std::nullopt;
}

}  // namespace tokenyard
