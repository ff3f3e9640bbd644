// The subcommands of `tokenyard`: each file of commands/ declares one and runs it. To add one, write such a file, declare its
// function here and give it a place in all_commands().
#pragma once

#include <vector>

#include "cli/options/command.h"

namespace tokenyard::cli {

Command simulate_command();
Command generate_command();
Command chat_command();
Command serve_command();
Command bench_command();
Command doctor_command();
Command scenarios_command();
Command explain_command();
Command sweep_command();
Command capacity_command();
Command exercise_command();
Command glossary_command();
Command view_command();
Command diff_command();
Command replay_command();
Command export_command();
Command conform_command();
Command test_command();
Command calibrate_command();
Command validate_command();
Command help_command();
Command completion_command();

// All of them, in the order help lists them.
std::vector<Section> all_commands();

// Throws InputError with what the name may have meant.
Command find_command(const std::string& name);

}  // namespace tokenyard::cli
