// What the program says about itself on a terminal.
#pragma once

#include <string>
#include <vector>

#include "cli/options/command.h"

namespace tokenyard::cli {

// Every command in a line each, and where to begin.
std::string overview(const std::vector<Section>& sections);

// One command: how it is called, every argument, examples.
std::string help(const Command& command);

// "simulate SCENARIO [OPTION...]".
std::string synopsis(const Command& command);
// "--set PATH=VALUE...", as help and the manual show it.
std::string usage(const Argument& argument);
// The help sentence with what it must be: its choices and its default.
std::string description(const Argument& argument);
// Titles of the groups of options, in the order of their first option.
std::vector<std::string> groups(const Command& command);

}  // namespace tokenyard::cli
