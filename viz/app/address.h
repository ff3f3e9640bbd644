// A moment as the part of a page's address behind the "#": which lesson and page, or which scenarios, varied how, and what is
// shown of them. docs/classroom.md tells how to write one by hand.
//   lesson=paging&page=2
//   scenario=preemption-storm:crowded,preemption-storm:fewer_seats&set2=engine.max_num_seqs=16&at=preemption%201
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "viz/app/view_state.h"

namespace tokenyard::viz {

struct Address {
  struct Run {
    std::string scenario;  // its name; empty for a lesson's runs
    std::optional<std::string> variant;
    std::vector<std::string> set;  // overrides: PATH=VALUE
  };
  std::string lesson;  // its name; empty: none
  int page = 1;
  std::vector<Run> runs;  // one to kMostTraces, or none; for a lesson only what its runs are varied by
  ViewState view;
};

// Throws InputError. The names are letters, digits, "-" and "_"; whether there is such a lesson or scenario is not looked at.
Address parse_address(std::string_view text);
std::string address_text(const Address& address);

// Puts what it names into an application that has nothing open. `scenarios` is the folder with NAME.json and lessons/NAME.json.
// Throws InputError.
void open_address(App& app, const Address& address, const std::string& scenarios);

// What brings back what is open: all of it but ViewState, which view_state_of has. A run kept beside others is a run. Without
// any run where one is of a trace's file, which no address can name.
Address address_of(const App& app);

}  // namespace tokenyard::viz
