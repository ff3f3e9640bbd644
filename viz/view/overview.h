// What stands above the panels: the whole run in a strip, and the visible time's numbers.
#pragma once

#include "viz/view/scene.h"

namespace tokenyard::viz {

// The whole run in a strip: the longest step of each column, waiting requests as an area, marks as ticks, the visible range
// as a frame. Always over the whole axis [least, most].
Picture overview(const Frame& frame, Box box, Place least, Place most);
// The time axis with its numbers and the cursor.
Picture ruler(const Frame& frame, Box box);

}  // namespace tokenyard::viz
