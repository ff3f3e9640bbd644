#include "cli/commands.h"

#include <fmt/format.h>

#include "cli/options/closest.h"
#include "core/base/input_error.h"

namespace tokenyard::cli {
namespace {

template <typename... Commands>
Section section(const char* title, Commands... commands) {
  return {title, {std::move(commands)...}};
}

}  // namespace

std::vector<Section> all_commands() {
  return {section("Run", simulate_command(), generate_command(), chat_command(), serve_command(), bench_command()),
          section("Learn", scenarios_command(), explain_command(), exercise_command(), glossary_command(), view_command()),
          section("Try many", sweep_command(), capacity_command()),
          section("Work with traces", diff_command(), replay_command(), export_command()),
          section("Hold against the real thing", conform_command(), test_command(), calibrate_command(), validate_command()),
          section("This program", doctor_command(), help_command(), completion_command())};
}

Command find_command(const std::string& name) {
  std::vector<std::string> names;
  for (Section& section : all_commands()) {
    for (Command& command : section.commands) {
      if (command.name() == name) return std::move(command);
      names.push_back(command.name());
    }
  }
  const std::string meant = did_you_mean(name, names);
  throw InputError(fmt::format("tokenyard: unknown command \"{}\"{} see tokenyard help", name, meant.empty() ? ";" : meant));
}

}  // namespace tokenyard::cli
