// What a mistyped name was meant to be.
#pragma once

#include <string>
#include <vector>

namespace tokenyard::cli {

// The one of `names` that a few keystrokes turn `word` into, or empty when none is near. O(total length of names x word).
std::string closest(const std::string& word, const std::vector<std::string>& names);

// "; did you mean simulate?", or nothing.
std::string did_you_mean(const std::string& word, const std::vector<std::string>& names);

}  // namespace tokenyard::cli
