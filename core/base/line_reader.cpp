#include "core/base/line_reader.h"

#include <algorithm>
#include <cstring>

#include "core/base/input_error.h"

namespace tokenyard {

LineReader::LineReader(const std::string& path, std::size_t longest_line)
    : path_(path), longest_line_(longest_line), in_(path, std::ios::binary), buffer_(std::size_t{1} << 16) {
  if (!in_) throw InputError(path + ": cannot be read; does the file exist?");
  if (in_.peek() == std::ifstream::traits_type::eof() && in_.bad()) {
    throw InputError(path + ": cannot be read; is it a regular file?");
  }
  in_.clear();
}

bool LineReader::next(std::string_view& line) {
  std::size_t searched = 0;
  while (true) {
    const char* start = buffer_.data() + begin_;
    const void* found = std::memchr(start + searched, '\n', end_ - begin_ - searched);
    searched = end_ - begin_;
    std::size_t length = searched;
    if (found != nullptr) {
      length = static_cast<std::size_t>(static_cast<const char*>(found) - start);
      begin_ += length + 1;
    } else {
      if (searched > longest_line_) too_long();
      std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_), buffer_.begin() + static_cast<std::ptrdiff_t>(end_),
                buffer_.begin());
      begin_ = 0;
      end_ = searched;
      if (end_ == buffer_.size()) buffer_.resize(2 * buffer_.size());
      in_.read(buffer_.data() + end_, static_cast<std::streamsize>(buffer_.size() - end_));
      const auto got = static_cast<std::size_t>(in_.gcount());
      end_ += got;
      if (got > 0) continue;
      if (searched == 0) return false;
      start = buffer_.data();
      begin_ = end_;
    }
    if (length > longest_line_) too_long();
    ++line_;
    if (length > 0 && start[length - 1] == '\r') --length;
    line = {start, length};
    return true;
  }
}

void LineReader::too_long() {
  ++line_;
  fail("expected a line of at most " + std::to_string(longest_line_) + " bytes, found a longer one");
}

void LineReader::rewind() {
  in_.clear();
  in_.seekg(0);
  begin_ = end_ = 0;
  line_ = 0;
}

void LineReader::fail(const std::string& what) const {
  throw InputError(path_ + ": line " + std::to_string(line_) + ": " + what);
}

}  // namespace tokenyard
