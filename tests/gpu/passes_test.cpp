#include "backends/cuda/passes.h"

#include <algorithm>
#include <random>
#include <tuple>

#include "catch.h"
#include "core/request.h"

namespace tokenyard {
namespace {

using cuda::Pass;

// Rows of up to 40 tokens and up to 20 tokens of padding for eight requests.
StepPlan random_plan(std::mt19937& dice, std::vector<Request>& requests) {
  const auto roll = [&](int most) { return static_cast<std::int32_t>(dice() % static_cast<unsigned>(most + 1)); };
  StepPlan plan;
  plan.step = roll(1000);
  for (Request& request : requests) {
    Row row{};
    row.request = &request;
    row.first = roll(100);
    row.count = 1 + roll(39);
    row.padding = roll(20);
    row.sample = roll(1) == 1;
    row.waits_for = roll(3) - 1;
    plan.rows.push_back(row);
  }
  plan.new_blocks.push_back({&requests[0], 3});
  return plan;
}

TEST_CASE("passes together compute what the plan does, in its order, and none has too many tokens") {
  std::mt19937 dice(1);
  std::vector<Request> requests(8);
  std::vector<Pass> passes;  // reused, as steps do
  int cut = 0;
  for (int round = 0; round < 500; ++round) {
    const StepPlan plan = random_plan(dice, requests);
    const auto most = static_cast<std::int32_t>(1 + dice() % 300);
    cuda::split_into_passes(plan, most, passes);

    // Position by position: whose, which, whether its logits are sampled, what its id waits for.
    using Computed = std::tuple<const Request*, std::int32_t, bool, std::int32_t>;
    const auto positions_of = [](const StepPlan& of, std::vector<Computed>& out) {
      for (const Row& row : of.rows) {
        for (std::int32_t i = 0; i < row.count; ++i) {
          const bool last = i + 1 == row.count;
          out.push_back({row.request, row.first + i, row.sample && last, last ? row.waits_for : -1});
        }
      }
    };
    std::vector<Computed> expected, computed;
    positions_of(plan, expected);
    std::int32_t padding = 0;
    for (const Row& row : plan.rows) padding += row.padding;
    for (const Pass& pass : passes) {
      const auto before = static_cast<std::int32_t>(computed.size());
      positions_of(pass.plan, computed);
      const auto tokens = static_cast<std::int32_t>(computed.size()) - before + pass.padding;
      CHECK((tokens > 0 && tokens <= most));
      CHECK(pass.plan.step == plan.step);
      CHECK(pass.plan.new_blocks.size() == (&pass == &passes.front() ? 1 : 0));
      padding -= pass.padding;
    }
    CHECK(computed == expected);
    CHECK(padding == 0);
    cut += passes.size() > 1;
  }
  CHECK(cut > 100);
}

}  // namespace
}  // namespace tokenyard
