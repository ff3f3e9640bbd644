#include "fuzz.h"
#include "recorded.h"

namespace tokenyard {

void fuzz(std::string_view text) { read_recorded("azure", text); }

}  // namespace tokenyard
