// Which tokenyard this is.
#pragma once

#include <string>

namespace tokenyard::cli {

inline constexpr const char* kVersion = TOKENYARD_VERSION;
inline constexpr const char* kProgram = "tokenyard " TOKENYARD_VERSION;  // as traces name it

// Version, commit and what is built in, a line each.
std::string version_text();

}  // namespace tokenyard::cli
