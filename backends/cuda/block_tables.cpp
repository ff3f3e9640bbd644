#include "backends/cuda/block_tables.h"

#include <algorithm>

namespace tokenyard::cuda {

void BlockTables::prepare(const StepPlan& plan, std::vector<kernels::TableUpdate>& updates) {
  row_of_.clear();
  // Requests that have a row are marked first, so that none of these rows is taken.
  for (const Row& row : plan.rows) {
    const auto found = of_request_.find(row.request->number);
    if (found != of_request_.end()) rows_[static_cast<std::size_t>(found->second)].step = plan.step;
  }
  for (const NewBlocks& blocks : plan.new_blocks) {
    const auto found = of_request_.find(blocks.request->number);
    if (found == of_request_.end()) continue;
    Entry& entry = rows_[static_cast<std::size_t>(found->second)];
    entry.known = std::min(entry.known, blocks.first_index);  // a table may have been replaced, wholly or from there on
  }
  for (const Row& row : plan.rows) {
    const Request& request = *row.request;
    const auto found = of_request_.find(request.number);
    const std::int32_t at = found != of_request_.end() ? found->second : take_row(request.number, plan.step);
    Entry& entry = rows_[static_cast<std::size_t>(at)];
    const auto count = static_cast<std::int32_t>(request.blocks.size());
    for (std::int32_t i = entry.known; i < count; ++i) {
      updates.push_back({at * stride_ + i, request.blocks[static_cast<std::size_t>(i)]});
    }
    entry.known = count;
    row_of_.push_back(at);
  }
}

std::int32_t BlockTables::take_row(std::int32_t request, std::int64_t step) {
  while (rows_[hand_].step == step) hand_ = (hand_ + 1) % rows_.size();
  Entry& entry = rows_[hand_];
  if (entry.request >= 0) of_request_.erase(entry.request);
  entry = {request, 0, step};
  const auto row = static_cast<std::int32_t>(hand_);
  of_request_.emplace(request, row);
  hand_ = (hand_ + 1) % rows_.size();
  return row;
}

}  // namespace tokenyard::cuda
