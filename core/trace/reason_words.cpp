#include "core/trace/reason_words.h"

#include <utility>

namespace tokenyard {
namespace {

std::string count(std::int64_t n, const char* what) { return std::to_string(n) + " " + what + (n == 1 ? "" : "s"); }

}  // namespace

std::string in_words(const Reason& reason) {
  const std::int64_t needed = reason.needed;
  const std::int64_t available = reason.available;
  const std::string free = ", " + std::to_string(available) + " free";
  switch (reason.cause) {
    case Cause::blocks: return "needs " + count(needed, "block") + free;
    case Cause::watermark: return "needs " + count(needed, "block") + " with the watermark" + free;
    case Cause::admission_gate: return "needs " + count(needed, "block") + " for its whole sequence" + free;
    case Cause::region:
      return "needs " + count(needed, "block") + " in a row, the largest hole has " + std::to_string(available);
    case Cause::seats: return "needs seat " + std::to_string(needed) + " of " + std::to_string(available);
    case Cause::token_budget:
      return "needs " + count(needed, "token") + " of this step's budget, " + std::to_string(available) + " left";
    case Cause::preemption: return "waits because the step preempts " + count(needed, "request");
    case Cause::batch_running: return "waits for the running batch of " + std::to_string(needed);
    case Cause::batch_timeout: return "waits up to " + time_in_words(needed) + " for a fuller batch";
  }
  return "?";
}

std::string time_in_words(TimeNs time) {
  const bool negative = time < 0;
  const auto n = negative ? 0 - static_cast<std::uint64_t>(time) : static_cast<std::uint64_t>(time);
  const auto [unit, name] = n >= 1'000'000'000 ? std::pair<std::uint64_t, const char*>{1'000'000'000, " s"}
                            : n >= 1'000'000   ? std::pair<std::uint64_t, const char*>{1'000'000, " ms"}
                            : n >= 1'000       ? std::pair<std::uint64_t, const char*>{1'000, " us"}
                                               : std::pair<std::uint64_t, const char*>{1, " ns"};
  std::string fraction;
  for (std::uint64_t rest = n % unit, place = unit / 10; rest > 0; rest %= place, place /= 10) {
    fraction += static_cast<char>('0' + rest / place);
  }
  return (negative ? "-" : "") + std::to_string(n / unit) + (fraction.empty() ? "" : "." + fraction) + name;
}

}  // namespace tokenyard
