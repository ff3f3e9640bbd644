#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/output/report.h"
#include "cli/output/say.h"
#include "cli/output/text_table.h"
#include "cli/scenario_files.h"
#include "sim/lesson.h"
#include "sim/parallel.h"
#include "sim/run.h"

namespace tokenyard::cli {
namespace {

constexpr std::size_t kWidth = 100;

int explain(const std::string& name) {
  const Lesson lesson = load_lesson(find_scenario(name));
  std::vector<Scenario> scenarios;
  for (const Variant& variant : lesson.variants) scenarios.push_back(load_scenario(lesson.path, variant.overrides));
  std::vector<std::vector<ResultValue>> results(scenarios.size());
  std::vector<std::string> nothing(scenarios.size());
  run_parallel(static_cast<std::int64_t>(scenarios.size()), num_cores(), [&](std::int64_t i) {
    const auto index = static_cast<std::size_t>(i);
    const Metrics metrics = run_scenario(scenarios[index]).metrics;
    results[index] = result_values(metrics);
    nothing[index] = nothing_served(metrics);
  });
  for (std::size_t i = 0; i < nothing.size(); ++i) {
    if (!nothing[i].empty()) warn("{}: {}\n", lesson.variants[i].name, nothing[i]);
  }

  say("{}\n{}\n\n{}\nLook for\n{}\n", lesson.title.empty() ? lesson.name : lesson.title,
      std::string(std::min(kWidth, lesson.title.empty() ? lesson.name.size() : lesson.title.size()), '='),
      wrapped(lesson.teaches, kWidth, 0), wrapped(lesson.look_for, kWidth, 2));
  for (const Variant& variant : lesson.variants) {
    if (!variant.note.empty()) say("{:<16} {}\n", variant.name, variant.note);
  }

  // A metric a row: names are long, variants few.
  std::vector<std::vector<std::string>> rows = {{"metric"}};
  for (const Variant& variant : lesson.variants) rows.front().push_back(variant.name);
  for (const std::string& metric : lesson.show) {
    std::vector<std::string> row = {metric};
    for (const auto& values : results) row.push_back(short_number(result_value(values, metric)));
    rows.push_back(std::move(row));
  }
  say("\n{}\n", text_table(rows, 1));

  int status = 0;
  for (const Expectation& expectation : lesson.expect) {
    const Expectation::Outcome outcome = expectation.check([&](const Expectation::Reference& reference) {
      const Variant& variant = find_variant(lesson, reference.variant);
      return result_value(results[static_cast<std::size_t>(&variant - lesson.variants.data())], reference.metric);
    });
    say("{}  {}   ({} and {})\n", outcome.holds ? "holds" : "FAILS", expectation.text(), short_number(outcome.left),
        short_number(outcome.right));
    if (!outcome.holds) status = 1;
  }
  say("{}{}\n", lesson.expect.empty() ? "" : "\n", error_note(scenarios.front()));
  return status;
}

}  // namespace

Command explain_command() {
  Command command("explain", "Run a scenario's variants side by side and print the lesson with its numbers");
  auto name = std::make_shared<std::string>();
  command.positional("SCENARIO", name.get(), "A scenario's name (see tokenyard scenarios) or file").required();
  command.notes("Exit status: 1 when an expectation of the scenario does not hold.");
  command.examples({{"tokenyard explain prefill-first", ""},
                    {"tokenyard simulate prefill-first --variant mixed --trace mixed.trace", "one variant, step by step"}});
  command.run([name] { return explain(*name); });
  return command;
}

}  // namespace tokenyard::cli
