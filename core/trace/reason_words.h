// Reasons as a person reads them.
#pragma once

#include <string>

#include "core/step_plan.h"

namespace tokenyard {

// What was needed and what there was: "needs 9 blocks, 6 free". Continues a sentence about the request.
std::string in_words(const Reason& reason);

// "1.234567 s", "12.5 ms", "800 ns": exact, without trailing zeros.
std::string time_in_words(TimeNs time);

}  // namespace tokenyard
