// The engine's configuration: resolved values, never files. Names are vLLM's and nano-vLLM's where they have one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/types.h"

namespace tokenyard {

struct EngineConfig;
struct PolicyTraits;  // core/policy.h

// How steps are composed: one of those that come along, or one of your own. A pointer to what the policy states about itself;
// equal exactly if it is the same policy.
class Policy {
 public:
  constexpr Policy(const PolicyTraits& traits) : traits_(&traits) {}  // borrowed for good
  constexpr const PolicyTraits* operator->() const { return traits_; }
  friend constexpr bool operator==(const Policy&, const Policy&) = default;

  static const Policy static_batch, orca, nano_vllm, vllm_v1;

 private:
  const PolicyTraits* traits_;
};

namespace policies {
extern const PolicyTraits static_batch, orca, nano_vllm, vllm_v1;  // policies/NAME.cpp
}
inline constexpr Policy Policy::static_batch{policies::static_batch};
inline constexpr Policy Policy::orca{policies::orca};
inline constexpr Policy Policy::nano_vllm{policies::nano_vllm};
inline constexpr Policy Policy::vllm_v1{policies::vllm_v1};

// vllm_v1: the first release whose rules these are (docs/policies.md).
enum class VllmVersion { v0_28, v0_29, v0_31, v0_33 };
enum class QueueOrder { fcfs, priority };          // vllm_v1
enum class FreeOrder { unhashed_first, lru_all };  // vllm_v1: v0.24 and later, v0.8 to v0.23
enum class Reservation { max, pow2, oracle };      // orca
enum class Delivery { batch_end, stream };         // static

struct EngineConfig {
  Policy policy = Policy::vllm_v1;

  std::int32_t max_num_seqs = 256;             // seats; what counts as seated is the policy's rule
  std::int32_t max_num_batched_tokens = 2048;  // tokens computed in one step
  std::int32_t max_model_len = 0;              // prompt + output, tokens; 0: as much as the pool holds
  std::int32_t block_size = 16;                // tokens
  std::int32_t num_blocks = 0;                 // as the peer counts: vllm_v1's include its null block
  bool enable_prefix_caching = true;           // nano_vllm and vllm_v1
  Token eos_token_id = -1;                     // -1: none
  // Plan a step while the one before runs, so before its tokens are known (all but static): a request that says its last one
  // is noticed a step late.
  bool async_scheduling = false;

  // vllm_v1
  VllmVersion vllm_version = VllmVersion::v0_33;
  bool enable_chunked_prefill = true;
  QueueOrder queue_order = QueueOrder::fcfs;
  FreeOrder free_order = FreeOrder::unhashed_first;
  std::int32_t long_prefill_token_threshold = 0;  // longest chunk of one request, tokens; 0: no limit
  std::int32_t watermark_blocks = 0;              // kept free when admitting beside running requests
  bool admission_gate = true;                     // admit only what fits whole (scheduler_reserve_full_isl)

  // static
  TimeNs batch_timeout = 0;  // how long a batch that is not full waits for more requests
  Delivery delivery = Delivery::batch_end;

  // orca
  Reservation reservation = Reservation::max;

  // Reproduce the peer's defects too (POLICY notes in docs/policies.md). For comparisons; no real backend takes it.
  bool strict_peer = false;

  friend bool operator==(const EngineConfig&, const EngineConfig&) = default;
};

// What is wrong with `config`, as one sentence with the numbers, or nothing.
std::optional<std::string> validate(const EngineConfig& config);

// The policies' and options' names in files and on the command line.
const char* name_of(Policy);
const char* name_of(VllmVersion);
const char* name_of(QueueOrder);
const char* name_of(FreeOrder);
const char* name_of(Reservation);
const char* name_of(Delivery);
template <typename Enum>
std::optional<Enum> parse_name(const std::string& name);  // declared for the enums above
template <typename Enum>
std::vector<std::string> all_names();

}  // namespace tokenyard
