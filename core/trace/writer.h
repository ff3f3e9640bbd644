// A trace as a file of JSON Lines.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/trace/sink.h"

namespace tokenyard {

// JSON Lines. Each record is one line, complete or absent; buffered 64 KiB at a time. O(1) memory.
class TraceWriter final : public TraceSink {
 public:
  // Throws InputError when the file cannot be created or (any call) written.
  explicit TraceWriter(const std::string& path);
  ~TraceWriter() override;
  void on_header(const TraceHeader&) override;
  void on_join(const JoinRecord&) override;
  void on_step(const StepRecord&) override;
  void on_cancel(const CancelRecord&) override;
  void on_end(std::int64_t steps, TimeNs at) override;
  void flush();

 private:
  struct Out;
  std::unique_ptr<Out> out_;
};

}  // namespace tokenyard
