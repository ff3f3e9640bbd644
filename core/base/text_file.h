// Text files: as a stream, whole, or line by line. Files packed with gzip or xz are known by their first bytes, whatever their
// names, and are unpacked on the way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <istream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tokenyard {

// Some programs begin a text with this mark. It is no content: read_text_file and LineReader leave it out.
inline constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// From the beginning; seekg(0) goes back there. Of a pipe, too, which may be opened several times (input_file.h); "-" is
// standard input. What a plain file gains after its end has been met can be read after clear(). Throws InputError when the file
// cannot be read, or is packed and this program was built without zlib or liblzma, or begins as UTF-16 does; reading a damaged
// packed file throws it too.
std::unique_ptr<std::istream> open_text_file(const std::string& path);

// Whether a value that is a built-in thing's name or a file's means a file: it ends in .json, or is there.
bool means_file(const std::string& name);

// For a file that may be absent. A link that leads nowhere is there: reading it says so. Throws InputError "PATH: cannot be
// read: WHY" where the system does not tell: the folder is a loop of links, or may not be searched.
bool is_there(const std::string& path);

// Throws InputError when `beginning` is that of a Git LFS pointer: what stands in a clone in place of a large file that was not
// fetched. read_text_file() asks it.
void refuse_lfs_pointer(std::string_view beginning, const std::string& path);

// Throws InputError also when the file holds more than `most_bytes` of text.
std::string read_text_file(const std::string& path, std::size_t most_bytes);

// Reads in 64 KiB pieces.
class LineReader {
 public:
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
  std::unique_ptr<std::istream> in_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0, end_ = 0;  // what of the buffer has been read and not returned
  std::int64_t line_ = 0;
};

}  // namespace tokenyard
