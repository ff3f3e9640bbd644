#include <cstdlib>

#include "backends/model/safetensors.h"
#include "fuzz.h"

namespace tokenyard {

void fuzz(std::string_view text) {
  // What the loader will trust: every tensor within the file, as large as its shape says.
  for (const auto& [name, entry] : parse_safetensors_header(text, text.size(), "fuzz.safetensors").tensors) {
    std::int64_t bytes = bytes_of(entry.dtype);
    for (const std::int64_t n : entry.shape) bytes *= n;
    const bool inside = entry.begin >= 8 && entry.end >= entry.begin && entry.end <= static_cast<std::int64_t>(text.size());
    if (!inside || entry.end - entry.begin != bytes) std::abort();
  }
}

}  // namespace tokenyard
