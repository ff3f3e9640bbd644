#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <vector>

#include "cli/exercise/graders.h"
#include "sim/random.h"

namespace tokenyard::cli {
namespace {

Verdict not_yet(std::string why) { return {false, {"not yet: " + std::move(why)}}; }

}  // namespace

Verdict grade_sum(SumFunction* sum) {
  Random random(1, 0, 0);
  for (const int n : {1, 2, 7, 64, 100, 1000, 4096}) {
    std::vector<float> x;
    double exact = 0, magnitude = 0;
    for (int i = 0; i < n; ++i) {
      x.push_back(static_cast<float>((random.uniform() - 0.45) * 1000));
      exact += x.back();
      magnitude += std::abs(x.back());
    }
    // What is added and taken off again swallows other digits at each place, in doubles too.
    for (int i = 0; i + 1 < n; i += 2) {
      const auto large = static_cast<float>(std::ldexp(1.0, 10 + static_cast<int>(random.uniform() * 60)));
      const auto at = static_cast<std::size_t>(random.uniform() * (n / 2)), to = at + static_cast<std::size_t>(n) / 2;
      if (random.uniform() < 0.5 || to >= x.size() || std::abs(x[at]) > 1000 || std::abs(x[to]) > 1000) continue;
      exact -= static_cast<double>(x[at]) + static_cast<double>(x[to]);
      x[at] = large;
      x[to] = -large;
      magnitude += 2 * large;
    }
    const float alone = sum(x.data(), n, 1);
    // Adding one after the other is off by n/2 roundings of 2^-24 at the very worst, and then the double's own.
    const double most = magnitude * (static_cast<double>(n) * 0x1p-24 + 1e-12);
    if (!(std::abs(static_cast<double>(alone) - exact) <= most))
      return not_yet(fmt::format("the sum of {} numbers is off by {:.3g}, more than rounding explains ({:.3g})", n,
                                 std::abs(static_cast<double>(alone) - exact), most));
    for (const int rows : {2, 3, 4, 8, 15, 16, 33, 64, 256}) {
      const float beside = sum(x.data(), n, rows);
      if (std::bit_cast<std::uint32_t>(alone) != std::bit_cast<std::uint32_t>(beside))
        return not_yet(fmt::format("the sum of the same {} numbers is {:.9g} alone and {:.9g} in a batch of {} rows", n, alone,
                                   beside, rows));
    }
  }
  return {true,
          {"right: the same bits alone and in batches of 2 to 256 rows, and no further from the sum than rounding explains"}};
}

}  // namespace tokenyard::cli
