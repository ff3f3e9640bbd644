// An engine configuration as JSON: the keys are EngineConfig's names.
#pragma once

#include <string>

#include "core/config.h"

namespace tokenyard {

class JsonObject;

// Sets what `object` has a key for and leaves the rest. Throws InputError on a wrong type, name or range; says nothing about
// unknown keys (JsonObject::done does) nor about values that contradict each other (validate does).
void read_engine_config(JsonObject& object, EngineConfig& config);

// Every field, in one line; async_scheduling only when it is on, vllm_version only where names_vllm_version().
std::string engine_config_json(const EngineConfig& config);
// Whether it says which rules of vLLM these are: where the policy has versions, unless they are the first that Tokenyard had.
bool names_vllm_version(const EngineConfig& config);

}  // namespace tokenyard
