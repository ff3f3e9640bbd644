#include "core/trace/writer.h"

#include <exception>
#include <utility>

#include "core/base/input_error.h"
#include "core/base/json_text.h"
#include "core/base/output_file.h"
#include "core/trace/config_json.h"

namespace tokenyard {
namespace {

constexpr std::size_t kFlushAt = 64 << 10;

// Fields `"key":value` after the first one of an object, lists inside them.
class Line {
 public:
  explicit Line(std::string& out) : out_(out) {}

  void integer(std::string_view key, std::int64_t value) {
    put(key);
    append_int(out_, value);
  }
  void text(std::string_view key, std::string_view value) {
    put(key);
    append_json_string(out_, value);
  }
  template <typename Items, typename Each>
  void list(std::string_view key, const Items& items, Each&& each) {
    if (items.empty()) return;
    put(key);
    open();
    for (const auto& item : items) each(item);
    close();
  }
  void integers(std::string_view key, std::span<const std::int32_t> values) {
    list(key, values, [&](std::int32_t value) { item(value); });
  }
  void put(std::string_view key) {
    out_ += ',';
    out_ += '"';
    out_ += key;
    out_ += "\":";
    first_ = true;
  }

  void open() {
    separate();
    out_ += '[';
    first_ = true;
  }
  void close() {
    out_ += ']';
    first_ = false;
  }
  void item(std::int64_t value) {
    if (!first_) out_ += ',';
    first_ = false;
    append_int(out_, value);
  }
  void item(const char* name) {
    if (!first_) out_ += ',';
    first_ = false;
    out_ += '"';
    out_ += name;
    out_ += '"';
  }
  // A run b, b+1 .. b+n of n >= 2 more blocks is written b, -n.
  void blocks(std::span<const BlockId> ids) {
    open();
    for (std::size_t i = 0; i < ids.size();) {
      std::size_t end = i + 1;
      while (end < ids.size() && ids[end] == ids[end - 1] + 1) ++end;
      item(ids[i]);
      if (end - i > 2) {
        item(-static_cast<std::int64_t>(end - i - 1));
        i = end;
      } else {
        ++i;
      }
    }
    close();
  }
  void reason(const Reason& reason) {
    item(name_of(reason.cause));
    item(reason.needed);
    item(reason.available);
  }

 private:
  void separate() {
    if (!first_) out_ += ',';
    first_ = true;
  }

  std::string& out_;
  bool first_ = true;
};

// Raw line ends in a JSON text can only be layout.
void append_json(std::string& out, std::string_view key, const std::string& json) {
  if (json.empty()) return;
  out += ",\"";
  out += key;
  out += "\":";
  for (const char c : json) out += c == '\n' || c == '\r' ? ' ' : c;
}

}  // namespace

struct TraceWriter::Out {
  explicit Out(const std::string& path) : file(path, OutputFile::Meanwhile::growing) { text.reserve(2 * kFlushAt); }

  OutputFile file;
  std::string text;
  bool open = true;
  int exceptions = std::uncaught_exceptions();

  void end_line() {
    text += "}\n";
    if (text.size() >= kFlushAt) flush();
  }
  void flush() {
    if (!open) return;
    open = false;  // unless the write succeeds: after a failure nothing more is written
    file.write(text);
    open = true;
    text.clear();
  }
  void finish() {
    flush();
    if (std::exchange(open, false)) file.finish();
  }
};

TraceWriter::TraceWriter(const std::string& path) : out_(std::make_unique<Out>(path)) {}

TraceWriter::~TraceWriter() {
  if (std::uncaught_exceptions() > out_->exceptions) return;
  try {
    out_->finish();
  } catch (const InputError&) {
    // Whoever wants to know calls finish().
  }
}

void TraceWriter::flush() { out_->flush(); }
void TraceWriter::finish() { out_->finish(); }

void TraceWriter::on_header(const TraceHeader& header) {
  if (header.engine.num_blocks > kMostTracedBlocks) {
    throw InputError(out_->file.path() + ": a trace holds at most " + std::to_string(kMostTracedBlocks) +
                     " blocks; num_blocks is " + std::to_string(header.engine.num_blocks));
  }
  std::string& text = out_->text;
  text += "{\"tokenyard_trace\":";
  append_int(text, names_vllm_version(header.engine) ? 3 : header.engine.async_scheduling ? 2 : 1);
  Line line(text);
  line.text("program", header.program);
  line.text("backend", header.backend);
  append_json(text, "engine", engine_config_json(header.engine));
  append_json(text, "scenario", header.scenario);
  append_json(text, "model", header.model);
  append_json(text, "hardware", header.hardware);
  out_->end_line();
  flush();
}

void TraceWriter::on_join(const JoinRecord& join) {
  const RequestSpec& spec = join.spec;
  std::string& text = out_->text;
  text += "{\"join\":";
  append_int(text, join.request);
  Line line(text);
  line.text("id", spec.id);
  line.integer("step", join.step);
  line.integer("at", join.at);
  line.integer("arrival", spec.arrival);
  line.put("prompt");
  line.open();
  for (const TokenSpan& span : spec.prompt.spans()) {
    line.open();
    if (span.content == kNoContent) {
      line.open();
      const auto ids =
          spec.prompt.stored().subspan(static_cast<std::size_t>(span.offset), static_cast<std::size_t>(span.length));
      for (const Token id : ids) line.item(id);
      line.close();
    } else {
      line.item(span.content);
      line.item(span.offset);
      line.item(span.length);
    }
    line.close();
  }
  line.close();
  line.integer("max_tokens", spec.max_tokens);
  if (spec.min_tokens != 0) line.integer("min_tokens", spec.min_tokens);
  if (spec.priority != 0) line.integer("priority", spec.priority);
  if (spec.ignore_eos) {
    line.put("ignore_eos");
    text += "true";
  }
  line.integers("stop", spec.stop_token_ids);
  if (spec.arrival_step >= 0) line.integer("arrival_step", spec.arrival_step);
  if (spec.output_tokens >= 0) line.integer("output_tokens", spec.output_tokens);
  if (spec.output_content != kOutputContents + join.request) line.integer("output_content", spec.output_content);
  line.integers("script", spec.scripted_output);
  if (!join.refused.empty()) line.text("refused", join.refused);
  if (join.ahead) {
    line.put("ahead");
    text += "true";
  }
  out_->end_line();
}

void TraceWriter::on_step(const StepRecord& step) {
  std::string& text = out_->text;
  text += "{\"step\":";
  append_int(text, step.step);
  Line line(text);
  line.integer("t", step.start);
  line.integer("dur", step.duration);
  if (step.end != step.start + step.duration) line.integer("end", step.end);
  if (step.parts != StepParts{}) {
    line.put("parts");
    line.open();
    const StepParts& p = step.parts;
    for (const TimeNs part : {p.gemm, p.attention, p.elementwise, p.head, p.communication, p.host}) line.item(part);
    line.close();
  }
  if (step.prefill_only) {
    line.put("prefill");
    text += "true";
  }
  if (step.ahead) {
    line.put("ahead");
    text += "true";
  }
  line.list("admit", step.admitted, [&](const StepRecord::Admission& a) {
    line.open();
    line.item(a.request);
    line.item(a.hit_tokens);
    line.item(a.tokens);
    line.blocks(step.ids(a.blocks));
    line.close();
  });
  line.list("chunk", step.chunks, [&](const StepRecord::Chunk& c) {
    line.open();
    line.item(c.request);
    line.item(c.tokens);
    line.close();
  });
  const auto blocks = [&](const StepRecord::Blocks& b) {
    line.open();
    line.item(b.request);
    line.blocks(step.ids(b.blocks));
    line.close();
  };
  line.list("grow", step.grown, blocks);
  line.list("move", step.moved, blocks);
  line.integers("skip", step.skipped);
  line.list("preempt", step.preempted, [&](const StepRecord::Preemption& p) {
    line.open();
    line.item(p.victim);
    line.item(p.beneficiary);
    line.reason(p.reason);
    line.item(p.freed_blocks);
    line.close();
  });
  line.list("refuse", step.refused, [&](const StepRecord::Refusal& r) {
    line.open();
    line.item(r.request);
    line.reason(r.reason);
    line.close();
  });
  line.list("refused_until", step.refused_until, [&](const StepRecord::RefusalEnd& r) {
    line.open();
    line.item(r.request);
    line.reason(r.reason);
    line.item(r.since);
    line.close();
  });
  if (step.waited) {
    line.put("waited");
    line.open();
    line.item(step.waited->request);
    line.reason(step.waited->reason);
    line.item(step.waited->at);
    line.close();
  }
  const auto finish = [&](const StepRecord::Finish& f) {
    line.open();
    line.item(f.request);
    line.item(name_of(f.reason));
    line.close();
  };
  line.list("done", step.done, finish);
  line.list("finish", step.finished, finish);
  line.integers("unfindable", step.unfindable);
  line.integers("findable", step.findable);
  line.integers("tokens", step.tokens);
  out_->end_line();
}

void TraceWriter::on_cancel(const CancelRecord& cancel) {
  std::string& text = out_->text;
  text += "{\"cancel\":";
  append_int(text, cancel.request);
  Line line(text);
  line.integer("step", cancel.step);
  line.integer("at", cancel.at);
  line.text("reason", name_of(cancel.reason));
  if (!cancel.gone) {
    line.put("stays");
    text += "true";
  }
  if (cancel.ahead) {
    line.put("ahead");
    text += "true";
  }
  out_->end_line();
}

void TraceWriter::on_end(std::int64_t steps, TimeNs at) {
  std::string& text = out_->text;
  text += "{\"end\":";
  append_int(text, steps);
  Line line(text);
  line.integer("at", at);
  out_->end_line();
  flush();
}

}  // namespace tokenyard
