// The viewer's font.
#pragma once

namespace tokenyard::viz {

// Fills the current context's atlas with DejaVu Sans where it is installed, else with Dear ImGui's own font, `scale` times as
// large. True: DejaVu Sans.
bool load_font(float scale);

}  // namespace tokenyard::viz
