#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/output/say.h"
#include "core/trace/perfetto.h"
#include "core/trace/reader.h"

namespace tokenyard::cli {
namespace {

struct ExportOptions {
  std::vector<std::string> traces;
  std::string perfetto;
};

int run_export(const ExportOptions& options) {
  std::vector<std::unique_ptr<TraceReader>> readers;
  std::vector<TraceSource*> borrowed;
  for (const std::string& trace : options.traces) {
    readers.push_back(std::make_unique<TraceReader>(trace));
    borrowed.push_back(readers.back().get());
  }
  export_perfetto(borrowed, options.perfetto);
  say("{}: open it in ui.perfetto.dev or chrome://tracing\n", options.perfetto);
  return 0;
}

}  // namespace

Command export_command() {
  Command command("export", "Convert traces for other viewers");
  auto options = std::make_shared<ExportOptions>();
  command.positional("TRACE", &options->traces, "Traces; each becomes a process of its own").required();
  command.option("--perfetto", &options->perfetto, "FILE.json", "Write Chrome/Perfetto JSON").writes().required();
  command.examples({{"tokenyard simulate head-of-line --trace run.trace", ""},
                    {"tokenyard export run.trace --perfetto run.json", "open it in ui.perfetto.dev"}});
  command.run([options] { return run_export(*options); });
  return command;
}

}  // namespace tokenyard::cli
