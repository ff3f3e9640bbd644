// Lines that a user types, or that come from a pipe.
#pragma once

#include <string>

namespace tokenyard::cli {

class Prompt {
 public:
  // On a terminal, lines can be edited and called back where libedit or readline is installed; neither is needed.
  Prompt();
  bool on_terminal() const { return terminal_; }
  // The next line without its end, be it that of Unix or of Windows; false at the end of the input, and where a signal came.
  bool read(std::string& line);

 private:
  bool terminal_;
  char* (*edit_)(const char* prompt) = nullptr;
  int (*remember_)(const char* line) = nullptr;
};

}  // namespace tokenyard::cli
