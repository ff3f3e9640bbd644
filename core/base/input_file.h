// Bytes that the program reads. A name is opened more than once (what kind of file is it, the requests of every run, a second
// look by the viewer), which a pipe does not allow: what was read of one is kept, and read again from there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace tokenyard {

class InputFile {
 public:
  InputFile() = default;
  virtual ~InputFile() = default;
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  // At most `most` bytes from `offset` on, at least one; 0 at the end. What a regular file gains later can be read later. Of a
  // pipe, waits until there is something. From any thread. Throws InputError "PATH: cannot be read: WHY".
  virtual std::size_t read(std::uint64_t offset, char* to, std::size_t most) = 0;
};

// "-" is standard input. All who open one pipe, terminal or device read the same bytes, from its beginning; they lie in a file
// without a name until the program ends. Throws InputError "PATH: cannot be read: WHY".
std::shared_ptr<InputFile> open_input_file(const std::string& path);

}  // namespace tokenyard
