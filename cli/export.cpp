#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "core/trace/perfetto.h"

namespace tokenyard::cli {
namespace {

struct Options {
  std::vector<std::string> traces;
  std::string perfetto;
};

int run_export(const Options& options) {
  std::vector<std::unique_ptr<TraceReader>> readers;
  std::vector<TraceReader*> borrowed;
  for (const std::string& trace : options.traces) {
    readers.push_back(std::make_unique<TraceReader>(trace));
    borrowed.push_back(readers.back().get());
  }
  export_perfetto(borrowed, options.perfetto);
  fmt::print("{}: open it in ui.perfetto.dev or chrome://tracing\n", options.perfetto);
  return 0;
}

}  // namespace

void add_export(CLI::App& app, Run& chosen) {
  auto* command = app.add_subcommand("export", "Convert traces for other viewers");
  auto options = std::make_shared<Options>();
  command->add_option("traces", options->traces, "Traces; each becomes a process of its own")->required();
  command->add_option("--perfetto", options->perfetto, "Write Chrome/Perfetto JSON to this file")->required();
  command->footer("Example: tokenyard export run.trace --perfetto run.json");
  command->callback([options, &chosen] { chosen = [options] { return run_export(*options); }; });
}

}  // namespace tokenyard::cli
