// The JSON objects of a file one at a time: those of one array, or one after the other, however they are broken into lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <istream>
#include <memory>
#include <string>

namespace tokenyard {

// Memory follows the largest object.
class ObjectReader {
 public:
  explicit ObjectReader(const std::string& path, std::size_t longest = std::size_t{256} << 20);

  // The text of the next object, which is balanced but need not be JSON; false at the end. Throws InputError where something
  // else stands or the file ends too early.
  bool next(std::string& text);
  void rewind();

  std::string place() const { return path_ + ": line " + std::to_string(line_); }  // where the last object began

 private:
  [[noreturn]] void fail(const std::string& what) const;

  std::string path_;
  std::size_t longest_;
  std::unique_ptr<std::istream> in_;
  std::int64_t line_ = 1, at_line_ = 1;
  bool in_array_ = false;
};

}  // namespace tokenyard
