#include "viz/view/panel.h"

#include <algorithm>

#include <fmt/core.h>

namespace tokenyard::viz {

std::span<const Panel* const> all_panels() {
  static const std::vector<const Panel*> all = [] {
    std::vector<const Panel*> out(listed_panels().begin(), listed_panels().end());
    std::stable_sort(out.begin(), out.end(), [](const Panel* a, const Panel* b) { return a->order < b->order; });
    return out;
  }();
  return all;
}

const Panel* find_panel(std::string_view name) {
  const auto found =
      std::find_if(all_panels().begin(), all_panels().end(), [&](const Panel* panel) { return name == panel->name; });
  return found == all_panels().end() ? nullptr : *found;
}

std::string panel_names() {
  std::string out;
  for (const Panel* panel : all_panels()) out += (out.empty() ? "" : ", ") + std::string(panel->name);
  return out;
}

std::string describe(const Scene& scene) {
  const TraceModel& model = *scene.frame().model;
  const EngineConfig& config = model.header().engine;
  const auto count = [](std::int64_t n, const char* what) { return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s"); };
  std::string out =
      fmt::format("{}: {}, {}, {} of {} tokens\n", model.name(), tokenyard::name_of(config.policy),
                  count(model.num_requests(), "request"), count(model.usable_blocks(), "block"), config.block_size);
  out += fmt::format("{}, {} long{}\n", count(model.num_steps(), "step"),
                     short_time(static_cast<double>(model.end() - model.begin())),
                     model.complete() ? "" : ", cut off or still running");
  std::vector<Panel::Section> sections;
  for (const Panel* panel : all_panels()) {
    if (panel->describe.text != nullptr) sections.push_back(panel->describe);
  }
  std::stable_sort(sections.begin(), sections.end(), [](const auto& a, const auto& b) { return a.order < b.order; });
  for (const Panel::Section& section : sections) out += section.text(scene);
  return out;
}

}  // namespace tokenyard::viz
