// What is wrong with something read from outside: one line, "FILE: PLACE: what was expected and what was found".
#pragma once

#include <stdexcept>

namespace tokenyard {

struct InputError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace tokenyard
