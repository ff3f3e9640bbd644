#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/output/say.h"
#include "core/base/input_error.h"
#include "core/peers/conform.h"

namespace tokenyard::cli {
namespace {

int run_conform(const std::vector<std::string>& files) {
  int status = 0;
  std::size_t identical = 0;
  for (const std::string& file : files) {
    try {
      const Conformance outcome = conform(load_recording(file));
      if (outcome.difference.empty()) {
        ++identical;
        say("{}: {}/{} steps identical\n", file, outcome.identical, outcome.steps);
      } else {
        status = std::max(status, 1);
        say("{}: {}/{} steps identical, then {}\n", file, outcome.identical, outcome.steps, outcome.difference);
      }
    } catch (const InputError& error) {
      status = 2;
      warn("{}\n", error.what());
    }
  }
  if (files.size() > 1) say("{} of {} files identical\n", identical, files.size());
  return status;
}

}  // namespace

Command conform_command() {
  Command command("conform", "Replay decisions recorded from nano-vLLM or vLLM and compare every field");
  auto files = std::make_shared<std::vector<std::string>>();
  command.positional("FILE", files.get(), "Recordings (peer-decisions/1)").required();
  command.notes("Exit status: 0 when all are identical, 1 on any difference, 2 when a file cannot be read.");
  command.examples({{"tokenyard conform tests/golden/peers/*.json", ""}});
  command.run([files] { return run_conform(*files); });
  return command;
}

}  // namespace tokenyard::cli
