#include "cli/options/completion.h"

#include <fmt/core.h>

#include <memory>

#include "cli/commands.h"

namespace tokenyard::cli {
namespace {

int print_completion(const std::string& shell) {
  const std::vector<Section> sections = all_commands();
  fmt::print("{}", shell == "bash"  ? bash_completion(sections)
                   : shell == "zsh" ? zsh_completion(sections)
                                    : fish_completion(sections));
  return 0;
}

}  // namespace

Command completion_command() {
  Command command("completion", "Print what lets a shell complete commands, options and names");
  auto shell = std::make_shared<std::string>();
  command.positional("SHELL", shell.get(), "Whose script to print").required().one_of({"bash", "zsh", "fish"});
  command.notes("An installed tokenyard is completed without this.");
  command.examples({{"source <(tokenyard completion bash)", "in ~/.bashrc"},
                    {"tokenyard completion zsh > _tokenyard", "in a folder of $fpath"},
                    {"tokenyard completion fish > tokenyard.fish", "in ~/.config/fish/completions"}});
  command.run([shell] { return print_completion(*shell); });
  return command;
}

}  // namespace tokenyard::cli
