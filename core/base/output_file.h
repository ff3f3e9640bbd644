// Files that the program writes. An older file stays whole until the new one is: a run that fails leaves no half file.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

namespace tokenyard {

// A regular file is written beside its place, as PATH.part (PATH.2.part where that exists), and renamed at the end; owner and
// mode of an older file are kept, and of a symbolic link the file it leads to is replaced. Anything else that has the name (a
// device, a pipe, a socket, /dev/stdout, /dev/fd/N) is written through and stays what it is. "-" is standard output.
// A killed process leaves its .part behind. No buffer: each write() is one of the system's.
class OutputFile {
 public:
  // `growing`: can be read under its own name while it is written, where no older file has it (then as PATH.part).
  enum class Meanwhile { hidden, growing };

  // Throws InputError, as the others do: "PATH: cannot be written: WHY".
  explicit OutputFile(const std::string& path, Meanwhile meanwhile = Meanwhile::hidden);
  // Removes a regular file that is not finished.
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  const std::string& path() const { return path_; }
  void write(std::string_view text);
  // Puts the file in its place. Once.
  void finish();

 private:
  [[noreturn]] void fail(int why);
  void create(bool growing, mode_t mode);
  void discard();
  bool has_its_name() const;

  std::string path_;     // as the user wrote it
  std::string target_;   // the regular file to be; empty: written through
  std::string written_;  // its name for now
  int file_ = -1;
};

void write_file(const std::string& path, std::string_view text);

// Written through rather than replaced: "-", and what exists and is no regular file.
bool is_stream(const std::string& path);
// Whether writing to `path` is writing to standard output: "-", /dev/stdout, /dev/fd/1.
bool is_standard_output(const std::string& path);
// Whether both names lead to one regular file, by whatever links, or to standard output; of files that do not exist yet,
// whether they will.
bool same_file(const std::string& a, const std::string& b);

// From now on, what is printed goes to standard error, and only files that are standard output go there. Once.
void keep_standard_output_for_files();

}  // namespace tokenyard
