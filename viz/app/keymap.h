// Every action of the viewer and the keys for it: one table, from which menu and help are made. Panels bring their own keys.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "viz/view/panel.h"

namespace tokenyard::viz {

enum class Command : std::uint8_t {
  zoom_in,
  zoom_in_fast,
  zoom_out,
  zoom_out_fast,
  pan_left,
  pan_left_fast,
  pan_right,
  pan_right_fast,
  show_selection,
  show_all,
  play,
  step_back,
  step_on,
  ten_back,
  ten_on,
  go_begin,
  go_end,
  slower,
  faster,
  follow,
  span_back,
  span_on,
  mark_range,
  previous_request,
  next_request,
  page_up,
  page_down,
  next_trace,
  clear,
  search,
  next_hit,
  previous_hit,
  first_difference,
  next_difference,
  next_align,
  next_order,
  next_lanes,
  next_statistic,
  next_panel,
  previous_panel,
  panel_taller,
  panel_shorter,
  column_wider,
  column_narrower,
  maximize,
  toggle_panel,
  next_knob,
  previous_knob,
  knob_up,
  knob_down,
  knobs_back,
  pin,
  toggle_theme,
  larger,
  smaller,
  usual_size,
  save_picture,
  save_csv,
  save_perfetto,
  copy_text,
  help,
  quit,
  next_page,
  previous_page,
  answer,
};

// What a key, a menu entry or a button asks for. A command is one by itself, but toggle_panel must say which panel.
struct Action {
  Action(Command c, const Panel* p = nullptr) : command(c), panel(p) {}  // NOLINT(google-explicit-constructor)
  Command command;
  const Panel* panel;  // of toggle_panel
  friend bool operator==(const Action&, const Action&) = default;
};

struct Binding {
  Action command;
  const char* keys[2];      // "Shift+W", "Ctrl+F", "Left", "?"; the second may be null
  const char* what;         // what it does, in a few words
  const char* group;        // heading in the help
  bool in_lessons = false;  // holds while a lesson is open, and then goes before others
};
std::span<const Binding> bindings();

// "W", "Shift+W", "Ctrl+F", "?": a letter's case and the keyboard's layout are told by `shift` and `character`.
struct KeyPress {
  std::string_view name;  // "Left", "Home", "F1"; empty: a character
  char32_t character = 0;
  bool shift = false;
  bool ctrl = false;
};
std::string chord(const KeyPress& press);
std::optional<Action> command_for(const KeyPress& press, bool lesson_open);
// The keys of `command` as menu and help write them: "W", "Left or Q".
std::string keys_of(const Action& command);

}  // namespace tokenyard::viz
