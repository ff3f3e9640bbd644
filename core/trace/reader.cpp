// A hand-written scanner: an hour of traffic is 30 MB, which the JSON library takes 20 times as long to read. It accepts JSON
// objects of the documented keys in any order, after the first one, which says what the line is.
#include <algorithm>
#include <array>
#include <charconv>
#include <istream>

#include "core/base/input_error.h"
#include "core/base/json_reader.h"
#include "core/base/json_text.h"
#include "core/base/text_file.h"
#include "core/policy.h"
#include "core/trace/config_json.h"
#include "core/trace/reader.h"

namespace tokenyard {
namespace {

constexpr std::size_t kChunk = 256 << 10;
constexpr std::size_t kMostLine = 256 << 20;   // of a header that lists some million requests, too
constexpr TimeNs kMostTime = TimeNs{1} << 60;  // sums of a few stay within 64 bits
constexpr std::int64_t kMostContent = (std::int64_t{1} << 53) - 1;

class Scanner {
 public:
  Scanner(const std::string& name, std::int64_t line, std::string_view text)
      : name_(name), line_(line), begin_(text.data()), p_(text.data()), end_(text.data() + text.size()) {}

  [[noreturn]] void fail(const std::string& sentence, const char* at) const {
    throw InputError(name_ + ": line " + std::to_string(line_) + ", column " + std::to_string(at - begin_ + 1) + ": " +
                     sentence);
  }
  [[noreturn]] void expected(const std::string& what, const char* at) const {
    std::string found = "the end of the line";
    if (at < end_) {
      found.clear();
      for (const char* c = at; c < end_ && c < at + 24; ++c) found += *c >= 0x20 && *c < 0x7f ? *c : '?';
      if (end_ - at > 24) found += "...";
    }
    fail("expected " + what + ", found " + found, at);
  }
  [[noreturn]] void expected(const std::string& what) const { expected(what, p_); }
  const char* at() const { return p_; }

  bool accept(char c) {
    skip();
    if (p_ == end_ || *p_ != c) return false;
    ++p_;
    return true;
  }
  void need(char c) {
    if (!accept(c)) expected(std::string("'") + c + "'");
  }

  std::int64_t integer(std::int64_t least, std::int64_t most) {
    skip();
    const char* start = p_;
    std::int64_t value = 0;
    const auto [stop, error] = std::from_chars(p_, end_, value);
    const char* digits = p_ + (p_ < end_ && *p_ == '-' ? 1 : 0);
    const bool zeros = stop - digits > 1 && *digits == '0';
    const bool fraction = stop < end_ && (*stop == '.' || *stop == 'e' || *stop == 'E');
    if (error != std::errc{} || zeros || fraction || value < least || value > most) {
      expected("an integer between " + std::to_string(least) + " and " + std::to_string(most), start);
    }
    p_ = stop;
    return value;
  }
  std::int32_t int32(std::int32_t least = 0, std::int32_t most = INT32_MAX) {
    return static_cast<std::int32_t>(integer(least, most));
  }
  bool boolean() {
    skip();
    const std::string_view rest(p_, static_cast<std::size_t>(end_ - p_));
    const bool value = rest.starts_with("true");
    if (!value && !rest.starts_with("false")) expected("true or false");
    p_ += value ? 4 : 5;
    return value;
  }

  // A key or a name of ours: no escapes.
  std::string_view word() {
    skip();
    const char* quote = p_;
    if (p_ == end_ || *p_ != '"') expected("a name in quotes");
    const char* first = ++p_;
    while (p_ < end_ && ((*p_ >= 'a' && *p_ <= 'z') || *p_ == '_')) ++p_;
    if (p_ == end_ || *p_ != '"') expected("a known name in quotes", quote);
    return {first, static_cast<std::size_t>(p_++ - first)};
  }

  std::string string() {
    if (!accept('"')) expected("a string");
    std::string out;
    while (true) {
      if (p_ == end_) expected("a closing quote");
      const char c = *p_;
      if (c == '"') {
        ++p_;
        return out;
      }
      if (c == '\\') {
        escape(out);
      } else if (static_cast<unsigned char>(c) < 0x20) {
        expected("no control character in a string");
      } else {
        const std::size_t length = utf8_length({p_, static_cast<std::size_t>(end_ - p_)});
        if (length == 0) expected("UTF-8");
        out.append(p_, length);
        p_ += length;
      }
    }
  }

  template <typename Each>
  void list(Each&& each) {
    need('[');
    if (accept(']')) return;
    do {
      each();
    } while (accept(','));
    need(']');
  }

  // The members after the first: `each(index into names)` reads one value. Returns the set of keys met.
  template <std::size_t N, typename Each>
  std::uint32_t members(const std::array<std::string_view, N>& names, Each&& each) {
    static_assert(N < 32);
    std::uint32_t met = 0;
    std::size_t next = 0;  // writers keep the order of `names`
    while (accept(',')) {
      skip();
      const char* start = p_;
      const std::string_view key = word();
      const auto from = names.begin() + static_cast<std::ptrdiff_t>(next);
      auto found = std::find(from, names.end(), key);
      if (found == names.end()) found = std::find(names.begin(), names.end(), key);
      if (found == names.end()) fail("unknown key \"" + std::string(key) + "\"", start);
      const auto index = static_cast<std::size_t>(found - names.begin());
      if ((met >> index & 1u) != 0) fail("the key \"" + std::string(key) + "\" stands twice", start);
      met |= 1u << index;
      next = index + 1;
      need(':');
      each(index);
    }
    need('}');
    skip();
    if (p_ != end_) expected("the end of the line");
    return met;
  }
  template <std::size_t N>
  void require(const std::array<std::string_view, N>& names, std::uint32_t met,
               std::initializer_list<std::string_view> wanted) {
    for (const std::string_view key : wanted) {
      const auto index = static_cast<std::size_t>(std::find(names.begin(), names.end(), key) - names.begin());
      if ((met >> index & 1u) == 0) fail("expected the key \"" + std::string(key) + "\", which is missing", begin_);
    }
  }

 private:
  void skip() {
    while (p_ < end_ && (*p_ == ' ' || *p_ == '\t' || *p_ == '\r')) ++p_;
  }
  unsigned hex4() {
    unsigned code = 0;
    if (end_ - p_ < 4) expected("four hexadecimal digits");
    const auto [stop, error] = std::from_chars(p_, p_ + 4, code, 16);
    if (error != std::errc{} || stop != p_ + 4) expected("four hexadecimal digits");
    p_ += 4;
    return code;
  }
  void escape(std::string& out) {
    static constexpr std::string_view letters = "\"\\/bfnrt";
    static constexpr std::string_view meant = "\"\\/\b\f\n\r\t";
    const char* start = p_++;
    const std::size_t i = p_ < end_ ? letters.find(*p_) : letters.npos;
    if (i != letters.npos) {
      out += meant[i];
      ++p_;
      return;
    }
    if (p_ == end_ || *p_ != 'u') expected("an escape sequence", start);
    ++p_;
    unsigned code = hex4();
    if (code >= 0xD800 && code < 0xDC00) {
      if (end_ - p_ < 2 || p_[0] != '\\' || p_[1] != 'u') expected("the second half of a surrogate pair", start);
      p_ += 2;
      const unsigned low = hex4();
      if (low < 0xDC00 || low > 0xDFFF) expected("the second half of a surrogate pair", start);
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    } else if (code >= 0xDC00 && code < 0xE000) {
      expected("the first half of a surrogate pair", start);
    }
    const auto put = [&](unsigned byte) { out += static_cast<char>(byte); };
    if (code < 0x80) return put(code);
    if (code < 0x800) {
      put(0xC0 | code >> 6);
    } else if (code < 0x10000) {
      put(0xE0 | code >> 12);
      put(0x80 | (code >> 6 & 0x3F));
    } else {
      put(0xF0 | code >> 18);
      put(0x80 | (code >> 12 & 0x3F));
      put(0x80 | (code >> 6 & 0x3F));
    }
    put(0x80 | (code & 0x3F));
  }

  const std::string& name_;
  std::int64_t line_;
  const char* begin_;
  const char* p_;
  const char* end_;
};

template <typename Enum>
Enum read_name(Scanner& in, Enum last, const char* what) {
  const char* start = in.at();
  const std::string_view word = in.word();
  for (int i = 0; i <= static_cast<int>(last); ++i) {
    if (word == name_of(static_cast<Enum>(i))) return static_cast<Enum>(i);
  }
  in.expected(what, start);
}

Reason read_reason(Scanner& in) {
  Reason reason{};
  reason.cause = read_name(in, Cause::batch_timeout, "a cause");
  in.need(',');
  reason.needed = in.integer(-kMostTime, kMostTime);
  in.need(',');
  reason.available = in.integer(-kMostTime, kMostTime);
  return reason;
}

void read_prompt(Scanner& in, TokenSequence& prompt) {
  const auto room = [&](std::int64_t length, const char* start) {
    if (length > INT32_MAX - prompt.size()) in.fail("a prompt of more than 2147483647 tokens", start);
  };
  std::vector<Token> ids;
  in.list([&] {
    const char* start = in.at();
    in.need('[');
    const char* inner = in.at();
    if (in.accept('[')) {
      ids.clear();
      do {
        ids.push_back(in.int32());
      } while (in.accept(','));
      in.need(']');
      room(static_cast<std::int64_t>(ids.size()), inner);
      prompt.append(ids);
    } else {
      const ContentId content = in.integer(0, kMostContent);
      in.need(',');
      const std::int32_t offset = in.int32();
      in.need(',');
      const std::int32_t length = in.int32(1, INT32_MAX - offset);
      room(length, start);
      prompt.append(content, offset, length);
    }
    in.need(']');
  });
}

void read_join(Scanner& in, JoinRecord& join) {
  static constexpr std::array<std::string_view, 16> names = {
      "id",         "step", "at",           "arrival",       "prompt",         "max_tokens", "min_tokens", "priority",
      "ignore_eos", "stop", "arrival_step", "output_tokens", "output_content", "script",     "refused",    "ahead"};
  RequestSpec& spec = join.spec;
  join = {};
  join.request = in.int32();
  spec.output_content = kOutputContents + join.request;
  const std::uint32_t met = in.members(names, [&](std::size_t key) {
    switch (key) {
      case 0: spec.id = in.string(); break;
      case 1: join.step = in.integer(0, kMostTime); break;
      case 2: join.at = in.integer(0, kMostTime); break;
      case 3: spec.arrival = in.integer(-kMostTime, kMostTime); break;
      case 4: read_prompt(in, spec.prompt); break;
      case 5: spec.max_tokens = in.int32(INT32_MIN); break;
      case 6: spec.min_tokens = in.int32(INT32_MIN); break;
      case 7: spec.priority = in.int32(INT32_MIN); break;
      case 8: spec.ignore_eos = in.boolean(); break;
      case 9: in.list([&] { spec.stop_token_ids.push_back(in.int32(INT32_MIN)); }); break;
      case 10: spec.arrival_step = in.integer(0, kMostTime); break;
      case 11: spec.output_tokens = in.int32(); break;
      case 12: spec.output_content = in.integer(0, kMostContent); break;
      case 13: in.list([&] { spec.scripted_output.push_back(in.int32(kUnnamedEnd)); }); break;
      case 14: join.refused = in.string(); break;
      default: join.ahead = in.boolean();
    }
  });
  in.require(names, met, {"id", "step", "at", "arrival", "prompt", "max_tokens"});
}

// A list of blocks in which -n means the n blocks after the one before.
StepRecord::BlockList read_blocks(Scanner& in, std::vector<BlockId>& ids, std::int32_t num_blocks) {
  const auto begin = static_cast<std::int32_t>(ids.size());
  in.list([&] {
    const char* start = in.at();
    const bool first = static_cast<std::int32_t>(ids.size()) == begin;
    const std::int32_t value = in.int32(first ? 0 : ids.back() + 1 - num_blocks, num_blocks - 1);
    const std::int32_t count = value < 0 ? -value : 1;
    if (static_cast<std::int32_t>(ids.size()) > kMostTracedBlocks - count) in.fail("too many blocks in one line", start);
    if (value >= 0) {
      ids.push_back(value);
    } else {
      for (std::int32_t i = 0; i < count; ++i) ids.push_back(ids.back() + 1);
    }
  });
  return {begin, static_cast<std::int32_t>(ids.size()) - begin};
}

void read_step(Scanner& in, StepRecord& step, std::int32_t num_blocks) {
  static constexpr std::array<std::string_view, 20> names = {
      "t",       "dur",    "end",           "parts",  "prefill", "admit",  "chunk",      "grow",     "move",   "skip",
      "preempt", "refuse", "refused_until", "waited", "done",    "finish", "unfindable", "findable", "tokens", "ahead"};
  step.clear();
  step.step = in.integer(0, kMostTime);
  const auto comma = [&] { in.need(','); };
  const auto request = [&] {
    in.need('[');
    const std::int32_t number = in.int32();
    comma();
    return number;
  };
  const auto blocks = [&](std::vector<StepRecord::Blocks>& out) {
    const std::int32_t number = request();
    out.push_back({number, read_blocks(in, step.block_ids, num_blocks)});
    in.need(']');
  };
  const auto finish = [&](std::vector<StepRecord::Finish>& out) {
    const std::int32_t number = request();
    out.push_back({number, read_name(in, FinishReason::error, "why it finished")});
    in.need(']');
  };
  const std::uint32_t met = in.members(names, [&](std::size_t key) {
    switch (key) {
      case 0: step.start = in.integer(0, kMostTime); break;
      case 1: step.duration = in.integer(0, kMostTime); break;
      case 2: step.end = in.integer(0, 2 * kMostTime); break;
      case 3: {
        char separator = '[';
        StepParts& p = step.parts;
        for (TimeNs* part : {&p.gemm, &p.attention, &p.elementwise, &p.head, &p.communication, &p.host}) {
          in.need(separator);
          *part = in.integer(-kMostTime, kMostTime);
          separator = ',';
        }
        in.need(']');
        break;
      }
      case 4: step.prefill_only = in.boolean(); break;
      case 5:
        in.list([&] {
          StepRecord::Admission a{};
          a.request = request();
          a.hit_tokens = in.int32();
          comma();
          a.tokens = in.int32();
          comma();
          a.blocks = read_blocks(in, step.block_ids, num_blocks);
          in.need(']');
          step.admitted.push_back(a);
        });
        break;
      case 6:
        in.list([&] {
          const std::int32_t number = request();
          step.chunks.push_back({number, in.int32(1)});
          in.need(']');
        });
        break;
      case 7: in.list([&] { blocks(step.grown); }); break;
      case 8: in.list([&] { blocks(step.moved); }); break;
      case 9: in.list([&] { step.skipped.push_back(in.int32()); }); break;
      case 10:
        in.list([&] {
          StepRecord::Preemption p{};
          p.victim = request();
          p.beneficiary = in.int32();
          comma();
          p.reason = read_reason(in);
          comma();
          p.freed_blocks = in.int32();
          in.need(']');
          step.preempted.push_back(p);
        });
        break;
      case 11:
        in.list([&] {
          const std::int32_t number = request();
          step.refused.push_back({number, read_reason(in)});
          in.need(']');
        });
        break;
      case 12:
        in.list([&] {
          const std::int32_t number = request();
          const Reason reason = read_reason(in);
          comma();
          step.refused_until.push_back({number, in.integer(0, kMostTime), reason});
          in.need(']');
        });
        break;
      case 13: {
        const std::int32_t number = request();
        const Reason reason = read_reason(in);
        comma();
        step.waited = {number, reason, in.integer(0, kMostTime)};
        in.need(']');
        break;
      }
      case 14: in.list([&] { finish(step.done); }); break;
      case 15: in.list([&] { finish(step.finished); }); break;
      case 16: in.list([&] { step.unfindable.push_back(in.int32(0, num_blocks - 1)); }); break;
      case 17: in.list([&] { step.findable.push_back(in.int32(0, num_blocks - 1)); }); break;
      case 18: in.list([&] { step.tokens.push_back(in.int32(kUnnamedEnd)); }); break;
      default: step.ahead = in.boolean();
    }
  });
  in.require(names, met, {"t", "dur"});
  if ((met & 4u) == 0) step.end = step.start + step.duration;
}

void read_cancel(Scanner& in, CancelRecord& cancel) {
  static constexpr std::array<std::string_view, 5> names = {"step", "at", "reason", "stays", "ahead"};
  cancel = {};
  cancel.request = in.int32();
  const std::uint32_t met = in.members(names, [&](std::size_t key) {
    switch (key) {
      case 0: cancel.step = in.integer(0, kMostTime); break;
      case 1: cancel.at = in.integer(0, kMostTime); break;
      case 2: {
        const char* start = in.at();
        const char* known = "\"cancelled\", \"stop\" or \"error\"";
        cancel.reason = read_name(in, FinishReason::error, known);
        const bool may = cancel.reason == FinishReason::cancelled || cancel.reason == FinishReason::stop;
        if (!may && cancel.reason != FinishReason::error) in.expected(known, start);
        break;
      }
      case 3: cancel.gone = !in.boolean(); break;
      default: cancel.ahead = in.boolean();
    }
  });
  in.require(names, met, {"step", "at", "reason"});
}

TraceHeader read_header(std::string_view text, const std::string& name) {
  if (text.find("\"tokenyard_trace\"") == std::string_view::npos) {
    throw InputError(name + ": line 1: expected a trace, which begins {\"tokenyard_trace\":, found \"" + shown(text) + "\"");
  }
  JsonObject object = JsonValue::parse(text, name, {.line = 1}).object();
  const std::int64_t version = object.at("tokenyard_trace").integer(1, INT32_MAX);
  if (version > kTraceVersion) {
    throw InputError(name + ": line 1: expected trace version " + std::to_string(kTraceVersion) + ", found " +
                     std::to_string(version) + ": a newer program wrote this trace");
  }
  TraceHeader header;
  header.program = object.at("program").string();
  header.backend = object.at("backend").string();
  const JsonValue engine = object.at("engine");
  JsonObject fields = engine.object();
  read_engine_config(fields, header.engine);
  if (header.engine.policy->has_versions && !fields.find("vllm_version")) {
    header.engine.vllm_version = VllmVersion::v0_28;  // the only one when traces did not name it
  }
  fields.done();
  if (const auto wrong = validate(header.engine)) engine.fail(*wrong);
  if (header.engine.num_blocks > kMostTracedBlocks) {
    engine.fail("expected at most " + std::to_string(kMostTracedBlocks) + " blocks, found " +
                std::to_string(header.engine.num_blocks));
  }
  const auto json = [&](const char* key) {
    const auto value = object.find(key);
    if (value && !value->is_object()) value->expected("an object");
    return value ? value->json().dump() : std::string();
  };
  header.scenario = json("scenario");
  header.model = json("model");
  header.hardware = json("hardware");
  object.done();
  return header;
}

}  // namespace

struct TraceReader::In {
  std::unique_ptr<std::istream> stream;
  std::string name;
  std::string buffer;  // read and not yet used from `used` on
  std::size_t used = 0;
  std::int64_t line = 0;
  bool cut_off = false;
  bool ended = false;
  TraceHeader header;
  JoinRecord join;
  StepRecord step;
  CancelRecord cancel;
  std::int64_t end_steps = 0;
  TimeNs end_at = 0;

  // The next whole line, without its end; valid until the next call.
  std::optional<std::string_view> read_line() {
    std::size_t searched = used;
    while (true) {
      const std::size_t found = buffer.find('\n', searched);
      if (found != std::string::npos) {
        const std::string_view text = std::string_view(buffer).substr(used, found - used);
        used = found + 1;
        ++line;
        cut_off = false;
        return text;
      }
      buffer.erase(0, used);
      used = 0;
      searched = buffer.size();
      if (searched > kMostLine) {
        throw InputError(name + ": line " + std::to_string(line + 1) + ": expected at most " + std::to_string(kMostLine) +
                         " bytes in a line, found more");
      }
      buffer.resize(searched + kChunk);
      stream->clear();  // a file that has grown can be read on
      stream->read(buffer.data() + searched, kChunk);
      const auto got = static_cast<std::size_t>(stream->gcount());
      buffer.resize(searched + got);
      if (got == 0) {
        cut_off = !buffer.empty();
        return std::nullopt;
      }
    }
  }
};

TraceReader::TraceReader(const std::string& path) : TraceReader(open_text_file(path), path) {}

TraceReader::TraceReader(std::unique_ptr<std::istream> in, std::string name) : in_(std::make_unique<In>()) {
  in_->stream = std::move(in);
  in_->name = std::move(name);
  const auto text = in_->read_line();
  if (!text) {
    throw InputError(in_->name + ": line 1: expected a trace's header line, found " +
                     (in_->cut_off ? "\"" + shown(in_->buffer) + "\" without an end of line" : "the end of the file"));
  }
  in_->header = read_header(*text, in_->name);
}

TraceReader::~TraceReader() = default;

const TraceHeader& TraceReader::header() const { return in_->header; }
const JoinRecord& TraceReader::join() const { return in_->join; }
const StepRecord& TraceReader::step() const { return in_->step; }
const CancelRecord& TraceReader::cancel() const { return in_->cancel; }
std::int64_t TraceReader::end_steps() const { return in_->end_steps; }
TimeNs TraceReader::end_at() const { return in_->end_at; }
std::int64_t TraceReader::line() const { return in_->line; }
const std::string& TraceReader::name() const { return in_->name; }
bool TraceReader::cut_off() const { return in_->cut_off; }

TraceReader::Kind TraceReader::next() {
  const auto text = in_->read_line();
  if (!text) return Kind::none;
  Scanner in(in_->name, in_->line, *text);
  if (in_->ended) in.expected("nothing after the end of the run");
  in.need('{');
  const char* start = in.at();
  const std::string_view key = in.word();
  in.need(':');
  if (key == "step") {
    read_step(in, in_->step, in_->header.engine.num_blocks);
    return Kind::step;
  }
  if (key == "join") {
    read_join(in, in_->join);
    return Kind::join;
  }
  if (key == "cancel") {
    read_cancel(in, in_->cancel);
    return Kind::cancel;
  }
  if (key == "end") {
    static constexpr std::array<std::string_view, 1> names = {"at"};
    in_->end_steps = in.integer(0, kMostTime);
    in.require(names, in.members(names, [&](std::size_t) { in_->end_at = in.integer(0, kMostTime); }), {"at"});
    in_->ended = true;
    return Kind::end;
  }
  in.expected("\"step\", \"join\", \"cancel\" or \"end\" as the first key", start);
}

}  // namespace tokenyard
