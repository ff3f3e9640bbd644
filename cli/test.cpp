#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "core/peers/script.h"

namespace tokenyard::cli {
namespace {

int run_tests(const std::vector<std::string>& files) {
  int status = 0;
  for (const std::string& file : files) {
    const ScriptOutcome outcome = run_script_file(file);
    if (outcome.failure.empty()) {
      fmt::print("{}: {} expectations hold\n", file, outcome.checks);
    } else {
      fmt::print("{}\n", outcome.failure);
      status = 1;
    }
  }
  return status;
}

}  // namespace

void add_test(CLI::App& app, Run& chosen) {
  auto* command = app.add_subcommand("test", "Run scheduler tests written as text (tests/scheduler/*.test)");
  auto files = std::make_shared<std::vector<std::string>>();
  command->add_option("files", *files, "Test files")->required();
  command->footer("The language is explained in docs/scheduler-tests.md. Exit status: 1 when an expectation does not hold.");
  command->callback([files, &chosen] { chosen = [files] { return run_tests(*files); }; });
}

}  // namespace tokenyard::cli
