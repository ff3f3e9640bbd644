// A trace from a file of JSON Lines, whole or still being written.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <memory>
#include <string>

#include "core/trace/source.h"

namespace tokenyard {

// Reads a trace record by record. Throws InputError naming file, line and what was expected. Records are checked for shape and
// range; TraceState checks that they fit together. Memory follows the longest line. When next() finds no whole line it says
// none; after the file has grown the next call goes on from there.
class TraceReader final : public TraceSource {
 public:
  explicit TraceReader(const std::string& path);
  // `name` stands in messages.
  TraceReader(std::unique_ptr<std::istream> in, std::string name);
  ~TraceReader() override;

  const TraceHeader& header() const override;  // read by the constructor
  Kind next() override;
  const JoinRecord& join() const override;
  const StepRecord& step() const override;
  const CancelRecord& cancel() const override;
  std::int64_t end_steps() const override;
  TimeNs end_at() const override;
  const std::string& name() const override;
  bool cut_off() const override;  // the last line is not whole
  std::int64_t line() const;      // of the record next() has read; the header's is 1

 private:
  struct In;
  std::unique_ptr<In> in_;
};

}  // namespace tokenyard
