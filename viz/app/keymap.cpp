#include "viz/app/keymap.h"

#include <vector>

namespace tokenyard::viz {
namespace {

constexpr const char* kTime = "Time";
constexpr const char* kView = "View";
constexpr const char* kFind = "Select and find";
constexpr const char* kCompare = "Compare and vary";
constexpr const char* kPanels = "Panels";
constexpr const char* kKeep = "Keep";
constexpr const char* kLesson = "Lessons";

// A row without keys stands for the panels of its group.
const Binding kTable[] = {
    {Command::play, {"Space", nullptr}, "play or pause", kTime},
    {Command::step_back, {"Left", "Q"}, "one step back", kTime},
    {Command::step_on, {"Right", "E"}, "one step on", kTime},
    {Command::ten_back, {"Shift+Left", "Shift+Q"}, "ten steps back", kTime},
    {Command::ten_on, {"Shift+Right", "Shift+E"}, "ten steps on", kTime},
    {Command::go_begin, {"Home", nullptr}, "to the beginning", kTime},
    {Command::go_end, {"End", nullptr}, "to the end", kTime},
    {Command::slower, {"[", nullptr}, "play slower", kTime},
    {Command::faster, {"]", nullptr}, "play faster", kTime},
    {Command::follow, {"U", nullptr}, "keep reading a trace that grows", kTime},

    {Command::zoom_in, {"W", nullptr}, "zoom in at the pointer", kView},
    {Command::zoom_in_fast, {"Shift+W", nullptr}, "zoom in faster", kView},
    {Command::zoom_out, {"S", nullptr}, "zoom out", kView},
    {Command::zoom_out_fast, {"Shift+S", nullptr}, "zoom out faster", kView},
    {Command::pan_left, {"A", nullptr}, "move left", kView},
    {Command::pan_left_fast, {"Shift+A", nullptr}, "move left faster", kView},
    {Command::pan_right, {"D", nullptr}, "move right", kView},
    {Command::pan_right_fast, {"Shift+D", nullptr}, "move right faster", kView},
    {Command::show_selection, {"F", nullptr}, "show the range or the selected request whole", kView},
    {Command::show_all, {"0", nullptr}, "show the whole run", kView},
    {Command::toggle_theme, {"T", nullptr}, "dark or light", kView},
    {Command::larger, {"Ctrl++", "Ctrl+="}, "everything larger", kView},
    {Command::smaller, {"Ctrl+-", nullptr}, "everything smaller", kView},
    {Command::usual_size, {"Ctrl+0", nullptr}, "the usual size", kView},

    {Command::next_request, {"Down", nullptr}, "select the next request", kFind},
    {Command::previous_request, {"Up", nullptr}, "select the previous request", kFind},
    {Command::page_down, {"PageDown", nullptr}, "lanes, or the chosen panel, down", kFind},
    {Command::page_up, {"PageUp", nullptr}, "up", kFind},
    {Command::span_on, {".", nullptr}, "to the selected request's next span", kFind},
    {Command::span_back, {",", nullptr}, "to its previous span", kFind},
    {Command::mark_range, {"M", nullptr}, "begin or end a range at the cursor", kFind},
    {Command::clear, {"Escape", nullptr}, "clear range, selection, search", kFind},
    {Command::search, {"/", "Ctrl+F"}, "search: an id, preempted, refused, failed, cancelled", kFind},
    {Command::next_hit, {"Enter", "N"}, "next hit", kFind},
    {Command::previous_hit, {"Shift+Enter", "Shift+N"}, "previous hit", kFind},
    {Command::copy_text, {"Y", nullptr}, "copy this moment as text", kFind},

    {Command::first_difference, {"X", nullptr}, "to the first difference between two runs", kCompare},
    {Command::next_difference, {"Shift+X", nullptr}, "to the next one", kCompare},
    {Command::next_align, {"L", nullptr}, "align by time, step, work, arrival", kCompare},
    {Command::next_trace, {"Tab", nullptr}, "the other trace", kCompare},
    {Command::toggle_panel, {}, nullptr, kCompare},
    {Command::next_knob, {"B", nullptr}, "the next slider", kCompare},
    {Command::previous_knob, {"Shift+B", nullptr}, "the slider before", kCompare},
    {Command::knob_up, {"+", "="}, "move it up", kCompare},
    {Command::knob_down, {"-", nullptr}, "move it down", kCompare},
    {Command::knobs_back, {"Backspace", nullptr}, "all sliders back", kCompare},
    {Command::pin, {"Shift+I", nullptr}, "keep this run beside the next ones", kCompare},

    {Command::toggle_panel, {}, nullptr, kPanels},
    {Command::next_panel, {"R", nullptr}, "choose the next panel, and what it shows", kPanels},
    {Command::previous_panel, {"Shift+R", nullptr}, "choose the one before", kPanels},
    {Command::panel_taller, {"Ctrl+Down", nullptr}, "the chosen panel taller", kPanels},
    {Command::panel_shorter, {"Ctrl+Up", nullptr}, "less tall", kPanels},
    {Command::column_wider, {"Ctrl+Left", nullptr}, "the right column wider", kPanels},
    {Command::column_narrower, {"Ctrl+Right", nullptr}, "narrower", kPanels},
    {Command::maximize, {"Z", nullptr}, "the chosen panel or that under the pointer alone, and back", kPanels},
    {Command::next_lanes, {"V", nullptr}, "lanes by request, by seat, as density", kPanels},
    {Command::next_order, {"O", nullptr}, "sort the lanes", kPanels},
    {Command::next_statistic, {"K", nullptr}, "TTFT, TPOT, ITL or end-to-end latency", kPanels},

    {Command::save_picture, {"P", nullptr}, "write a picture", kKeep},
    {Command::save_csv, {"C", nullptr}, "write the range's requests and steps as CSV", kKeep},
    {Command::save_perfetto, {"G", nullptr}, "export for ui.perfetto.dev", kKeep},
    {Command::help, {"?", "F1"}, "this help", kKeep},
    {Command::quit, {"Ctrl+Q", nullptr}, "quit", kKeep},

    {Command::next_page, {"Right", "PageDown"}, "next page", kLesson, true},
    {Command::previous_page, {"Left", "PageUp"}, "previous page", kLesson, true},
    {Command::answer, {"Enter", nullptr}, "show or hide the answer", kLesson, true},
};

void append_utf8(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += '?';  // no binding has one
  }
}

}  // namespace

std::span<const Binding> bindings() {
  static const std::vector<Binding> all = [] {
    std::vector<Binding> out;
    for (const Binding& row : kTable) {
      if (row.command != Command::toggle_panel) {
        out.push_back(row);
        continue;
      }
      for (const Panel* panel : all_panels()) {
        if (std::string_view(panel->group) == row.group)
          out.push_back({{Command::toggle_panel, panel}, {panel->key, nullptr}, panel->what, row.group});
      }
    }
    return out;
  }();
  return all;
}

std::string chord(const KeyPress& press) {
  std::string out = press.ctrl ? "Ctrl+" : "";
  if (!press.name.empty()) return out + (press.shift ? "Shift+" : "") + std::string(press.name);
  char32_t c = press.character;
  if (c == ' ') return out + "Space";
  const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  // Which key gives a sign differs between keyboards, and some need Shift for it.
  if (letter && press.shift) out += "Shift+";
  if (c >= 'a' && c <= 'z') c -= 'a' - 'A';
  append_utf8(out, c);
  return out;
}

std::optional<Action> command_for(const KeyPress& press, bool lesson_open) {
  const std::string name = chord(press);
  for (const bool of_lessons : {true, false}) {
    if (of_lessons && !lesson_open) continue;
    for (const Binding& binding : bindings()) {
      if (binding.in_lessons != of_lessons) continue;
      for (const char* key : binding.keys) {
        if (key != nullptr && name == key) return binding.command;
      }
    }
  }
  return std::nullopt;
}

std::string keys_of(const Action& command) {
  for (const Binding& binding : bindings()) {
    if (binding.command != command) continue;
    return binding.keys[1] == nullptr ? binding.keys[0] : std::string(binding.keys[0]) + " or " + binding.keys[1];
  }
  return "";
}

}  // namespace tokenyard::viz
