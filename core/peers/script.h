// Scheduler tests as text, for people who know scheduling and not C++. docs/scheduler-tests.md explains the language.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tokenyard {

struct ScriptOutcome {
  std::int64_t checks = 0;  // expectations that held
  std::string failure;      // "FILE: line N: ...", the first that did not; empty when all did
};

// Runs one script; invariants are checked after every command. Throws InputError for a line it does not understand.
ScriptOutcome run_script(std::string_view text, const std::string& name);
ScriptOutcome run_script_file(const std::string& path);

}  // namespace tokenyard
