// The page at GET /: a chat box and, four times a second, what GET /live says. One file, nothing from elsewhere.
#pragma once

#include <string>

namespace tokenyard::serve {

const std::string& live_page();

}  // namespace tokenyard::serve
