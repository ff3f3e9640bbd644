// From a file of any accepted kind, and overrides, to one JSON document in the scenario format. For sim/scenario.cpp and
// sim/lesson.cpp.
#pragma once

#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/base/json_reader.h"

namespace tokenyard {

struct ScenarioInput {
  JsonValue json;
  std::string directory;  // where its paths start
};

ScenarioInput read_scenario_input(const std::string& path, const std::vector<std::string>& overrides);
// `document` is a scenario or a peer's workload; `name` stands for the file in messages.
ScenarioInput scenario_input(Json document, const std::string& name, const std::string& directory,
                             const std::vector<std::string>& overrides);

}  // namespace tokenyard
