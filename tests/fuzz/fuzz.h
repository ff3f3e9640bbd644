// Every reader of text from outside has a file here that defines this function: it reads `text` with all a user could make
// the program do with it. Whatever the text, the reader accepts it or throws InputError.
#pragma once

#include <string_view>

namespace tokenyard {

void fuzz(std::string_view text);

}  // namespace tokenyard
