// The JSON objects of a file one at a time: those of one array, or one after the other, however they are broken into lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <istream>
#include <memory>
#include <string>

#include "core/base/json.h"

namespace tokenyard {

// Memory follows the largest object.
class ObjectReader {
 public:
  explicit ObjectReader(const std::string& path, std::size_t longest = std::size_t{256} << 20);

  // The text of the next object, which is balanced but need not be JSON; false at the end. Throws InputError where something
  // else stands or the file ends too early.
  bool next(std::string& text);
  void rewind();

  TextBegin begin() const { return begin_; }  // of the last object
  std::string place() const { return begin_.in(path_); }

 private:
  [[noreturn]] void fail(const std::string& what) const;

  std::string path_;
  std::size_t longest_;
  std::unique_ptr<std::istream> in_;
  TextBegin begin_ = {.line = 1}, at_ = {.line = 1};  // at_: of the next byte
  bool in_array_ = false;
};

}  // namespace tokenyard
