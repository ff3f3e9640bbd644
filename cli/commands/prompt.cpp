#include "cli/commands/prompt.h"

#include <dlfcn.h>
#include <unistd.h>

#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <iostream>

namespace tokenyard::cli {
namespace {

constexpr const char* kPrompt = "> ";

}  // namespace

// Both libraries have these two functions. Loaded when a user sits there, so that neither is needed to build or to start.
Prompt::Prompt() : terminal_(isatty(STDIN_FILENO) != 0) {
  if (!terminal_ || isatty(STDOUT_FILENO) == 0) return;
  std::setlocale(LC_CTYPE, "");  // what a character is
  for (const char* name : {"libedit.so.2", "libreadline.so.8"}) {
    void* const library = dlopen(name, RTLD_LAZY | RTLD_LOCAL);
    if (library == nullptr) continue;
    edit_ = reinterpret_cast<decltype(edit_)>(dlsym(library, "readline"));
    remember_ = reinterpret_cast<decltype(remember_)>(dlsym(library, "add_history"));
    if (edit_ != nullptr && remember_ != nullptr) return;
    edit_ = nullptr;
  }
}

bool Prompt::read(std::string& line) {
  if (edit_ != nullptr) {
    std::fflush(stdout);
    char* const text = edit_(kPrompt);
    if (text == nullptr) return false;
    line = text;
    std::free(text);  // the library's malloc
    if (!line.empty()) remember_(line.c_str());
    return true;
  }
  if (terminal_) std::fputs(kPrompt, stdout);
  std::fflush(stdout);
  if (!std::getline(std::cin, line)) return false;
  if (line.ends_with('\r')) line.pop_back();
  return true;
}

}  // namespace tokenyard::cli
