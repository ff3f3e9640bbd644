// The viewer's state, and everything one can do to it. Keys, menus, the command line, lessons and tests all come through here;
// viz/draw turns it into a picture.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/metrics.h"
#include "viz/app/differences.h"
#include "viz/app/keymap.h"
#include "viz/app/lesson_pages.h"
#include "viz/app/theme.h"
#include "viz/app/what_if.h"
#include "viz/model/moment.h"
#include "viz/model/prefix_tree.h"
#include "viz/model/statistics.h"
#include "viz/model/trace_file.h"
#include "viz/model/words.h"
#include "viz/view/axis.h"
#include "viz/view/bars.h"
#include "viz/view/comparison.h"
#include "viz/view/lanes.h"
#include "viz/view/panel.h"

namespace tokenyard::viz {

// One of the traces under the cursor: a file, or a scenario's run in memory.
struct Side {
  std::string name;                            // with what sliders have changed: "crowded, seats 16"
  std::string title;                           // without
  std::string file;                            // of a trace; empty: a scenario's run
  std::string scenario;                        // its file
  std::vector<std::string> overrides;          // as it was opened
  std::array<std::string, 10> varied;          // by the sliders: values, empty where untouched
  std::unique_ptr<TraceFile> trace;            // owns the model, or
  std::shared_ptr<const TraceModel> run;       // this does,
  std::shared_ptr<const MemoryTrace> records;  // and this is what it was made from
  std::shared_ptr<const Scenario> resolved;    // of `run`, where it has a scenario

  const TraceModel* model = nullptr;
  std::optional<Clock> clock;
  std::unique_ptr<Seeker> seeker;
  Latency latency;
  Verdict verdict;
  std::vector<std::int32_t> order;  // of its lanes
  std::int32_t selected = -1;
  std::int32_t step = -1;           // at the cursor; -1: none has begun there, or all are over
  bool over = false;                // the cursor is where this run has ended
  std::vector<PrefixNode> tree;     // there
  std::vector<Sentence> sentences;  // there
  PerPanel<float> scroll;
  mutable BarCache bars;                  // of what was laid out latest
  mutable RangeSum range;                 // of what was marked latest,
  mutable std::int32_t range_steps = -1;  // when the model had so many steps; -1: of nothing

  const Moment& moment() const { return seeker->moment(); }
};

struct App {
  std::vector<std::unique_ptr<Side>> sides;  // 1 to kMostTraces
  std::size_t active = 0;                    // which the keyboard means
  Slo slo;

  Axis axis;  // begin and end; panels bring their own x0 and x1
  Extent extent;
  Place cursor = 0;
  Align align = Align::time;
  std::optional<Place> range_from, range_to;  // marked; one alone: begun by a key
  std::string selected;                       // request id, or empty
  LaneOrder order = LaneOrder::arrival;
  LaneView lanes = LaneView::requests;
  LatencyKind statistic = LatencyKind::ttft;

  bool playing = false;
  int speed = 0;        // playback runs 4^speed times as fast as the trace's clock
  bool follow = false;  // files that grow
  PerPanel<bool> shown;
  bool panels_chosen = false;     // all of them, by --panels or a lesson; else the window's size decides,
  PerPanel<std::int8_t> wish;     // but for single ones: 1 shown, -1 hidden
  const Panel* chosen = nullptr;  // by the keyboard
  const Panel* alone = nullptr;   // fills the window
  Theme theme = Theme::dark;
  float scale = 1;                                  // 1 .. 3
  bool theme_chosen = false, scale_chosen = false;  // for this time, against what is remembered
  PerPanel<float> share;                            // heights beside others; 0: the usual
  float side_share = 0;                             // width of the right column, of all; 0: the usual

  std::optional<LessonPages> lesson;
  std::size_t page = 0;
  bool answer_shown = false;

  std::unique_ptr<WhatIf> what_if;  // with the first slider moved
  std::size_t varied_side = 0;      // whose run comes next
  std::size_t knob = 0;             // which slider the keyboard means

  bool help_open = false;
  bool search_open = false;
  std::string search;
  std::ptrdiff_t hit = -1;  // of the search, in its order
  bool reveal = false;      // scroll the lanes to the selected request in the next frame, or to who runs at the cursor
  bool quit = false;
  std::string message;                       // in the status line
  std::string banner;                        // what is wrong with a trace, until it is closed
  std::unique_ptr<Differences> differences;  // as far as somebody has asked
  std::size_t difference = 0;                // which of them is shown,
  bool difference_shown = false;             // until it is closed
  std::string picture_wanted;                // path: the host writes one after this frame

  Side& side() { return *sides[active]; }
  const Side& side() const { return *sides[active]; }
};

// Opens a trace file and reads it to its end. What is wrong in it is told by trace->error() and trace->unfinished().
std::unique_ptr<Side> open_trace(const std::string& path);
// Runs a scenario. Throws InputError when it cannot be read.
std::unique_ptr<Side> open_scenario(const std::string& path, const std::vector<std::string>& overrides,
                                    const std::string& name);
// Opens the lesson's runs in place of all sides and goes to its first page. Throws InputError.
void open_lesson(App& app, LessonPages lesson);
void show_page(App& app, std::size_t page);

// Its trace from the beginning: the file read again, or the run's records.
std::unique_ptr<TraceSource> source_of(const Side& side);

void add_side(App& app, std::unique_ptr<Side> side);
// What one sees at first: the time in which there are requests.
void show_all_requests(App& app);
// To where something happens in the visible time: the first preemption of the first run, or where most requests run at once.
void go_to_something(App& app);
// After a side's model was exchanged or has grown.
void refresh(App& app, Side& side);

void apply(App& app, const Action& action);
void select(App& app, const std::string& id);
void move_cursor(App& app, Place to);
void move_cursor_to_time(App& app, TimeNs time);  // of the active side
// To where the two sides are in the step of this index. Where they are there at different times, everything is put in line by
// step, so that both show it.
void go_to_step(App& app, std::array<std::size_t, 2> sides, std::int32_t step);
void keep_cursor_visible(App& app);
void show_range(App& app, Place from, Place to);
void set_align(App& app, Align align);
void set_order(App& app, LaneOrder order);
void set_panels(App& app, const std::vector<const Panel*>& panels);
// Goes on reading traces that have not ended. False: all have.
bool follow(App& app);

// Lets `seconds` pass: playback, growing files, finished simulations. True: something may look different.
bool advance(App& app, double seconds);

// The marked range in time of `side`, or what is visible.
std::pair<TimeNs, TimeNs> range_of(const App& app, const Side& side);
bool has_range(const App& app);

// What the panels of a trace are given. `style` is borrowed; a text needs none.
Scene scene_of(const App& app, std::size_t trace, const Style* style = nullptr);
Frame frame_of(const App& app, std::size_t trace, const Style* style = nullptr);

}  // namespace tokenyard::viz
