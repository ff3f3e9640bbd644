// An engine configuration as JSON: the keys are EngineConfig's names.
#pragma once

#include <string>

#include "core/config.h"

namespace tokenyard {

class JsonObject;

// Sets what `object` has a key for and leaves the rest. Throws InputError on a wrong type, name or range; says nothing about
// unknown keys (JsonObject::done does) nor about values that contradict each other (validate does).
void read_engine_config(JsonObject& object, EngineConfig& config);

// Every field, in one line.
std::string engine_config_json(const EngineConfig& config);

}  // namespace tokenyard
