#include "cli/version.h"

#include <fmt/format.h>

#include "cli/commit.h"

namespace tokenyard::cli {
namespace {

// What a build has or lacks. CMakeLists.txt defines the names.
struct Part {
  const char* name;
  bool built_in;
  const char* otherwise;
};

constexpr Part kParts[] = {
#ifdef TOKENYARD_CUDA
    {"CUDA", true, ""},
#else
    {"CUDA", false, "generate uses the CPU, bench does not run"},
#endif
#ifdef TOKENYARD_HAVE_BEAST
    {"server", true, ""},
#else
    {"server", false, "serve does not run"},
#endif
#ifdef TOKENYARD_HAVE_PICTURES
    {"viewer's pictures", true, ""},
#else
    {"viewer's pictures", false, "view gives text"},
#endif
#ifdef TOKENYARD_HAVE_WINDOW
    {"viewer's window", true, ""},
#else
    {"viewer's window", false, "view gives pictures or text"},
#endif
#ifdef TOKENYARD_HAVE_RSVG
    {"plots as .png", true, ""},
#else
    {"plots as .png", false, "plots are .svg"},
#endif
#ifdef TOKENYARD_ZLIB
    {"files packed with gzip", true, ""},
#else
    {"files packed with gzip", false, "unpack them first"},
#endif
#ifdef TOKENYARD_LZMA
    {"files packed with xz", true, ""},
#else
    {"files packed with xz", false, "unpack them first"},
#endif
};

}  // namespace

std::string version_text() {
  std::string out = fmt::format("tokenyard {}\ncommit: {}\n", kVersion, kCommit);
  for (const Part& part : kParts) {
    out += fmt::format("{}: {}\n", part.name, part.built_in ? "yes" : fmt::format("no; {}", part.otherwise));
  }
  return out;
}

}  // namespace tokenyard::cli
