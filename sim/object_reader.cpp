#include "sim/object_reader.h"

#include <string_view>

#include "core/base/input_error.h"
#include "core/base/text_file.h"

namespace tokenyard {

ObjectReader::ObjectReader(const std::string& path, std::size_t longest)
    : path_(path), longest_(longest), in_(open_text_file(path)) {}

void ObjectReader::rewind() {
  in_->clear();
  in_->seekg(0);
  begin_ = at_ = {.line = 1};
  in_array_ = false;
}

void ObjectReader::fail(const std::string& what) const { throw InputError(at_.in(path_) + ": " + what); }

bool ObjectReader::next(std::string& text) {
  constexpr int end = std::char_traits<char>::eof();
  std::streambuf& bytes = *in_->rdbuf();
  text.clear();
  int depth = 0;
  bool quoted = false, escaped = false;
  for (int byte = bytes.sbumpc(); byte != end; byte = bytes.sbumpc()) {
    const char c = static_cast<char>(byte);
    const TextBegin here = at_;
    at_ = c == '\n' ? TextBegin{.line = at_.line + 1} : TextBegin{.line = at_.line, .column = at_.column + 1};
    if (depth == 0 && c != '{') {
      if (c == '[' || c == ']') {
        if (in_array_ == (c == '[')) fail(std::string("expected an object, found ") + c);
        in_array_ = !in_array_;
      } else if (std::string_view(" \t\r\n,").find(c) == std::string_view::npos &&
                 kByteOrderMark.find(c) == std::string_view::npos) {
        fail(std::string("expected an object, found ") + c);
      }
      continue;
    }
    if (depth == 0) begin_ = here;
    text += c;
    if (text.size() > longest_)
      fail("expected an object of at most " + std::to_string(longest_) + " bytes, found a longer one");
    if (quoted) {
      quoted = escaped || c != '"';
      escaped = !escaped && c == '\\';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if ((c == '}' || c == ']') && --depth == 0) {
      return true;
    }
  }
  if (depth > 0 || in_array_) fail("the file is cut off: expected the end of what was begun, found the end of the file");
  return false;
}

}  // namespace tokenyard
