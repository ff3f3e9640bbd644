#include "core/peers/script.h"

#include "fuzz.h"

namespace tokenyard {

void fuzz(std::string_view text) { run_script(text, "fuzz.test"); }

}  // namespace tokenyard
