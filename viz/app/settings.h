// What the viewer remembers from one time to the next.
#pragma once

#include <string>
#include <string_view>

#include "viz/app/app.h"

namespace tokenyard::viz {

struct Settings {
  int width = 1280, height = 800;  // of the window, pixels
  Theme theme = Theme::dark;
  float scale = 0;        // 0: the screen's
  PerPanel<float> share;  // as App has them
  float side_share = 0;
};

// $XDG_CONFIG_HOME/tokenyard/viewer.json, or ~/.config/...; empty where there is neither.
std::string settings_path();
// Absent: as they are at first. A file that cannot be understood likewise, and `message` says why.
Settings load_settings(std::string& message);
Settings parse_settings(std::string_view text, const std::string& path);  // throws InputError
std::string settings_text(const Settings& settings);
// Nothing is said where they cannot be kept.
void save_settings(const Settings& settings);

// Only what nobody has chosen otherwise for this time.
void apply_settings(const Settings& settings, App& app);
Settings settings_of(const App& app, int width, int height);

}  // namespace tokenyard::viz
