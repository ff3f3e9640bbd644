#include "backends/cuda/passes.h"

#include <algorithm>

namespace tokenyard::cuda {

void split_into_passes(const StepPlan& plan, std::int32_t most_tokens, std::vector<Pass>& passes) {
  std::size_t used = 0;
  std::int32_t room = 0;
  const auto next = [&] {
    if (used == passes.size()) passes.emplace_back();
    Pass& pass = passes[used++];
    pass.plan.clear();
    pass.plan.step = plan.step;
    pass.padding = 0;
    room = most_tokens;
  };
  next();
  passes[0].plan.new_blocks = plan.new_blocks;
  for (const Row& row : plan.rows) {
    for (std::int32_t done = 0; done < row.count;) {
      if (room == 0) next();
      const std::int32_t count = std::min(room, row.count - done);
      const bool last = done + count == row.count;
      passes[used - 1].plan.rows.push_back(
          {row.request, row.first + done, count, 0, row.sample && last, last ? row.waits_for : -1});
      room -= count;
      done += count;
    }
    for (std::int32_t left = row.padding; left > 0;) {
      if (room == 0) next();
      const std::int32_t count = std::min(room, left);
      passes[used - 1].padding += count;
      room -= count;
      left -= count;
    }
  }
  passes.resize(used);
}

}  // namespace tokenyard::cuda
