// A lesson one pages through: texts, each bound to a moment of a scenario. docs/viewer.md tells how to write one.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "viz/view/axis.h"
#include "viz/view/panel.h"

namespace tokenyard::viz {

// What a page speaks of, and must be seen on it: something of a panel that is drawn for a request (a lane, a sentence), or that
// has a meaning of the panel's legend, or both; or words.
struct Shown {
  const Panel* panel;
  std::size_t trace;    // whose panel
  std::string request;  // id
  std::string meaning;  // as the legend says it
  std::string says;
};

struct LessonPage {
  std::string title, text;
  int chapter = 0;                   // of the book; 0: none
  std::string at;                    // as parse_when reads it, in the first run; empty: stays
  std::string from, to;              // the visible range; empty: all
  std::string select;                // request id, or empty
  std::size_t trace = 0;             // the active one
  std::vector<const Panel*> panels;  // shown; empty: stays
  std::vector<const Panel*> highlight;
  Align align = Align::time;
  std::optional<LatencyKind> latency;  // which distribution; absent: stays
  std::vector<Shown> shows;
  std::string question, answer;
};

struct LessonPages {
  std::string path, title;
  std::string scenario;                // file
  std::vector<std::string> variants;   // one to four of the scenario's, side by side
  std::vector<std::string> overrides;  // of all of them
  std::vector<LessonPage> pages;       // at least one
};

// Throws InputError.
LessonPages load_lesson_pages(const std::string& path);
LessonPages parse_lesson_pages(std::string_view text, const std::string& path);

}  // namespace tokenyard::viz
