#include "core/trace/reader.h"

#include <memory>
#include <sstream>
#include <string>

#include "core/trace/state.h"
#include "fuzz.h"

namespace tokenyard {

void fuzz(std::string_view text) {
  TraceReader reader(std::make_unique<std::istringstream>(std::string(text)), "fuzz.trace");
  // A pool may be as large as a user says; here it would only cost time.
  if (reader.header().engine.num_blocks > 100'000) return;
  TraceState state(reader.header());
  for (;;) {
    switch (reader.next()) {
      case TraceReader::Kind::join: state.apply(reader.join()); break;
      case TraceReader::Kind::step: state.apply(reader.step()); break;
      case TraceReader::Kind::cancel: state.apply(reader.cancel()); break;
      case TraceReader::Kind::end: break;
      case TraceReader::Kind::none: return;
    }
  }
}

}  // namespace tokenyard
