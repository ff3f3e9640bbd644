#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "cli/commands.h"
#include "core/trace/diff.h"

namespace tokenyard::cli {
namespace {

struct Options {
  std::string a, b, ignore;
};

int diff(const Options& options) {
  TraceReader a(options.a);
  TraceReader b(options.b);
  const TraceDifference difference = diff_traces(a, b, {.ignore_time = options.ignore == "time"});
  if (difference.same) {
    fmt::print("the same in all {} steps\n", difference.steps);
    return 0;
  }
  if (!difference.headers.empty()) fmt::print("{}\n", difference.headers);
  fmt::print("{}\n", difference.text);
  return 1;
}

}  // namespace

void add_diff(CLI::App& app, Run& chosen) {
  auto* command = app.add_subcommand("diff", "Name the first step at which two traces part, and each side's reasons");
  auto options = std::make_shared<Options>();
  command->add_option("a", options->a, "A trace")->required();
  command->add_option("b", options->b, "Another one")->required();
  command->add_option("--ignore", options->ignore, "time: compare decisions, not when they fell nor how long steps took")
      ->check(CLI::IsMember({"time"}));
  command->footer("Exit status, for scripts: 0 the same, 1 different, 2 a trace cannot be read.");
  command->callback([options, &chosen] { chosen = [options] { return diff(*options); }; });
}

}  // namespace tokenyard::cli
