#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/output/say.h"
#include "core/trace/diff.h"
#include "core/trace/reader.h"

namespace tokenyard::cli {
namespace {

struct DiffOptions {
  std::string a, b;
  std::vector<std::string> ignore;
};

int diff(const DiffOptions& options) {
  TraceReader a(options.a);
  TraceReader b(options.b);
  const auto ignored = [&](const char* what) { return std::ranges::count(options.ignore, what) > 0; };
  const TraceDifference difference = diff_traces(a, b, {.ignore_time = ignored("time"), .ignore_tokens = ignored("tokens")});
  if (difference.same) {
    say("the same in all {} steps\n", difference.steps);
    return 0;
  }
  if (!difference.headers.empty()) say("{}\n", difference.headers);
  say("{}\n", difference.text);
  return 1;
}

}  // namespace

Command diff_command() {
  Command command("diff", "Name the first step at which two traces part, and each side's reasons");
  auto options = std::make_shared<DiffOptions>();
  command.positional("TRACE_A", &options->a, "A trace").required();
  command.positional("TRACE_B", &options->b, "The one to compare it with").required();
  command.option("--ignore", &options->ignore, "WHAT", "What may differ; decisions always count").one_of({"time", "tokens"});
  command.notes("Exit status, for scripts: 0 the same, 1 different, 2 a trace cannot be read.");
  command.examples({{"tokenyard simulate prefill-first --trace mixed.trace", ""},
                    {"tokenyard simulate prefill-first --policy orca --trace orca.trace", ""},
                    {"tokenyard diff mixed.trace orca.trace --ignore time", ""},
                    {"tokenyard diff monday.trace tuesday.trace --ignore time tokens", "Two runs of a real engine"}});
  command.run([options] { return diff(*options); });
  return command;
}

}  // namespace tokenyard::cli
