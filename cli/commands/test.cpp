#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/output/say.h"
#include "core/peers/script.h"

namespace tokenyard::cli {
namespace {

int run_tests(const std::vector<std::string>& files) {
  int status = 0;
  for (const std::string& file : files) {
    const ScriptOutcome outcome = run_script_file(file);
    if (outcome.failure.empty()) {
      say("{}: {} expectations hold\n", file, outcome.checks);
    } else {
      say("{}\n", outcome.failure);
      status = 1;
    }
  }
  return status;
}

}  // namespace

Command test_command() {
  Command command("test", "Run scheduler tests written as text");
  auto files = std::make_shared<std::vector<std::string>>();
  command.positional("FILE", files.get(), "Tests, such as tests/scheduler/*.test").required();
  command.notes("docs/scheduler-tests.md explains the language. Exit status: 1 when an expectation does not hold.");
  command.examples({{"tokenyard test tests/scheduler/*.test", ""}});
  command.run([files] { return run_tests(*files); });
  return command;
}

}  // namespace tokenyard::cli
