// The `tokenyard` program: one file a subcommand. Each adds itself to the parser and returns its exit status when chosen.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace tokenyard::cli {

// Exit statuses: 0 fine, 1 a difference or a failed expectation, 2 something that could not be read or done.
using Run = std::function<int()>;

void add_simulate(CLI::App& app, Run& chosen);
void add_bench(CLI::App& app, Run& chosen);
void add_generate(CLI::App& app, Run& chosen);
void add_chat(CLI::App& app, Run& chosen);
void add_replay(CLI::App& app, Run& chosen);
void add_diff(CLI::App& app, Run& chosen);
void add_export(CLI::App& app, Run& chosen);
void add_conform(CLI::App& app, Run& chosen);
void add_calibrate(CLI::App& app, Run& chosen);
void add_validate(CLI::App& app, Run& chosen);
void add_sweep(CLI::App& app, Run& chosen);
void add_capacity(CLI::App& app, Run& chosen);
void add_scenarios(CLI::App& app, Run& chosen);
void add_explain(CLI::App& app, Run& chosen);
void add_view(CLI::App& app, Run& chosen);
void add_test(CLI::App& app, Run& chosen);

}  // namespace tokenyard::cli
