#include "backends/text/stop_strings.h"

#include <algorithm>
#include <utility>

namespace tokenyard {

StopStrings::StopStrings(std::vector<std::string> strings) : strings_(std::move(strings)) {
  std::erase(strings_, std::string());
}

std::string StopStrings::push(std::string_view text) {
  if (found_) return {};
  held_ += text;
  std::size_t cut = std::string::npos;
  for (const std::string& stop : strings_) {
    cut = std::min(cut, held_.find(stop, passed_ < stop.size() ? 0 : passed_ + 1 - stop.size()));
  }
  if (cut != std::string::npos) {
    found_ = true;
    held_.resize(cut);
    return std::exchange(held_, {});
  }
  return release();
}

std::string StopStrings::pass(std::string_view text) {
  if (found_) return {};
  held_ += text;
  passed_ = held_.size();
  return release();
}

std::string StopStrings::release() {
  std::size_t hold = 0;
  for (const std::string& stop : strings_) {
    for (std::size_t n = std::min(stop.size() - 1, held_.size()); n > hold; --n) {
      if (held_.ends_with(std::string_view(stop).substr(0, n))) hold = n;
    }
  }
  std::string out = held_.substr(0, held_.size() - hold);
  held_.erase(0, out.size());
  passed_ -= std::min(passed_, out.size());
  return out;
}

std::string StopStrings::finish() { return std::exchange(held_, {}); }

}  // namespace tokenyard
