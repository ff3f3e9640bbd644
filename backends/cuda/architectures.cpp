#include "backends/cuda/architectures.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace tokenyard::cuda {
namespace {

bool has_machine_code(int capability, const Architectures& built) {
  return std::any_of(built.machine.begin(), built.machine.end(),
                     [&](int each) { return each / 10 == capability / 10 && each % 10 <= capability % 10; });
}

bool has_ptx(int capability, const Architectures& built) {
  return std::any_of(built.ptx.begin(), built.ptx.end(), [&](int each) { return each <= capability; });
}

}  // namespace

Architectures parse_architectures(std::string_view list) {
  Architectures out;
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(','), list.size());
    const std::string_view entry = list.substr(0, end);
    list.remove_prefix(std::min(end + 1, list.size()));
    int number = 0;
    const auto [rest, error] = std::from_chars(entry.data(), entry.data() + entry.size(), number);
    if (error != std::errc() || number <= 0) continue;
    const std::string_view kind(rest, static_cast<std::size_t>(entry.data() + entry.size() - rest));
    if (kind.empty() || kind == "-real") out.machine.push_back(number);
    if (kind.empty() || kind == "-virtual") out.ptx.push_back(number);
  }
  std::sort(out.machine.begin(), out.machine.end());
  std::sort(out.ptx.begin(), out.ptx.end());
  return out;
}

const Architectures& built_architectures() {
  static const Architectures built = parse_architectures(TOKENYARD_ARCHITECTURES);
  return built;
}

std::string why_no_code(const std::string& card, int capability, const Architectures& built) {
  if (capability < kLeastCapability) {
    return fmt::format(
        "{} has compute capability {}; the kernels need {} (Ampere, 2020) or newer, whose tensor cores multiply bf16: use "
        "--backend cpu",
        card, in_words(capability), in_words(kLeastCapability));
  }
  if (has_machine_code(capability, built) || has_ptx(capability, built)) return {};
  return fmt::format(
      "{} has compute capability {}, and this build has code for {} only: build with "
      "-DCMAKE_CUDA_ARCHITECTURES={}, or without that option for every card",
      card, in_words(capability), in_words(built), capability);
}

std::string what_the_driver_does(const std::string& card, int capability, const Architectures& built) {
  if (has_machine_code(capability, built) || !has_ptx(capability, built)) return {};
  return fmt::format(
      "{} has compute capability {}, and this build has code for {}: the driver compiles it for this card at the first start, "
      "which takes some seconds, and keeps the result",
      card, in_words(capability), in_words(built));
}

std::string in_words(int capability) { return fmt::format("{}.{}", capability / 10, capability % 10); }

std::string in_words(const Architectures& built) {
  std::vector<std::string> names;
  for (const int each : built.machine) names.push_back(in_words(each));
  for (const int each : built.ptx) names.push_back("PTX of " + in_words(each));
  if (names.empty()) return "nothing";
  const std::string last = names.back();
  names.pop_back();
  return names.empty() ? last : fmt::format("{} and {}", fmt::join(names, ", "), last);
}

}  // namespace tokenyard::cuda
