#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/output/plot.h"
#include "cli/output/report.h"
#include "cli/output/sweep_plot.h"
#include "cli/output/text_table.h"
#include "cli/scenario_files.h"
#include "cli/version.h"
#include "core/base/input_error.h"
#include "sim/lesson.h"
#include "sim/parallel.h"
#include "sim/result_values.h"
#include "sim/run.h"
#include "sim/sweep.h"

namespace tokenyard::cli {
namespace {

struct SweepOptions {
  std::string scenario, csv, shard = "1/1", plot;
  std::vector<std::string> vary, set, show, goodput;
  int jobs = 0;
};

const std::vector<std::string> kDefaultMetrics = {"request_throughput", "output_throughput", "median_ttft_ms", "p99_ttft_ms",
                                                  "median_tpot_ms",     "p99_tpot_ms",       "p99_e2el_ms",    "preemptions"};

// One line on stderr while runs go on; silent when stderr is no terminal.
class SweepProgress {
 public:
  explicit SweepProgress(std::int64_t runs) : runs_(runs), terminal_(isatty(STDERR_FILENO) != 0) { show(); }
  ~SweepProgress() {
    if (terminal_) fmt::print(stderr, "\r\033[K");
  }
  void one_done() {
    ++done_;
    show();
  }

 private:
  using Clock = std::chrono::steady_clock;
  void show() const {
    if (!terminal_) return;
    const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    fmt::print(stderr, "\r\033[K{} of {} runs done in {:.0f} s", done_, runs_, seconds);
    if (done_ > 0)
      fmt::print(stderr, ", about {:.0f} s left", seconds / static_cast<double>(done_) * static_cast<double>(runs_ - done_));
    std::fflush(stderr);
  }
  std::int64_t runs_;
  std::int64_t done_ = 0;
  bool terminal_;
  Clock::time_point start_ = Clock::now();
};

struct Plan {
  std::vector<std::int64_t> combinations;  // of this shard, that can be run
  std::vector<std::string> keys;
  std::vector<std::string> impossible;  // why, one line each
  std::vector<std::string> notes;       // what is known of the errors, each once
  std::string name;                     // the scenario's
};

// Reads every combination once, so that mistakes show before the first run.
Plan plan_runs(const std::string& path, const Grid& grid, const Shard& shard, const SweepOptions& options, const Slo& slo) {
  Plan plan;
  RunKeys keys(kProgram);
  for (std::int64_t i = shard.index - 1; i < grid.size(); i += shard.count) {
    std::vector<std::string> overrides = options.set;
    for (std::string& each : grid.overrides(i)) overrides.push_back(std::move(each));
    try {
      const Scenario scenario = load_scenario(path, overrides);
      plan.keys.push_back(keys.key(scenario, slo));
      plan.combinations.push_back(i);
      plan.name = scenario.name;
      const std::string note = error_note(scenario);
      if (std::find(plan.notes.begin(), plan.notes.end(), note) == plan.notes.end()) plan.notes.push_back(note);
    } catch (const InputError& error) {
      plan.impossible.emplace_back(error.what());
    }
  }
  if (plan.combinations.empty() && !plan.impossible.empty()) throw InputError(plan.impossible.front());
  return plan;
}

double number_of(const std::string& cell) {
  double value = std::numeric_limits<double>::quiet_NaN();
  std::from_chars(cell.data(), cell.data() + cell.size(), value);
  return value;
}

int sweep(const SweepOptions& options) {
  if (!options.plot.empty()) require_plot_format(options.plot);
  const Slo slo = parse_slo(options.goodput);
  const Shard shard = Shard::parse(options.shard);
  std::vector<Axis> axes;
  for (const std::string& text : options.vary) axes.push_back(parse_axis(text));
  const Grid grid(std::move(axes));
  const std::vector<std::string> metrics = result_names();
  std::vector<std::string> show = options.show.empty() ? kDefaultMetrics : options.show;
  if (slo.any() && options.show.empty()) show.insert(show.begin() + 1, "request_goodput");
  for (const std::string& metric : show) {
    if (std::find(metrics.begin(), metrics.end(), metric) == metrics.end()) {
      throw InputError("--show: expected a field of the result (see --json of tokenyard simulate), found \"" + metric + "\"");
    }
  }
  const std::string path = find_scenario(options.scenario);
  const Plan plan = plan_runs(path, grid, shard, options, slo);

  std::vector<std::string> columns = {"run"};
  for (const Axis& axis : grid.axes()) columns.push_back(axis.path);
  columns.insert(columns.end(), metrics.begin(), metrics.end());
  std::optional<SweepFile> file;
  if (!options.csv.empty()) file.emplace(options.csv, columns);

  std::vector<std::vector<std::string>> rows(plan.keys.size());
  std::vector<std::size_t> to_run;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::vector<std::string>* known = file ? file->find(plan.keys[i]) : nullptr;
    if (known != nullptr) {
      rows[i] = *known;
    } else {
      to_run.push_back(i);
    }
  }
  if (to_run.size() < rows.size()) {
    fmt::print(stderr, "{}: {} of {} runs are there already\n", options.csv, rows.size() - to_run.size(), rows.size());
  }
  {
    std::mutex mutex;
    SweepProgress progress(static_cast<std::int64_t>(to_run.size()));
    run_parallel(static_cast<std::int64_t>(to_run.size()), options.jobs > 0 ? options.jobs : num_cores(), [&](std::int64_t n) {
      const std::size_t i = to_run[static_cast<std::size_t>(n)];
      std::vector<std::string> overrides = options.set;
      for (std::string& each : grid.overrides(plan.combinations[i])) overrides.push_back(std::move(each));
      RunOptions run;
      run.slo = slo;
      const RunResult result = run_scenario(load_scenario(path, overrides), run);
      std::vector<std::string> row = {plan.keys[i]};
      for (std::string& value : grid.values(plan.combinations[i])) row.push_back(std::move(value));
      for (const ResultValue& value : result_values(result.metrics)) row.push_back(result_text(value));
      const std::lock_guard lock(mutex);
      if (file) file->append(row);
      rows[i] = std::move(row);
      progress.one_done();
    });
  }
  if (file) file->finish(plan.keys);

  const std::size_t first_metric = 1 + grid.axes().size();
  const auto column = [&](const std::string& metric) {
    return first_metric + static_cast<std::size_t>(std::find(metrics.begin(), metrics.end(), metric) - metrics.begin());
  };
  std::vector<std::vector<std::string>> table(1);
  for (const Axis& axis : grid.axes()) table[0].push_back(axis.path.substr(axis.path.rfind('.') + 1));
  table[0].insert(table[0].end(), show.begin(), show.end());
  for (const auto& row : rows) {
    std::vector<std::string> line(row.begin() + 1, row.begin() + static_cast<std::ptrdiff_t>(first_metric));
    for (const std::string& metric : show) line.push_back(short_number(number_of(row[column(metric)])));
    table.push_back(std::move(line));
  }
  fmt::print("{}", text_table(table, grid.axes().size()));
  for (const std::string& note : plan.notes) fmt::print("{}\n", note);
  if (!options.plot.empty()) {
    SweepPlot plot{plan.name, grid.axes(), {}, {}};
    for (const auto& row : rows) {
      plot.values.emplace_back(row.begin() + 1, row.begin() + static_cast<std::ptrdiff_t>(first_metric));
      std::vector<double> numbers;
      for (const char* metric : kSweepPlotMetrics) numbers.push_back(number_of(row[column(metric)]));
      plot.metrics.push_back(std::move(numbers));
    }
    save_plot(options.plot, draw_sweep(plot));
    fmt::print("plot: {}\n", options.plot);
  }
  constexpr std::size_t most_shown = 5;
  for (std::size_t i = 0; i < plan.impossible.size() && i < most_shown; ++i)
    fmt::print(stderr, "left out: {}\n", plan.impossible[i]);
  if (plan.impossible.size() > most_shown) {
    fmt::print(stderr, "left out: {} more combinations that cannot be run\n", plan.impossible.size() - most_shown);
  }
  return plan.impossible.empty() ? 0 : 2;
}

}  // namespace

Command sweep_command() {
  Command command("sweep", "Run all combinations of some values on all cores and compare the results");
  auto options = std::make_shared<SweepOptions>();
  command.positional("SCENARIO", &options->scenario, "A scenario's name or file, or recorded traffic, as simulate takes it")
      .required();
  command.option("--vary", &options->vary, "PATH=V,V,...", "Values to try: engine.max_num_seqs=64,256 hardware=h200,l40s")
      .required();
  command.option("--set", &options->set, "PATH=VALUE", "A value for all runs, as in simulate");
  command
      .option("--csv", &options->csv, "FILE.csv",
              "Write every run with all its results; runs that stand there are not run again")
      .writes();
  command.option("--shard", &options->shard, "i/n", "Run only part i of n of the combinations");
  command.option("--show", &options->show, "NAME,...", "Columns of the table: names as in simulate's --json").split_at(',');
  command.option("--goodput", &options->goodput, "METRIC:MS", "Count requests within these limits, in ms: ttft:500 tpot:50");
  command
      .option("--plot", &options->plot, "FILE.svg", "Draw latencies and throughput over the first varied value (.svg or .png)")
      .writes();
  command.option("--jobs", &options->jobs, "N", "Runs at a time; all cores unless said").between(1, 4096);
  command.notes("Exit status: 2 when a combination cannot be run (the others are).");
  command.examples({{"tokenyard sweep chat-hour --vary engine.max_num_batched_tokens=256,512,2048 --vary rate_scale=0.5,1", ""},
                    {"tokenyard sweep chat-hour --vary seed=1,2,3,4 --shard 1/2 --csv part-1.csv", "on one machine"},
                    {"tokenyard sweep chat-hour --vary seed=1,2,3,4 --shard 2/2 --csv part-2.csv", "on another"},
                    {"cat part-1.csv part-2.csv > all.csv", ""},
                    {"tokenyard sweep chat-hour --vary seed=1,2,3,4 --csv all.csv", "the table, nothing run again"}});
  command.run([options] { return sweep(*options); });
  return command;
}

}  // namespace tokenyard::cli
