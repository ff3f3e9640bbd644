#include "viz/app/knobs.h"

#include <algorithm>

#include "sim/hardware_spec.h"

namespace tokenyard::viz {
namespace {

std::vector<std::string> all_overrides(const Side& side) {
  std::vector<std::string> out = side.overrides;
  for (std::size_t i = 0; i < knobs().size(); ++i) {
    if (!side.varied[i].empty()) out.push_back(std::string(knobs()[i].path) + "=" + side.varied[i]);
  }
  return out;
}

}  // namespace

const std::vector<Knob>& knobs() {
  static const std::vector<Knob> all = {
      {"policy", "engine.policy", all_names<Policy>()},
      {"tokens a step",
       "engine.max_num_batched_tokens",
       {"32", "64", "128", "256", "512", "1024", "2048", "4096", "8192", "16384"}},
      {"seats", "engine.max_num_seqs", {"1", "2", "4", "8", "16", "24", "32", "48", "64", "96", "128", "192", "256"}},
      {"block size", "engine.block_size", {"1", "4", "8", "16", "32", "64", "128", "256"}},
      {"blocks", "engine.num_blocks", {"100", "200", "400", "600", "800", "1200", "1600", "3200", "6400", "12800", "25600"}},
      {"prefix cache", "engine.enable_prefix_caching", {"false", "true"}},
      {"arrivals x", "rate_scale", {"0.25", "0.5", "0.75", "1", "1.25", "1.5", "2", "3", "4", "8"}},
      {"GPU", "hardware", builtin_hardware()},
  };
  return all;
}

std::string knob_value(const Side& side, std::size_t knob) {
  if (!side.varied[knob].empty()) return side.varied[knob];
  if (!side.resolved) return "";
  const EngineConfig& engine = side.resolved->engine;
  switch (knob) {
    case 0: return name_of(engine.policy);
    case 1: return std::to_string(engine.max_num_batched_tokens);
    case 2: return std::to_string(engine.max_num_seqs);
    case 3: return std::to_string(engine.block_size);
    case 4: return std::to_string(engine.num_blocks);
    case 5: return engine.enable_prefix_caching ? "true" : "false";
    case 6: {
      std::string text = std::to_string(side.resolved->rate_scale);
      text.erase(text.find_last_not_of('0') + 1);
      if (text.back() == '.') text.pop_back();
      return text;
    }
    case 7: return side.resolved->hardware ? side.resolved->hardware->name : "";
    default: return "";
  }
}

std::string varied_in_words(const Side& side) {
  std::string out;
  for (std::size_t i = 0; i < knobs().size(); ++i) {
    if (side.varied[i].empty()) continue;
    out += (out.empty() ? "" : ", ") + std::string(knobs()[i].label) + " " + side.varied[i];
  }
  return out;
}

std::vector<std::string> knob_choices(const Side& side, std::size_t knob) {
  std::vector<std::string> out = knobs()[knob].choices;
  const std::string now = knob_value(side, knob);
  if (now.empty() || std::find(out.begin(), out.end(), now) != out.end()) return out;
  const bool number = now.find_first_not_of("0123456789.") == std::string::npos;
  const auto place =
      number ? std::find_if(out.begin(), out.end(), [&](const std::string& v) { return std::stod(v) > std::stod(now); })
             : out.end();
  out.insert(place, now);
  return out;
}

void turn_knobs_back(App& app) {
  app.side().varied.fill("");
  turn_knob(app, 0, "");
}

void turn_knob(App& app, std::size_t knob, const std::string& value) {
  Side& side = app.side();
  if (side.scenario.empty()) {
    app.message = "a recorded trace cannot be varied; open a scenario: tokenyard view SCENARIO";
    return;
  }
  app.varied_side = app.active;
  side.varied[knob] = value;
  if (!app.what_if) app.what_if = std::make_unique<WhatIf>();
  const std::string varied = varied_in_words(side);
  app.what_if->ask(side.scenario, all_overrides(side), varied.empty() ? side.title : side.title + ", " + varied);
}

void move_knob(App& app, int by) {
  const Side& side = app.side();
  const std::vector<std::string> choices = knob_choices(side, app.knob);
  const auto now = std::find(choices.begin(), choices.end(), knob_value(side, app.knob));
  const auto at = std::clamp<std::ptrdiff_t>(now - choices.begin() + by, 0, static_cast<std::ptrdiff_t>(choices.size()) - 1);
  turn_knob(app, app.knob, choices[static_cast<std::size_t>(at)]);
}

}  // namespace tokenyard::viz
