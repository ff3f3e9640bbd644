#include "core/trace/source.h"

namespace tokenyard {

TraceSource::Kind pass_on(TraceSource& from, TraceSink& to) {
  const TraceSource::Kind kind = from.next();
  switch (kind) {
    case TraceSource::Kind::join: to.on_join(from.join()); break;
    case TraceSource::Kind::step: to.on_step(from.step()); break;
    case TraceSource::Kind::cancel: to.on_cancel(from.cancel()); break;
    case TraceSource::Kind::end: to.on_end(from.end_steps(), from.end_at()); break;
    case TraceSource::Kind::none: break;
  }
  return kind;
}

}  // namespace tokenyard
