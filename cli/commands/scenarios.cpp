#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/output/say.h"
#include "cli/output/text_table.h"
#include "cli/scenario_files.h"
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
      warn("{}\n", error.what());
      status = 2;
    }
  }
  if (rows.size() == 1) throw InputError("no scenarios found; name their folder in TOKENYARD_SCENARIOS");
  say("{}\ntokenyard explain NAME runs a scenario's variants and says what they show.\n", text_table(rows, 3));
  return status;
}

int list_names() {
  for (const std::string& path : all_scenarios()) say("{}\n", std::filesystem::path(path).stem().string());
  return 0;
}

}  // namespace

Command scenarios_command() {
  Command command("scenarios", "List the classroom scenarios");
  auto names = std::make_shared<bool>(false);
  command.flag("--names", *names, "Names alone, one a line");
  command.notes(
      "Found in $TOKENYARD_SCENARIOS, ./scenarios, the folder installed along with this program, and its sources. How to write "
      "one: docs/scenarios.md.");
  command.examples({{"tokenyard scenarios", ""}, {"tokenyard scenarios --names | head -3", ""}});
  command.run([names] { return *names ? list_names() : list_scenarios(); });
  return command;
}

}  // namespace tokenyard::cli
