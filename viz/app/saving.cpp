#include "viz/app/saving.h"

#include <filesystem>
#include <memory>

#include "core/base/input_error.h"
#include "core/base/output_file.h"
#include "core/trace/perfetto.h"

namespace tokenyard::viz {

std::string free_name(const std::string& what, const std::string& ending) {
  for (int i = 1;; ++i) {
    std::string name = "tokenyard-" + what + std::to_string(i) + ending;
    if (!std::filesystem::exists(name)) return name;
  }
}

void save_csv(App& app) {
  const Side& side = app.side();
  const auto [from, to] = range_of(app, side);
  const std::string requests = free_name("requests-", ".csv"), steps = free_name("steps-", ".csv");
  try {
    write_file(requests, requests_csv(*side.model, from, to));
    write_file(steps, steps_csv(*side.model, from, to));
    app.message = "wrote " + requests + " and " + steps;
  } catch (const InputError& error) {
    app.message = error.what();
  }
}

void save_perfetto(App& app) {
  try {
    std::vector<std::unique_ptr<TraceSource>> sources;
    std::vector<TraceSource*> borrowed;
    for (const auto& side : app.sides) {
      sources.push_back(source_of(*side));
      borrowed.push_back(sources.back().get());
    }
    const std::string name = free_name("", ".perfetto.json");
    export_perfetto(borrowed, name);
    app.message = "wrote " + name + ": open it in ui.perfetto.dev";
  } catch (const InputError& error) {
    app.message = error.what();
  }
}

}  // namespace tokenyard::viz
