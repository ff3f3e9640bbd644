#include "cli/options/help.h"

#include <fmt/core.h>

#include <memory>

#include "cli/commands.h"
#include "cli/options/manual.h"

namespace tokenyard::cli {
namespace {

struct HelpOptions {
  std::string command;
  bool man = false;
};

int show_help(const HelpOptions& options) {
  if (options.man) {
    fmt::print("{}", manual(all_commands()));
  } else if (options.command.empty()) {
    fmt::print("{}", overview(all_commands()));
  } else {
    fmt::print("{}", help(find_command(options.command)));
  }
  return 0;
}

}  // namespace

Command help_command() {
  Command command("help", "Explain a command, with examples");
  auto options = std::make_shared<HelpOptions>();
  command.positional("COMMAND", &options->command, "The command; all in a line each if none");
  command.flag("--man", options->man, "Print the manual page, in roff").excludes("COMMAND");
  command.examples({{"tokenyard help simulate", ""}, {"tokenyard help --man > tokenyard.1", "then: man ./tokenyard.1"}});
  command.run([options] { return show_help(*options); });
  return command;
}

}  // namespace tokenyard::cli
