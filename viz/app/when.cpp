#include "viz/app/when.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "core/base/input_error.h"

namespace tokenyard::viz {
namespace {

std::optional<double> number(std::string_view text) {
  double out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(out) || out < 0) return std::nullopt;
  return out;
}

std::optional<TimeNs> duration(std::string_view text) {
  for (const auto& [unit, ns] : {std::pair{"ms", 1e6}, {"us", 1e3}, {"ns", 1.0}, {"s", 1e9}}) {
    const std::string_view ending = unit;
    if (!text.ends_with(ending)) continue;
    const std::optional<double> value = number(text.substr(0, text.size() - ending.size()));
    if (value && *value * ns < 9e18) return static_cast<TimeNs>(std::llround(*value * ns));
    return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

TimeNs parse_when(const std::string& text, const TraceModel& model, const std::string& place) {
  const auto fail = [&](const std::string& sentence) -> TimeNs { throw InputError(place + ": " + sentence); };
  if (text == "begin") return model.begin();
  if (text == "end") return model.end();
  if (const auto time = duration(text)) return *time;
  const std::size_t space = text.find(' ');
  const std::string word = text.substr(0, space);
  const std::string rest = space == std::string::npos ? "" : text.substr(space + 1);

  if (word == "step") {
    const std::optional<double> wanted = number(rest);
    for (const Step& step : model.steps()) {
      if (wanted && static_cast<double>(step.number) == *wanted) return step.start;
    }
    return fail("no step " + rest + " in " + model.name() + ", which has " + std::to_string(model.num_steps()));
  }
  if (word == "arrival" || word == "first-token" || word == "finish") {
    const std::int32_t number_of = model.find(rest);
    if (number_of < 0) return fail("no request \"" + rest + "\" in " + model.name());
    const Request& request = model.request(number_of);
    const TimeNs at = word == "arrival" ? request.arrival : word == "finish" ? request.end : request.first_token;
    return at >= 0 ? at : fail("\"" + rest + "\" has no " + word + " in " + model.name());
  }
  for (const auto& [name, mark] : {std::pair{"preemption", Mark::preempted},
                                   {"refusal", Mark::refused},
                                   {"cancellation", Mark::cancelled},
                                   {"failure", Mark::failed}}) {
    if (word != name) continue;
    const double which = rest.empty() ? 1 : number(rest).value_or(0);
    const auto times = model.times(mark);
    if (which < 1 || which > static_cast<double>(times.size()) || which != std::floor(which)) {
      return fail("no " + text + " in " + model.name() + ", which has " + std::to_string(times.size()));
    }
    return times[static_cast<std::size_t>(which) - 1];
  }
  return fail("expected a moment (1200ms, step 57, end, arrival ID, preemption 1), found \"" + text + "\"");
}

}  // namespace tokenyard::viz
