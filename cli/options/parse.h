// Reads a command line into the targets a command declares.
#pragma once

#include <string>
#include <vector>

#include "cli/options/command.h"

namespace tokenyard::cli {

// `words`: what follows the command's name. False when they ask for help (-h, --help); nothing is set then. Throws InputError
// that names the command and the argument; some targets may be set then.
bool parse(const Command& command, const std::vector<std::string>& words);

}  // namespace tokenyard::cli
