// Files that the viewer writes into the folder it was started in.
#pragma once

#include <cstddef>
#include <string>

#include "viz/app/app.h"

namespace tokenyard::viz {

// A side as a trace file for whoever reads files: its own, or one written aside for as long as this lives.
class OnDisk {
 public:
  OnDisk(const Side& side, std::size_t index);
  ~OnDisk();
  OnDisk(const OnDisk&) = delete;
  OnDisk& operator=(const OnDisk&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  bool mine_;
};

// tokenyard-WHAT1ENDING, or the next number that is free.
std::string free_name(const std::string& what, const std::string& ending);
// The range's requests and steps as CSV; every trace for ui.perfetto.dev. `app.message` says what was written, or why not.
void save_csv(App& app);
void save_perfetto(App& app);

}  // namespace tokenyard::viz
