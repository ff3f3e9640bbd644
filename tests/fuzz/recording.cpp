#include "core/peers/conform.h"
#include "fuzz.h"

namespace tokenyard {

void fuzz(std::string_view text) { conform(parse_recording(text, "fuzz.json")); }

}  // namespace tokenyard
