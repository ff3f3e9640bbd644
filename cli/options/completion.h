// Completion of commands, options and values by shells.
#pragma once

#include <string>
#include <vector>

#include "cli/options/command.h"

namespace tokenyard::cli {

// Scripts to be sourced (bash), put into $fpath as _tokenyard (zsh) or into a completions folder (fish).
std::string bash_completion(const std::vector<Section>& sections);
std::string zsh_completion(const std::vector<Section>& sections);
std::string fish_completion(const std::vector<Section>& sections);

}  // namespace tokenyard::cli
