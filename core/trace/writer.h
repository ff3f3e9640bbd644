// A trace as a file of JSON Lines.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/trace/sink.h"

namespace tokenyard {

// JSON Lines. Each record is one line, complete or absent; buffered 64 KiB at a time. O(1) memory. The file can be followed
// while it grows, under its own name, or as PATH.part where it will replace an older one (OutputFile in
// core/base/output_file.h).
class TraceWriter final : public TraceSink {
 public:
  // Throws InputError when the file cannot be created or (any call) written.
  explicit TraceWriter(const std::string& path);
  // Finishes, unless an exception ends the run: then the file goes, and an older one stays.
  ~TraceWriter() override;
  void on_header(const TraceHeader&) override;
  void on_join(const JoinRecord&) override;
  void on_step(const StepRecord&) override;
  void on_cancel(const CancelRecord&) override;
  void on_end(std::int64_t steps, TimeNs at) override;
  void flush();
  // Flushes, and puts the file in the place of an older one. Nothing can be written after it.
  void finish();

 private:
  struct Out;
  std::unique_ptr<Out> out_;
};

}  // namespace tokenyard
