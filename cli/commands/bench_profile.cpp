#include "cli/commands/bench_profile.h"

#include <fmt/core.h>

#include "backends/gpu/step_timeline.h"
#include "cli/output/say.h"
#include "core/base/output_file.h"

namespace tokenyard::cli {
namespace {

constexpr double kPerMicrosecond = 1e6;

std::string table_of(const StepProfile& profile, const ProfiledStep& step, double bandwidth) {
  std::string out = fmt::format("\nA step in which {} requests decode with {} tokens each: {:.1f} us\n", step.rows,
                                step.context, profile.step_us);
  out += fmt::format("{:<28} {:>5} {:>9} {:>10} {:>9} {:>7} {:>10} {:>9}\n", "kernel", "count", "us each", "us in all",
                     "MB each", "% read", "floor us", "gap us");
  double all = 0;
  double floor = 0;
  const auto line = [&](const std::string& name, const std::string& count, const std::string& each, double us, double bytes,
                        const std::string& megabytes) {
    const double least = bytes / bandwidth * kPerMicrosecond;
    out += fmt::format("{:<28} {:>5} {:>9} {:>10.1f} {:>9} {:>7.1f} {:>10.1f} {:>9.1f}\n", name, count, each, us, megabytes,
                       100 * least / us, least, us - least);
  };
  double bytes = 0;
  for (const StepProfile::Kernel& kernel : profile.kernels) {
    const double us = kernel.us * kernel.count;
    line(kernel.name, std::to_string(kernel.count), fmt::format("{:.2f}", kernel.us), us, kernel.bytes * kernel.count,
         fmt::format("{:.3f}", kernel.bytes / 1e6));
    all += us;
    bytes += kernel.bytes * kernel.count;
  }
  floor = bytes / bandwidth * kPerMicrosecond;
  line("sum of the kernels", "", "", all, bytes, fmt::format("{:.1f}", bytes / 1e6));
  line("the step", "", "", profile.step_us, bytes, fmt::format("{:.1f}", bytes / 1e6));
  out += fmt::format("Floor: {:.1f} us, each number read or written once at {:.2f} TB/s, what this card reads at\n", floor,
                     bandwidth / 1e12);
  return out;
}

}  // namespace

void profile_steps(GpuBackend& backend, const ProfileOptions& options, int seats, float temperature) {
  const std::vector<int> all_rows = options.rows.empty() ? std::vector{seats} : options.rows;
  const double bandwidth = backend.measure_read_bandwidth();
  std::string timeline;
  for (const int rows : all_rows) {
    ProfiledStep step;
    step.rows = rows;
    step.context = options.context;
    step.sampling.temperature = temperature;
    const StepProfile profile = backend.profile(step);
    say("{}", table_of(profile, step, bandwidth));
    timeline = timeline_of(profile, step, backend.facts().device);
  }
  if (!options.timeline.empty()) {
    write_file(options.timeline, timeline);
    say("timeline of the {} requests' step: {}\n", all_rows.back(), options.timeline);
  }
}

}  // namespace tokenyard::cli
