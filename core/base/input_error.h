// What is wrong with something read from outside: one line, "FILE: PLACE: what was expected and what was found".
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

namespace tokenyard {

// `text` as a terminal may have it: control characters and bytes that are no UTF-8 become \xNN.
std::string printable(std::string_view text);

// The first `most` bytes of what a file says, for a message; "..." follows when something is left out. Cut between characters.
std::string shown(std::string_view text, std::size_t most = 60);

// A message as one line that a user can read: printable, and without its middle where it is longer than 900 bytes.
std::string one_line(std::string_view message);

struct InputError : std::runtime_error {
  explicit InputError(std::string_view message) : std::runtime_error(one_line(message)) {}
};

}  // namespace tokenyard
