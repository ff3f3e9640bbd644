#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "core/base/input_error.h"
#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    tokenyard::fuzz(std::string_view(reinterpret_cast<const char*>(data), size));
  } catch (const tokenyard::InputError& error) {
    const std::string_view message = error.what();
    if (message.empty() || message.size() > 1000 || message.find('\n') != std::string_view::npos) {
      std::fprintf(stderr, "not one line a user can read: %s\n", error.what());
      std::abort();
    }
  }
  return 0;
}
