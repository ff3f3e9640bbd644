#include "cli/output/say.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "core/base/input_error.h"

namespace tokenyard::cli {

void print_for_people(std::FILE* to, std::string_view text) {
  std::string out;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    out += printable(text.substr(begin, end - begin));
    if (end < text.size()) out += '\n';
    begin = end + 1;
  }
  // Where standard error is closed, nobody can be told.
  if (std::fwrite(out.data(), 1, out.size(), to) < out.size() && to == stdout)
    throw InputError(std::string("tokenyard: standard output: ") + std::strerror(errno));
}

}  // namespace tokenyard::cli
