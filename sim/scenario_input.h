// From a file of any accepted kind, and overrides, to one JSON document in the scenario format. For sim/scenario.cpp.
#pragma once

#include <string>
#include <vector>

#include "core/base/json_reader.h"

namespace tokenyard {

struct ScenarioInput {
  JsonValue json;
  std::string directory;  // where its paths start
};

ScenarioInput read_scenario_input(const std::string& path, const std::vector<std::string>& overrides);
ScenarioInput parse_scenario_input(const std::string& text, const std::string& name, const std::string& directory,
                                   const std::vector<std::string>& overrides);

}  // namespace tokenyard
