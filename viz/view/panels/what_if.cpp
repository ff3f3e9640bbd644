#include "viz/view/panel.h"

namespace tokenyard::viz {

extern constinit const Panel panel_what_if = {
    .name = "what-if",
    .title = "What if?",
    .explains = "Move a slider and the scenario runs again.",
    .order = 12,
    .key = "I",
    .what = "what if: vary the scenario",
    .group = "Compare and vary",
    .button = {"What if?", "Vary the scenario (I)"},
    .where = Panel::Where::top,
    .size =
        [](std::size_t) {
          return Panel::Size{13, 1.6F};
        },
    .sliders = true,
};

}  // namespace tokenyard::viz
