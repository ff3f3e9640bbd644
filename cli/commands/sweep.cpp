#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/output/plot.h"
#include "cli/output/report.h"
#include "cli/output/say.h"
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
  void erase() const {
    if (terminal_) fmt::print(stderr, "\r\033[K");
  }
  void one_done() {
    ++done_;
    show();
  }

 private:
  using Clock = std::chrono::steady_clock;
  void show() {
    const Clock::time_point now = Clock::now();
    if (!terminal_ || now < next_) return;
    next_ = now + std::chrono::milliseconds(100);
    const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    fmt::print(stderr, "\r\033[K{} of {} runs done in {:.0f} s", done_, runs_, seconds);
    if (done_ > 0)
      fmt::print(stderr, ", about {:.0f} s left", seconds / static_cast<double>(done_) * static_cast<double>(runs_ - done_));
    std::fflush(stderr);
  }
  std::int64_t runs_;
  std::int64_t done_ = 0;
  bool terminal_;
  Clock::time_point start_ = Clock::now(), next_ = start_;
};

constexpr std::int64_t kMostTableRows = 10'000;  // all of them are held in memory; who runs more writes them to a file
constexpr std::size_t kMostNamed = 5;            // of the combinations that cannot be run

// What became of the combinations, told by several threads.
struct Outcome {
  std::mutex mutex;
  std::int64_t known = 0;                                 // stood in the file
  std::int64_t impossible = 0;                            // cannot be run
  std::map<std::int64_t, std::string> why;                // the first of them
  std::int64_t nothing = 0;                               // served no request
  std::vector<std::string> notes;                         // what is known of the errors, each once
  std::vector<std::string> keys;                          // of the rows, by the combination's number in this shard; "": none
  std::map<std::int64_t, std::vector<std::string>> rows;  // those of the table

  void add_note(const std::string& note) {
    if (std::find(notes.begin(), notes.end(), note) == notes.end()) notes.push_back(note);
  }
};

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
  if (!options.plot.empty() && options.show.size() > 4)
    throw InputError("--plot draws at most four panels; name fewer in --show");
  const std::int64_t count = shard.size_of(grid.size());
  const bool table_fits = count <= kMostTableRows;
  if (!table_fits && (options.csv.empty() || !options.plot.empty())) {
    throw InputError(fmt::format("tokenyard sweep: more than {} combinations, {}, are for --csv FILE.csv, without --plot",
                                 kMostTableRows, count));
  }
  const std::string path = find_scenario(options.scenario);
  const auto combination = [&](std::int64_t n) { return shard.index - 1 + n * shard.count; };
  const auto overrides_of = [&](std::int64_t n) {
    std::vector<std::string> overrides = options.set;
    for (std::string& each : grid.overrides(combination(n))) overrides.push_back(std::move(each));
    return overrides;
  };
  // Where no combination can be run, that is said before a file is created.
  std::string name;
  std::string first_mistake;
  for (std::int64_t n = 0; n < count && name.empty(); ++n) {
    try {
      name = load_scenario(path, overrides_of(n)).name;
    } catch (const InputError& error) {
      if (first_mistake.empty()) first_mistake = error.what();
    }
  }
  if (name.empty() && !first_mistake.empty()) throw InputError(first_mistake);

  std::vector<std::string> columns = {"run"};
  for (const Axis& axis : grid.axes()) columns.push_back(axis.path);
  columns.insert(columns.end(), metrics.begin(), metrics.end());
  const std::size_t first_metric = 1 + grid.axes().size();
  const auto column = [&](const std::string& metric) {
    return first_metric + static_cast<std::size_t>(std::find(metrics.begin(), metrics.end(), metric) - metrics.begin());
  };
  std::optional<SweepFile> file;
  if (!options.csv.empty()) file.emplace(options.csv, columns);

  RunKeys run_keys(kProgram);
  Outcome outcome;
  outcome.keys.resize(file ? static_cast<std::size_t>(count) : 0);
  SweepProgress progress(count);
  run_parallel(count, options.jobs > 0 ? options.jobs : num_cores(), [&](std::int64_t n) {
    std::optional<Scenario> scenario;
    std::string mistake;
    try {
      scenario = load_scenario(path, overrides_of(n));
    } catch (const InputError& error) {
      mistake = error.what();
    }
    std::vector<std::string> row;
    if (scenario) {
      row.push_back(run_keys.key(*scenario, slo));
      const std::lock_guard lock(outcome.mutex);
      outcome.add_note(error_note(*scenario));
      if (auto known = file ? file->find(row.front()) : std::nullopt) {
        ++outcome.known;
        row = *std::move(known);
      }
    }
    const bool is_new = row.size() == 1;
    if (is_new) {
      RunOptions run;
      run.slo = slo;
      const RunResult result = run_scenario(*scenario, run);
      for (std::string& value : grid.values(combination(n))) row.push_back(std::move(value));
      for (const ResultValue& value : result_values(result.metrics)) row.push_back(result_text(value));
    }
    const std::lock_guard lock(outcome.mutex);
    progress.one_done();
    if (!scenario) {
      ++outcome.impossible;
      outcome.why.emplace(n, mistake);
      if (outcome.why.size() > kMostNamed) outcome.why.erase(std::prev(outcome.why.end()));
      return;
    }
    if (is_new && file) file->append(row);
    if (row[column("completed")] == "0") ++outcome.nothing;
    if (file) outcome.keys[static_cast<std::size_t>(n)] = row.front();
    if (table_fits) outcome.rows[n] = std::move(row);
  });
  progress.erase();
  const std::int64_t done = count - outcome.impossible;
  if (outcome.known > 0) warn("{}: {} of {} runs are there already\n", options.csv, outcome.known, done);
  if (file) file->finish(outcome.keys);

  std::vector<std::vector<std::string>> table(1);
  for (const Axis& axis : grid.axes()) table[0].push_back(axis.path.substr(axis.path.rfind('.') + 1));
  table[0].insert(table[0].end(), show.begin(), show.end());
  for (const auto& [n, row] : outcome.rows) {
    std::vector<std::string> line(row.begin() + 1, row.begin() + static_cast<std::ptrdiff_t>(first_metric));
    for (const std::string& metric : show) line.push_back(short_number(number_of(row[column(metric)])));
    table.push_back(std::move(line));
  }
  if (table_fits) {
    say("{}", text_table(table, grid.axes().size()));
  } else {
    say("{}: {} runs\n", options.csv, done);
  }
  std::sort(outcome.notes.begin(), outcome.notes.end());  // whichever thread came first
  for (const std::string& note : outcome.notes) say("{}\n", note);
  if (!options.plot.empty()) {
    SweepPlot plot{name, grid.axes(), {}, options.show.empty() ? kSweepPlotMetrics : show, {}};
    for (const auto& [n, row] : outcome.rows) {
      plot.values.emplace_back(row.begin() + 1, row.begin() + static_cast<std::ptrdiff_t>(first_metric));
      std::vector<double> numbers;
      for (const std::string& metric : plot.names) numbers.push_back(number_of(row[column(metric)]));
      plot.metrics.push_back(std::move(numbers));
    }
    save_plot(options.plot, draw_sweep(plot));
    say("plot: {}\n", options.plot);
  }
  if (outcome.nothing > 0) {
    warn("{} of {} runs served no request; tokenyard simulate says why\n", outcome.nothing, done);
  }
  for (const auto& [n, why] : outcome.why) warn("left out: {}\n", why);
  const auto named = static_cast<std::int64_t>(outcome.why.size());
  if (outcome.impossible > named) warn("left out: {} more combinations that cannot be run\n", outcome.impossible - named);
  return outcome.impossible == 0 ? 0 : 2;
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
      .option("--plot", &options->plot, "FILE.svg",
              "Draw what --show names, else latencies and throughput, over the first varied value (.svg or .png)")
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
