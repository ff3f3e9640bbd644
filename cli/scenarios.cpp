#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/scenario_files.h"
#include "cli/text_table.h"
#include "core/base/input_error.h"
#include "sim/lesson.h"

namespace tokenyard::cli {
namespace {

int list_scenarios() {
  std::vector<std::vector<std::string>> rows = {{"name", "variants", "title"}};
  int status = 0;
  for (const std::string& path : all_scenarios()) {
    try {
      const Lesson lesson = load_lesson(path);
      rows.push_back({lesson.name, std::to_string(lesson.variants.size()), lesson.title});
    } catch (const InputError& error) {
      fmt::print(stderr, "{}\n", error.what());
      status = 2;
    }
  }
  if (rows.size() == 1) throw InputError("no scenarios found; name their folder in TOKENYARD_SCENARIOS");
  fmt::print("{}\ntokenyard explain NAME runs a scenario's variants and says what they show.\n", text_table(rows, 3));
  return status;
}

}  // namespace

void add_scenarios(CLI::App& app, Run& chosen) {
  auto* command = app.add_subcommand("scenarios", "List the classroom scenarios");
  command->footer(
      "Found in $TOKENYARD_SCENARIOS, ./scenarios, the folder installed along with this program, and its sources.\n"
      "How to write one: docs/scenarios.md.");
  command->callback([&chosen] { chosen = [] { return list_scenarios(); }; });
}

}  // namespace tokenyard::cli
