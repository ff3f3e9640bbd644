// What a command writes must not be what it reads.
#pragma once

#include <string>
#include <vector>

#include "cli/options/command.h"

namespace tokenyard::cli {

// Of a parsed command, before it runs: throws InputError when an output is a file that another argument names or leads to (a
// scenario's lesson, recorded traffic or hardware file, a model's folder), or when two outputs are one file. When one of them
// is standard output, what the command prints goes to standard error from here on.
void check_outputs(const Command& command);

}  // namespace tokenyard::cli
