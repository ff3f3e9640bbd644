#include "core/trace/perfetto.h"

#include <vector>

#include "core/base/json_text.h"
#include "core/base/output_file.h"
#include "core/trace/reason_words.h"
#include "core/trace/state.h"

namespace tokenyard {
namespace {

// What a request's lane shows. Few names, because Perfetto colours by name. Padding: ended, and still in its batch (static).
enum class Phase { none, queued, prefill, decode, padding, preempted };

const char* name_of(Phase phase) {
  switch (phase) {
    case Phase::none: break;
    case Phase::queued: return "queued";
    case Phase::prefill: return "prefill";
    case Phase::decode: return "decode";
    case Phase::padding: return "padding";
    case Phase::preempted: return "preempted";
  }
  return "?";
}

class File {
 public:
  explicit File(const std::string& path) : file_(path) {}

  std::string text;  // appended to by the caller

  void flush_if(std::size_t bytes) {
    if (text.size() < bytes) return;
    file_.write(text);
    text.clear();
  }
  void finish() {
    flush_if(1);
    file_.finish();
  }

 private:
  OutputFile file_;
};

// Microseconds, the format's unit, to the nanosecond.
void append_us(std::string& out, TimeNs time) {
  append_int(out, time / 1000);
  out += '.';
  const auto rest = static_cast<int>(time % 1000);
  for (const int place : {100, 10, 1}) out += static_cast<char>('0' + rest / place % 10);
}

// Events, one a line.
class Events {
 public:
  explicit Events(File& file) : file_(file), out_(file.text) { out_ += "{\"displayTimeUnit\":\"ms\",\"traceEvents\":["; }

  void metadata(const char* name, std::int64_t pid, std::int64_t tid, const char* key, const std::string& value) {
    open(name, "M", pid, tid);
    args(key);
    append_json_string(out_, value);
    out_ += "}";
    close();
  }
  void metadata(const char* name, std::int64_t pid, std::int64_t tid, const char* key, std::int64_t value) {
    open(name, "M", pid, tid);
    args(key);
    append_int(out_, value);
    out_ += "}";
    close();
  }
  Events& span(const char* name, std::int64_t pid, std::int64_t tid, TimeNs from, TimeNs to) {
    open(name, "X", pid, tid);
    time("ts", from);
    time("dur", to - from);
    return *this;
  }
  Events& mark(const char* name, std::int64_t pid, std::int64_t tid, TimeNs at) {
    open(name, "i", pid, tid);
    time("ts", at);
    out_ += ",\"s\":\"t\"";
    return *this;
  }
  void counter(const char* name, std::int64_t pid, TimeNs at, const char* key, std::int64_t value) {
    open(name, "C", pid, pid);
    time("ts", at);
    args(key);
    append_int(out_, value);
    out_ += "}";
    close();
  }
  Events& arg(const char* key, std::int64_t value) {
    args(key);
    append_int(out_, value);
    return *this;
  }
  Events& arg(const char* key, const std::string& value) {
    args(key);
    append_json_string(out_, value);
    return *this;
  }
  void done() {
    if (in_args_) out_ += "}";
    close();
  }
  void finish() { out_ += "\n]}\n"; }

 private:
  void open(const char* name, const char* phase, std::int64_t pid, std::int64_t tid) {
    out_ += first_ ? "\n" : ",\n";
    first_ = false;
    out_ += "{\"name\":\"";
    out_ += name;
    out_ += "\",\"ph\":\"";
    out_ += phase;
    out_ += "\",\"pid\":";
    append_int(out_, pid);
    out_ += ",\"tid\":";
    append_int(out_, tid);
  }
  void time(const char* key, TimeNs value) {
    out_ += ",\"";
    out_ += key;
    out_ += "\":";
    append_us(out_, value);
  }
  void args(const char* key) {
    out_ += in_args_ ? ",\"" : ",\"args\":{\"";
    in_args_ = true;
    out_ += key;
    out_ += "\":";
  }
  void close() {
    out_ += "}";
    in_args_ = false;
    file_.flush_if(256 << 10);
  }

  File& file_;
  std::string& out_;
  bool first_ = true;
  bool in_args_ = false;
};

class Export {
 public:
  // `next_thread`: thread ids are unique in the file and differ from process ids, or Perfetto takes one for a main thread.
  Export(TraceSource& source, Events& events, std::int64_t pid, std::int64_t& next_thread)
      : source_(source),
        state_(source.header(), source.name()),
        events_(events),
        pid_(pid),
        engine_(next_thread++),
        next_thread_(next_thread) {}

  void run() {
    events_.metadata("process_name", pid_, engine_, "name",
                     std::string(tokenyard::name_of(state_.config().policy)) + " (" + source_.name() + ")");
    events_.metadata("process_sort_index", pid_, engine_, "sort_index", pid_);
    lane(engine_, "engine steps", 0);
    while (true) {
      switch (source_.next()) {
        case TraceSource::Kind::join: join(source_.join()); break;
        case TraceSource::Kind::step: step(source_.step()); break;
        case TraceSource::Kind::cancel: cancel(source_.cancel()); break;
        case TraceSource::Kind::end: break;
        case TraceSource::Kind::none: return finish();
      }
    }
  }

 private:
  struct Lane {
    std::int64_t thread;
    Phase phase;
    TimeNs since;
  };

  void lane(std::int64_t thread, const std::string& name, std::int64_t order) {
    events_.metadata("thread_name", pid_, thread, "name", name);
    events_.metadata("thread_sort_index", pid_, thread, "sort_index", order);
  }
  Lane& lane_of(std::int32_t request) { return lanes_[static_cast<std::size_t>(request)]; }

  void change(std::int32_t request, Phase phase, TimeNs at) {
    Lane& lane = lane_of(request);
    if (lane.phase != Phase::none) {
      const TraceState::Request& r = state_.request(request);
      events_.span(name_of(lane.phase), pid_, lane.thread, lane.since, at)
          .arg("request", r.join.spec.id)
          .arg("prompt_tokens", r.num_prompt)
          .arg("output_tokens", r.num_tokens() - r.num_prompt)
          .arg("cached_tokens", r.num_cached);
      if (r.reason != FinishReason::none && phase == Phase::none) events_.arg("end", std::string(tokenyard::name_of(r.reason)));
      events_.done();
    }
    lane = {lane.thread, phase, at};
  }

  void join(const JoinRecord& record) {
    state_.apply(record);
    const RequestSpec& spec = state_.request(record.request).join.spec;
    // It queues from when it was sent, which the clock need not have noticed at once.
    const bool timed = spec.arrival_step < 0 && spec.arrival >= 0 && spec.arrival < record.at;
    lanes_.push_back({next_thread_++, Phase::queued, timed ? spec.arrival : record.at});
    lane(lane_of(record.request).thread, spec.id, record.request + 1);
    if (!record.refused.empty()) {
      events_.mark("refused", pid_, lane_of(record.request).thread, record.at).arg("reason", record.refused).done();
      change(record.request, Phase::none, record.at);
    }
  }

  void cancel(const CancelRecord& record) {
    state_.apply(record);
    if (record.gone) change(record.request, Phase::none, record.at);
  }

  void step(const StepRecord& record) {
    state_.begin(record);
    for (const StepRecord::Preemption& p : record.preempted) {
      if (lane_of(p.victim).phase == Phase::none) continue;  // ended in the step before, which nobody knew yet
      change(p.victim, Phase::preempted, record.start);
      events_.mark("preempt", pid_, lane_of(p.victim).thread, record.start)
          .arg("for", state_.request(p.beneficiary).join.spec.id)
          .arg("reason", in_words(p.reason))
          .arg("freed_blocks", p.freed_blocks)
          .done();
    }
    for (const StepRecord::Admission& a : record.admitted) {
      change(a.request, Phase::prefill, record.start);
      if (a.hit_tokens > 0) {
        events_.mark("hit", pid_, lane_of(a.request).thread, record.start).arg("tokens", a.hit_tokens).done();
      }
    }
    if (!state_.evicted().empty()) {
      events_.mark("evict", pid_, engine_, record.start).arg("blocks", std::ssize(state_.evicted())).done();
    }
    std::int64_t tokens = 0;
    for (const TraceState::Row& row : state_.rows()) tokens += row.count;
    const StepParts& parts = record.parts;
    events_.span("step", pid_, engine_, record.start, record.end)
        .arg("step", record.step)
        .arg("requests", std::ssize(state_.rows()))
        .arg("tokens", tokens)
        .arg("gemm_ns", parts.gemm)
        .arg("attention_ns", parts.attention)
        .arg("elementwise_ns", parts.elementwise)
        .arg("head_ns", parts.head)
        .arg("communication_ns", parts.communication)
        .arg("host_ns", parts.host)
        .done();
    events_.counter("KV blocks used", pid_, record.start, "blocks", state_.num_usable() - state_.num_free());
    events_.counter("running", pid_, record.start, "requests", std::ssize(state_.running()));
    events_.counter("waiting", pid_, record.start, "requests", state_.num_waiting());
    state_.finish(record);
    for (const TraceState::Row& row : state_.rows()) {
      if (row.sample && lane_of(row.request).phase == Phase::prefill) change(row.request, Phase::decode, record.end);
    }
    for (const StepRecord::Finish& f : record.done) change(f.request, Phase::padding, record.end);
    for (const StepRecord::Finish& f : record.finished) change(f.request, Phase::none, record.end);
  }

  // What is still open ends with the trace.
  void finish() {
    for (std::int32_t r = 0; r < std::ssize(lanes_); ++r) change(r, Phase::none, state_.now());
  }

  TraceSource& source_;
  TraceState state_;
  Events& events_;
  std::int64_t pid_;
  std::int64_t engine_;
  std::int64_t& next_thread_;
  std::vector<Lane> lanes_;
};

}  // namespace

void export_perfetto(std::span<TraceSource* const> traces, const std::string& path) {
  File file(path);
  Events events(file);
  std::int64_t pid = 0;
  std::int64_t next_thread = std::ssize(traces) + 1;
  for (TraceSource* trace : traces) Export(*trace, events, ++pid, next_thread).run();
  events.finish();
  file.finish();
}

}  // namespace tokenyard
