// The panels' names, places and usual sizes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tokenyard::viz {

enum class Panel : std::uint8_t {
  requests,
  steps,
  batch,
  counters,
  blocks,
  table,
  prefix,
  latency,
  why,
  compare,
  details,
  what_if
};
inline constexpr int kPanels = 12;

struct PanelInfo {
  const char* name;  // in files and on the command line
  const char* title;
  const char* explains;  // what one sees, a tip at the title
  bool timeline;         // its x axis is the common one
  float least;           // height it needs, lines of text
  float share;           // of a column's height, beside others
};
const PanelInfo& info_of(Panel panel);
std::optional<Panel> parse_panel(std::string_view name);
std::string panel_names();  // "requests, steps, ..."

}  // namespace tokenyard::viz
