// A text file line by line, in 64 KiB pieces.
#pragma once

#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace tokenyard {

class LineReader {
 public:
  // Throws InputError when the file cannot be read.
  explicit LineReader(const std::string& path, std::size_t longest_line = std::size_t{1} << 20);

  // The next line without its end, valid until the next call; false at the end of the file. Throws InputError at a line
  // that is too long.
  bool next(std::string_view& line);
  void rewind();

  std::int64_t line() const { return line_; }  // number of the line last returned, from 1
  const std::string& path() const { return path_; }
  // "FILE: line N: `what`"
  [[noreturn]] void fail(const std::string& what) const;

 private:
  [[noreturn]] void too_long();

  std::string path_;
  std::size_t longest_line_;
  std::ifstream in_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0, end_ = 0;  // what of the buffer has been read and not returned
  std::int64_t line_ = 0;
};

}  // namespace tokenyard
