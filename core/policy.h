// What a scheduling policy states about itself. Nothing else in the project knows any policy: adding one is a file
// policies/NAME.cpp with its Scheduler and its PolicyTraits, and a line in policies/all.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "core/config.h"

namespace tokenyard {

class Scheduler;

// When a block may be found by another request, and which block the pool hands out next.
struct BlockRules {
  enum class Findable { never, when_scheduled, after_step } findable = Findable::never;
  enum class Duplicate { oldest_wins, newest_wins } duplicate = Duplicate::oldest_wins;
  // What could not be published with the plan becomes findable with the step's tokens. Off where a trace is replayed that was
  // recorded before this was known of vLLM.
  bool publish_on_return = true;
  FreeOrder free_order = FreeOrder::lru_all;
  bool null_block = false;  // block 0 is never handed out
  bool contiguous = false;  // a request's blocks are one run of consecutive ids
};

struct PolicyTraits {
  const char* name;  // in files and on the command line
  std::unique_ptr<Scheduler> (*make)(const EngineConfig&);
  BlockRules (*block_rules)(const EngineConfig&);  // with enable_prefix_caching off nothing is findable all the same

  // What is wrong with a configuration under this policy, as one sentence with the numbers, or nothing.
  std::optional<std::string> (*wrong)(const EngineConfig&) = [](const EngineConfig&) { return std::optional<std::string>(); };
  // A prompt is computed in one step, so max_num_batched_tokens must hold the longest.
  bool (*whole_prompts)(const EngineConfig&) = [](const EngineConfig&) { return false; };
  // So is whatever a preempted request computes again: no context may outgrow max_num_batched_tokens.
  bool (*whole_contexts)(const EngineConfig&) = [](const EngineConfig&) { return false; };

  bool has_versions = false;     // EngineConfig::vllm_version applies
  bool orders_queue = false;     // EngineConfig::queue_order applies; else first come, first served
  bool leaves_together = false;  // a request that has ended stays in its batch as padding until the slowest ends
  bool plans_ahead = true;       // async_scheduling: a step can be planned before the one in flight has said its tokens
};

// Those that come along, in the order of their age.
std::span<const Policy> all_policies();

inline BlockRules block_rules(const EngineConfig& config) {
  BlockRules rules = config.policy->block_rules(config);
  if (!config.enable_prefix_caching) rules.findable = BlockRules::Findable::never;
  return rules;
}

// Blocks requests can use: num_blocks less the null block.
inline std::int32_t usable_blocks(const EngineConfig& config) {
  return config.num_blocks - (block_rules(config).null_block ? 1 : 0);
}

// Whether clients get tokens as they are made, or all of them when they leave.
inline bool streams(const EngineConfig& config) {
  return !config.policy->leaves_together || config.delivery == Delivery::stream;
}

}  // namespace tokenyard
