// A panel is one file in viz/view/panels/ that says everything about it. To add one, write such a file: panels/NAME.cpp defines
// `extern constinit const Panel panel_NAME`. The build makes its list of panels from the names of the files in that folder;
// menu, help, keys, --panels, lessons, remembered heights and --describe go through that list.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "viz/view/legend.h"
#include "viz/view/scene.h"

namespace tokenyard::viz {

struct Panel {
  // Where it stands in the window.
  enum class Where : std::uint8_t {
    timeline,  // left; its x axis is the common one, and every trace has one
    top,       // right, above the others; one for all traces
    side,      // right; one, of the active trace
    moment,    // right; with several traces, below the timelines of each
  };
  enum class Legend : std::uint8_t {
    title,           // in its title, where there is room for all of it
    title_or_below,  // else in the line at the bottom of the window
    below,           // always there
  };
  // What a click beside all things in it does.
  enum class Click : std::uint8_t { nothing, unselect, next_statistic };
  struct Size {
    float least;  // height it needs, lines of text
    float share;  // of what is left of its column's height, beside others
  };
  // What decides which panels a window shows before anybody has chosen.
  struct Situation {
    bool several;   // traces
    bool selected;  // a request is
    bool caches;    // blocks are kept for their contents
  };
  struct Button {
    const char* label = nullptr;  // null: none
    const char* tip = nullptr;
  };
  struct Section {
    int order = 0;  // in the text, the smallest first
    std::string (*text)(const Scene&) = nullptr;
  };

  const char* name;              // in files and on the command line: letters and dashes
  const char* title;             // above it
  const char* explains;          // what one sees: a tip at the title
  int order;                     // in lists, help and its column, the smallest first
  const char* key;               // shows and hides it: "1", "H", "Ctrl+M"
  const char* what;              // beside the key, in menu and help
  const char* group = "Panels";  // there
  Button button = {};            // in the toolbar, for a panel that many will look for

  Where where = Where::side;
  Size (*size)(std::size_t traces);
  // Its turn among the panels of its column, from 1 on, as long as there is room; 0: shown only when somebody asks for it.
  int (*usual)(const Situation&) = [](const Situation&) { return 0; };
  bool shared = false;  // one picture of all traces, not the active one's
  bool list = false;    // leaves room for its scrollbar

  // What it shows. Exactly one of these:
  Picture (*layout)(const Scene&, Box) = nullptr;  // a picture, pure: nothing but the scene and the box decides it
  std::string (*words)(const Scene&) = nullptr;    // a text, which the host wraps and scrolls
  bool sliders = false;                            // the sliders that vary a scenario, which only the host can draw

  // These may be left out.
  std::string (*at_right)(const Scene&) = nullptr;  // a few words at the right of its title
  // The scroll position, at best the scene's, at which the selected request is seen, or else whoever runs; pixels.
  float (*reveal)(const Scene&, Box) = nullptr;
  std::vector<Meaning> (*meanings)(std::span<const TraceModel* const>) = nullptr;  // of colours that occur in these traces
  Legend legend = Legend::title;                                                   // where they are explained
  Click click = Click::nothing;
  // Thin things: the pointer means the nearest one within so many lines of text.
  float reach = 0;
  Section describe = {};  // its part of --describe
};

// All there are, by `order`.
std::span<const Panel* const> all_panels();
const Panel* find_panel(std::string_view name);  // null: no such panel
std::string panel_names();                       // "requests, steps, ..."

// A value for every panel.
template <typename T>
class PerPanel {
 public:
  PerPanel() : values_(all_panels().size()) {}
  typename std::vector<T>::reference operator[](const Panel& panel) { return values_[place_of(panel)]; }
  typename std::vector<T>::const_reference operator[](const Panel& panel) const { return values_[place_of(panel)]; }
  void fill(const T& value) { values_.assign(values_.size(), value); }

 private:
  static std::size_t place_of(const Panel& panel) {
    std::size_t place = 0;
    while (all_panels()[place] != &panel) ++place;
    return place;
  }
  std::vector<T> values_;
};

// `tokenyard view --describe`: what a picture of this moment would show, as text. The scene's frames need no style.
std::string describe(const Scene& scene);

// In the order of the folder's file names; the build writes its definition (see CMakeLists.txt).
std::span<const Panel* const> listed_panels();

}  // namespace tokenyard::viz
