// The manual page.
#pragma once

#include <string>
#include <vector>

#include "cli/options/command.h"

namespace tokenyard::cli {

// tokenyard(1) in the man macros of groff_man(7), all commands in it.
std::string manual(const std::vector<Section>& sections);

}  // namespace tokenyard::cli
