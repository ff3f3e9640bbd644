// The viewer in a window.
#pragma once

#include <string>

#include "viz/draw/screen.h"

namespace tokenyard::viz {

struct WindowOptions {
  std::string title;
  int width = 0, height = 0;  // 0: as it was left, or 1280 by 800
  bool remember = true;       // sizes, theme and panels, from one time to the next
};

// Until it is closed. Throws InputError where no window can be opened, saying how to do without.
void run_window(App& app, const WindowOptions& options);
// A text, until it is closed; likewise.
void show_message(const std::string& title, const std::string& text);

}  // namespace tokenyard::viz
