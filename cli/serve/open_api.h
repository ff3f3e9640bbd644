// The server's description of itself, OpenAPI 3.1.
#pragma once

#include <string>

#include "cli/serve/served_model.h"

namespace tokenyard::serve {

std::string open_api(const ServedModel& model, const std::string& version);

}  // namespace tokenyard::serve
