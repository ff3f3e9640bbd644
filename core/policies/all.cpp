// The policies that come along. A new one: declare it, and name it in the list.
#include "core/policy.h"

namespace tokenyard {

std::span<const Policy> all_policies() {
  static constexpr Policy all[] = {policies::static_batch, policies::orca, policies::nano_vllm, policies::vllm_v1};
  return all;
}

}  // namespace tokenyard
