// A whole text file, unpacked where it is packed.
#pragma once

#include <cstddef>
#include <string>

namespace tokenyard {

// Unpacks names ending in .xz, where this program was built with liblzma. Throws InputError when the file cannot be read or
// unpacked, or holds more than `most_bytes` of text.
std::string read_text_file(const std::string& path, std::size_t most_bytes);

}  // namespace tokenyard
