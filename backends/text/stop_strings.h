// Cuts a growing text before the first of some strings, wherever tokens begin and end.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tokenyard {

class StopStrings {
 public:
  // Empty strings are passed over.
  explicit StopStrings(std::vector<std::string> strings);

  // Appends `text` and returns what is certain by now: all of it but the longest end that may yet grow into one of the
  // strings. Once found() it returns nothing. O(text x strings x longest string).
  std::string push(std::string_view text);
  // The same for text in which no string may end yet; one may begin in it and end in what follows.
  std::string pass(std::string_view text);
  // The text has ended: what was held back.
  std::string finish();

  bool found() const { return found_; }

 private:
  std::string release();  // all of held_ but what may yet grow into a string

  std::vector<std::string> strings_;
  std::string held_;
  std::size_t passed_ = 0;  // bytes at the start of held_ in which no string may end
  bool found_ = false;
};

}  // namespace tokenyard
