// What the program prints for people to read. Names and sentences in it come from files: control characters in them are shown
// as \xNN, so that no file writes to the terminal. Data and the models' own text are printed as they are, elsewhere.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string_view>
#include <utility>

namespace tokenyard::cli {

// Lines end where they do. Throws InputError when it cannot be written.
void print_for_people(std::FILE* to, std::string_view text);

template <typename... Args>
void say(fmt::format_string<Args...> format, Args&&... args) {
  print_for_people(stdout, fmt::format(format, std::forward<Args>(args)...));
}

template <typename... Args>
void warn(fmt::format_string<Args...> format, Args&&... args) {
  print_for_people(stderr, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace tokenyard::cli
