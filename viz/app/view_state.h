// What the viewer shows of the runs that are open, as text: a command line's options and a page's address say the same.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "viz/app/app.h"

namespace tokenyard::viz {

// What is empty stays as it is. Moments are the first run's, as parse_when reads them.
struct ViewState {
  std::string at, select;
  std::vector<std::string> range, mark;  // two moments, or none
  std::string panels;                    // names with commas between
  std::string lanes, sort, align, latency, theme;
  double scale = 0;  // 1 to 3
  friend bool operator==(const ViewState&, const ViewState&) = default;
};

// REQUIRES: a run is open. `before` stands before an option's name in messages: "--at". Throws InputError.
void apply_view(App& app, const ViewState& wanted, const std::string& before);
// The state that apply_view brings back; panels that the window's size decides are left to it.
ViewState view_state_of(const App& app);

// The scenario in the file `path`, or a variant of it where one is named, with further overrides. Throws InputError.
std::unique_ptr<Side> open_variant(const std::string& path, const std::optional<std::string>& variant,
                                   const std::vector<std::string>& set);

}  // namespace tokenyard::viz
