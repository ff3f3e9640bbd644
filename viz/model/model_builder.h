// Makes a TraceModel, record by record.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/trace/sink.h"
#include "viz/model/trace_model.h"

namespace tokenyard::viz {

// Takes a trace's records, from a file or from a running engine. What it has built so far can be shown at any time between two
// records. Throws InputError when a record does not fit; the model then holds everything before it.
class ModelBuilder final : public TraceSink {
 public:
  explicit ModelBuilder(std::string name);
  ~ModelBuilder() override;
  // The records to come are a file of about so many bytes: room is made at once, as many traces need it.
  void expect(std::uint64_t bytes);
  void on_header(const TraceHeader&) override;
  void on_join(const JoinRecord&) override;
  void on_step(const StepRecord&) override;
  void on_cancel(const CancelRecord&) override;
  void on_end(std::int64_t steps, TimeNs at) override;

  const TraceModel& model() const;
  // Hands the model out; the builder is of no further use.
  std::shared_ptr<const TraceModel> take();

 private:
  struct Work;
  std::unique_ptr<Work> work_;
};

}  // namespace tokenyard::viz
