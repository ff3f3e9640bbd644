// Every action of the viewer and the keys for it: one table, from which the help and the menus' hints are made.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

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
  next_align,
  next_order,
  next_lanes,
  next_statistic,
  panel1,
  panel2,
  panel3,
  panel4,
  panel5,
  panel6,
  panel7,
  panel8,
  panel9,
  panel_compare,
  panel_details,
  next_panel,
  previous_panel,
  panel_taller,
  panel_shorter,
  column_wider,
  column_narrower,
  maximize,
  what_if,
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

struct Binding {
  Command command;
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
std::optional<Command> command_for(const KeyPress& press, bool lesson_open);
// The keys of `command` as the help writes them: "W", "← or Q".
std::string keys_of(Command command);

}  // namespace tokenyard::viz
