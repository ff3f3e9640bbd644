// The viewer's picture as SVG: for print, and where Dear ImGui is not there.
#pragma once

#include <string>

#include "viz/app/app.h"

namespace tokenyard::viz {

// What is shown at the cursor: runs beside each other below a common ruler, other panels at the right, what colours mean at the
// bottom. Panels are those of --panels or of a lesson, else requests, steps and why. The same application gives the same bytes
// on every machine. Text has an assumed width, as there is no font: a viewer of the file brings its own sans-serif one.
std::string svg_picture(const App& app, int width, int height);

}  // namespace tokenyard::viz
