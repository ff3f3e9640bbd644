#include "viz/model/trace_file.h"

#include <filesystem>

#include "core/base/input_error.h"

namespace tokenyard::viz {

TraceFile::TraceFile(const std::string& path) : reader_(path), builder_(path) {
  std::error_code unknown;
  if (const auto bytes = std::filesystem::file_size(path, unknown); !unknown) builder_.expect(bytes);
  builder_.on_header(reader_.header());
}

bool TraceFile::read(std::int64_t records) {
  if (!error_.empty()) return false;
  try {
    for (; records > 0; --records) {
      if (pass_on(reader_, builder_) == TraceSource::Kind::none) return false;
    }
    return true;
  } catch (const InputError& error) {
    // What does not fit the records before it is named by its step; the line helps to find it.
    const std::string line = ": line " + std::to_string(reader_.line());
    error_ = error.what();
    if (error_.find(line) == std::string::npos) error_.insert(std::min(error_.size(), reader_.name().size()), line);
    return false;
  }
}

std::string TraceFile::unfinished_in_words() const {
  const std::string line = std::to_string(reader_.line() + (reader_.cut_off() ? 1 : 0));
  return reader_.name() + (reader_.cut_off() ? ": cut off in the middle of line " : ": no end after line ") + line;
}

}  // namespace tokenyard::viz
