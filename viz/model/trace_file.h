// A trace file on its way into a model: whole, cut off, broken, or still growing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/trace/reader.h"
#include "viz/model/model_builder.h"

namespace tokenyard::viz {

class TraceFile {
 public:
  // Throws InputError when the file or its first line cannot be read.
  explicit TraceFile(const std::string& path);

  // Reads up to `records` more records; true: there may be more at once. A file that grows can be polled again and again. Never
  // throws for what stands in the file: see error().
  bool read(std::int64_t records);
  void read_all() {
    while (read(1 << 16)) {
    }
  }
  const TraceModel& model() const { return builder_.model(); }
  // "FILE: line 7, column 3: ...", or empty. What came before it is in the model; nothing after it is read.
  const std::string& error() const { return error_; }
  // Ended without its last line: a run that was cut off, or is still being written.
  bool unfinished() const { return error_.empty() && !model().complete(); }
  // The sentence for that: "FILE: cut off in the middle of line 12" or "FILE: no end after line 12".
  std::string unfinished_in_words() const;

 private:
  TraceReader reader_;
  ModelBuilder builder_;
  std::string error_;
};

}  // namespace tokenyard::viz
