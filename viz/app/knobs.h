// What sliders vary, and how a turned one becomes another run.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "viz/app/app.h"

namespace tokenyard::viz {

struct Knob {
  const char* label;
  const char* path;                  // of the override
  std::vector<std::string> choices;  // in order; what lies between is not offered
};
const std::vector<Knob>& knobs();
// What `side` runs with now: an override's value as text, or empty where the scenario does not say.
std::string knob_value(const Side& side, std::size_t knob);
// What sliders have changed: "seats 16, policy orca"; empty: nothing.
std::string varied_in_words(const Side& side);
// The choices for `side`: the knob's, and its present value where it is none of them.
std::vector<std::string> knob_choices(const Side& side, std::size_t knob);
// Of the active side, which has a scenario. An empty value puts it back.
void turn_knob(App& app, std::size_t knob, const std::string& value);
void turn_knobs_back(App& app);
// To the choice `by` places further on.
void move_knob(App& app, int by);

}  // namespace tokenyard::viz
