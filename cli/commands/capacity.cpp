#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/output/plot.h"
#include "cli/output/report.h"
#include "cli/output/say.h"
#include "cli/output/text_table.h"
#include "cli/scenario_files.h"
#include "core/base/input_error.h"
#include "sim/capacity.h"
#include "sim/run.h"

namespace tokenyard::cli {
namespace {

struct CapacityOptions {
  std::string scenario, slo, plot;
  std::vector<std::string> set;
  double precision = 0.02;
};

std::string draw_capacity(const Scenario& scenario, const std::vector<Goal>& goals, std::vector<Probe> probes,
                          const Capacity& capacity) {
  std::sort(probes.begin(), probes.end(), [](const Probe& a, const Probe& b) { return a.rate < b.rate; });
  std::vector<Panel> panels;
  for (std::size_t g = 0; g < goals.size() && g < 4; ++g) {
    Series series{"meets all goals; ring: misses one", {}, {}, true};
    double low = goals[g].limit, high = goals[g].limit;
    for (const Probe& probe : probes) {
      series.x.push_back(probe.rate);
      series.y.push_back(probe.values[g]);
      series.hollow.push_back(!probe.met);
      low = std::min(low, probe.values[g]);
      high = std::max(high, probe.values[g]);
    }
    Panel panel{goals[g].metric, "arrivals, requests/s", "ms", {std::move(series)}};
    panel.references.push_back({fmt::format("goal: {:g} ms", goals[g].limit), goals[g].limit, false});
    if (capacity.met)
      panel.references.push_back({fmt::format("capacity: {} /s", short_number(capacity.met->rate)), capacity.met->rate, true});
    panel.log_y = low > 0 && high > 20 * low;
    panels.push_back(std::move(panel));
  }
  std::string subtitle = "constant step time";
  if (scenario.model) subtitle = scenario.model->name + " on " + scenario.hardware->name;
  return draw("Capacity of " + scenario.name, subtitle + ", policy " + name_of(scenario.engine.policy), panels);
}

int capacity(const CapacityOptions& options) {
  if (!options.plot.empty()) require_plot_format(options.plot);
  const std::vector<Goal> goals = parse_goals(options.slo);
  Scenario scenario = load_scenario(find_scenario(options.scenario), options.set);
  const double start = scenario.rate_scale;

  std::string header = fmt::format("{:>10}  {:>12}", "rate_scale", "requests/s");
  for (const Goal& goal : goals) header += fmt::format("  {:>14}", goal.metric);
  say("{}  {:>7}\n{}\n", header, "lost", std::string(header.size() + 20, '-'));
  std::vector<Probe> probes;
  const auto run = [&](double rate_scale) {
    scenario.rate_scale = rate_scale;
    Progress progress;
    RunOptions run_options;
    run_options.after_step = [&](const Engine& engine, const Metrics& metrics, TimeNs now) {
      progress.update(engine, metrics, now);
    };
    const RunResult result = run_scenario(scenario, run_options);
    Probe probe = make_probe(rate_scale, result.metrics, goals);
    progress.erase();
    if (const std::string nothing = nothing_served(result.metrics); !nothing.empty())
      throw InputError(options.scenario + ": there is no rate to search: " + nothing);
    if (probe.rate == 0) {
      throw InputError(options.scenario + ": expected requests that come one after the other, found " +
                       "that they all come at once or there is only one: there is no rate to search");
    }
    std::string line = fmt::format("{:>10.5g}  {:>12.4g}", rate_scale, probe.rate);
    for (const double value : probe.values) line += fmt::format("  {:>14}", short_number(value));
    say("{}  {:>5.1f} %  {}\n", line, 100 * probe.lost, probe.met ? "met" : "missed");
    std::fflush(stdout);
    probes.push_back(probe);
    return probe;
  };
  const Capacity found = find_capacity(run, start, options.precision);

  if (!found.met) {
    say("\nNo rate down to {:.4g} requests/s meets {}.\n", found.missed->rate, options.slo);
  } else if (!found.missed) {
    say("\nEvery rate up to {:.4g} requests/s meets {}.\n", found.met->rate, options.slo);
  } else {
    say("\nCapacity: {:.4g} requests/s, at rate_scale {:.5g}, meets {}; rate_scale {:.5g} misses it.\n", found.met->rate,
        found.met->rate_scale, options.slo, found.missed->rate_scale);
  }
  say("{}\n", error_note(scenario));
  if (!options.plot.empty()) {
    save_plot(options.plot, draw_capacity(scenario, goals, probes, found));
    say("plot: {}\n", options.plot);
  }
  return found.met ? 0 : 1;
}

}  // namespace

Command capacity_command() {
  Command command("capacity", "Find the highest arrival rate that meets a latency goal");
  auto options = std::make_shared<CapacityOptions>();
  command.positional("SCENARIO", &options->scenario, "A scenario's name or file, or recorded traffic, as simulate takes it")
      .required();
  command.option("--slo", &options->slo, "METRIC=TIME,...", "The goal, all of it at once: ttft_p99=500ms,tpot_p99=50ms")
      .required();
  command.option("--set", &options->set, "PATH=VALUE", "Change values, as in simulate");
  command.option("--precision", &options->precision, "SHARE", "Stop when the rates that meet and miss differ by this share")
      .between(0.0001, 0.5)
      .shows_default();
  command.option("--plot", &options->plot, "FILE.svg", "Draw the goal's metrics over the rate (.svg or .png)").writes();
  command.notes(
      "Generated sessions start more often, recorded requests come closer together; lengths and think times stay.\n\n"
      "A goal is ttft, tpot, itl or e2el, then _mean, _median, _p90, _p95 or _p99, in us, ms or s. It is also missed when more "
      "than 1 % of the requests are cancelled, failed or cut off. Exit status: 1 when no rate meets the goal.");
  command.examples({{"tokenyard capacity chat-hour --slo ttft_p99=2s,tpot_p99=60ms --precision 0.05", ""}});
  command.run([options] { return capacity(*options); });
  return command;
}

}  // namespace tokenyard::cli
