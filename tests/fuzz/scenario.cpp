#include "sim/scenario.h"

#include <string>

#include "fuzz.h"

namespace tokenyard {

void fuzz(std::string_view text) {
  const Scenario scenario = parse_scenario(std::string(text), "fuzz.json", "");
  // A pool may be as large as a user says; here it would only cost time.
  if (scenario.engine.num_blocks > 100'000) return;
  const auto backend = make_backend(scenario);
  const auto source = make_source(scenario);
  Engine engine(scenario.engine, *backend);
  while (engine.num_steps() < 200 && engine.step(source.get())) {
  }
}

}  // namespace tokenyard
