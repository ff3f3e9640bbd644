// Files that the viewer writes into the folder it was started in.
#pragma once

#include <string>

#include "viz/app/app.h"

namespace tokenyard::viz {

// tokenyard-WHAT1ENDING, or the next number that is free.
std::string free_name(const std::string& what, const std::string& ending);
// The range's requests and steps as CSV; every trace for ui.perfetto.dev. `app.message` says what was written, or why not.
void save_csv(App& app);
void save_perfetto(App& app);

}  // namespace tokenyard::viz
