// What this build has code for, and what a card makes of it: pure functions, with no CUDA.
//
// Machine code runs on cards of the same major compute capability and an equal or greater minor one: that of 8.6 on 8.9, not
// that of 8.0 on 9.0. PTX is compiled by the driver of any card of its compute capability or a greater one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tokenyard::cuda {

inline constexpr int kLeastCapability = 80;  // the first whose tensor cores multiply bf16

struct Architectures {
  std::vector<int> machine;  // 89 is 8.9
  std::vector<int> ptx;
};

// A list as CMAKE_CUDA_ARCHITECTURES has, with commas: "80-real,90,120-virtual". Entries that are no number of that kind, or
// name one card only (90a), count for nothing.
Architectures parse_architectures(std::string_view list);
// This build's.
const Architectures& built_architectures();

// Why a card cannot run such a build, one sentence; empty: it can.
std::string why_no_code(const std::string& card, int capability, const Architectures& built);
// What its user should know before waiting: the driver has to compile PTX. Empty: it has not.
std::string what_the_driver_does(const std::string& card, int capability, const Architectures& built);

std::string in_words(int capability);              // 89: "8.9"
std::string in_words(const Architectures& built);  // "8.0, 8.9 and PTX of 9.0"

}  // namespace tokenyard::cuda
