// Which row of the device's block tables a request has, and which of its ids the device does not know yet.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "core/step_plan.h"
#include "kernels/block_tables.h"

namespace tokenyard::cuda {

// A cache: a request that needs a row takes it from one that has no part in the step, and the row is filled from
// Request::blocks. So a request may leave without notice. Pure host code.
class BlockTables {
 public:
  // REQUIRES: no step has more than `rows` rows.
  BlockTables(std::int32_t rows, std::int32_t stride) : stride_(stride), rows_(static_cast<std::size_t>(rows)) {}

  // Finds a table row for each of plan.rows: rows()[i]. Appends to `updates` what the device must learn. O(rows + new ids).
  void prepare(const StepPlan& plan, std::vector<kernels::TableUpdate>& updates);
  std::span<const std::int32_t> rows() const { return row_of_; }

 private:
  struct Entry {
    std::int32_t request = -1;  // number
    std::int32_t known = 0;     // leading ids the device has
    std::int64_t step = -1;     // of its last use
  };
  std::int32_t take_row(std::int32_t request, std::int64_t step);

  std::int32_t stride_;
  std::vector<Entry> rows_;
  std::unordered_map<std::int32_t, std::int32_t> of_request_;  // number -> row; looked up, never walked
  std::size_t hand_ = 0;                                       // where the search for an idle row goes on
  std::vector<std::int32_t> row_of_;
};

}  // namespace tokenyard::cuda
