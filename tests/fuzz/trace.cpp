#include "core/trace.h"

#include <memory>
#include <sstream>
#include <string>

#include "fuzz.h"

namespace tokenyard {

void fuzz(std::string_view text) {
  TraceReader reader(std::make_unique<std::istringstream>(std::string(text)), "fuzz.trace");
  while (reader.next() != TraceReader::Kind::none) {
  }
}

}  // namespace tokenyard
