// Recorded traffic, in files as their authors publish them. kKinds at the end lists the kinds:
//   {"type": "azure", "path": "conv.csv", "repeat": 1, "limit": 0, "concurrency": 0}
// limit 0: all requests. repeat n: the whole trace n times, one after the other. concurrency n: a closed loop. A kind is a
// source, some twenty lines that read one request, and its entry in kinds().
#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "core/base/json_reader.h"
#include "core/base/text_file.h"
#include "sim/measured_run.h"
#include "sim/object_reader.h"
#include "sim/random.h"
#include "sim/workload.h"

namespace tokenyard {
namespace {

constexpr std::size_t kBytesPerToken = 4;  // of English under vocabularies of 100,000 and more
constexpr TimeNs kDay = TimeNs{24} * 3600 * 1'000'000'000;
constexpr TimeNs kLongestFile = 200 * kDay;
constexpr TimeNs kLongestRun = 30'000 * kDay;  // all copies of a file; with two more it stays within the clock

bool is_blank(char c) { return c == ' ' || c == '\t'; }

std::function<TokenCounter(const std::string&)> tokenizers;

// By the tokenizer of a model's folder, or without one an estimate.
TokenCounter token_counter(const std::string& folder) {
  if (!folder.empty() && !tokenizers) throw InputError(folder + ": this program has no tokenizer to count with");
  if (!folder.empty()) return tokenizers(folder);
  return [](std::string_view text) { return static_cast<std::int32_t>((text.size() + kBytesPerToken - 1) / kBytesPerToken); };
}

struct RecordedFile {
  std::string path;
  std::int64_t repeat = 1;
  std::int64_t limit = 0;
  std::int32_t concurrency = 0;  // 0: an open loop
  std::int32_t block_size = 0;   // tokens that one hash id names; 0: what the file's first long prompt says
  std::string tokenizer;         // a model's folder; empty: a token is estimated as kBytesPerToken bytes
  double rate_per_s = 0;         // of requests without times; 0: all at once
};

// A file whose requests stand in the order of their time; read one ahead.
class RecordedSource : public RequestSource {
 public:
  void poll(TimeNs now, std::int64_t, std::vector<SourceEvent>& due) final {
    loop_.polled(now);
    for (TimeNs time = next_time(); time <= now; time = next_time()) {
      loop_.begin();
      next_->arrival = time;
      due.push_back({SourceEvent::Kind::join, std::move(*next_), {}});
      advance();
    }
  }
  TimeNs next_time() const final { return next_ ? loop_.start(next_->arrival) : kNever; }
  void on_end(const Request& request) final { loop_.end(request); }

 protected:
  RecordedSource(const RecordedFile& file, const SourceSeat& seat) : file_(file), seat_(seat), loop_(file.concurrency) {}

  // Reads the next request's arrival (from the file's beginning), prompt and lengths. False at the end of the file.
  virtual bool read(RequestSpec& spec) = 0;
  virtual void rewind() = 0;              // to where read() gives the first request
  virtual std::string place() const = 0;  // of the request last read, for messages
  [[noreturn]] void fail(const std::string& what) const { throw InputError(place() + ": " + what); }

  void advance() {
    next_.reset();
    if (file_.limit > 0 && number_ == file_.limit) return;
    RequestSpec spec;
    if (!read(spec)) {
      if (--file_.repeat < 1 || in_file_ == 0) return;
      // The next copy begins one mean gap after the last request.
      begin_ += last_ + std::max<TimeNs>(1, in_file_ > 1 ? last_ / (in_file_ - 1) : 0);
      if (begin_ > kLongestRun) fail("expected fewer copies, which last 82 years at most; lower repeat");
      last_ = 0;
      in_file_ = 0;
      rewind();
      if (!read(spec)) return;
    }
    if (spec.arrival < last_) fail("expected requests in the order of their time, found an earlier one");
    if (spec.arrival > kLongestFile) fail("expected a trace of at most 200 days, found a later request");
    last_ = spec.arrival;
    ++in_file_;
    spec.arrival = scaled_arrival(spec.arrival + begin_, seat_.rate_scale);
    spec.id = seat_.prefix + std::to_string(number_++);
    next_ = std::move(spec);
  }

  RecordedFile file_;
  SourceSeat seat_;
  std::int64_t number_ = 0;  // of the next request

 private:
  ClosedLoop loop_;
  std::optional<RequestSpec> next_;
  TimeNs begin_ = 0;  // of this copy of the file
  TimeNs last_ = 0;   // since begin_
  std::int64_t in_file_ = 0;
};

// A request a line.
class LineSource : public RecordedSource {
 protected:
  LineSource(const RecordedFile& file, const SourceSeat& seat) : RecordedSource(file, seat), reader_(file.path) {}

  // The next line that is not empty. False at the end of the file.
  bool next_line(std::string_view& line) {
    do {
      if (!reader_.next(line)) return false;
    } while (std::all_of(line.begin(), line.end(), is_blank));
    return true;
  }
  JsonValue parse_line(std::string_view line) const { return JsonValue::parse(line, reader_.path(), {.line = reader_.line()}); }
  void rewind() override { reader_.rewind(); }
  std::string place() const final { return reader_.path() + ": line " + std::to_string(reader_.line()); }

 private:
  LineReader reader_;
};

// --- CSV ---

// Takes numbers and signs off the front of a text.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  bool done() const { return text_.empty(); }
  bool take(char c) {
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  // Digits only, at most so many; -1 where there are none, or the number is larger than `most`.
  std::int32_t number(std::int32_t most, std::size_t most_digits) {
    std::int32_t value = 0;
    const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), value);
    last_digits_ = static_cast<std::size_t>(end - text_.data());
    if (error != std::errc{} || text_.front() == '-' || value > most || last_digits_ > most_digits) return -1;
    text_.remove_prefix(last_digits_);
    return value;
  }
  std::size_t last_digits() const { return last_digits_; }

 private:
  std::string_view text_;
  std::size_t last_digits_ = 0;
};

// "2023-11-16 18:15:46.6805900", also with T between date and time and with Z or an offset as in +00:00 behind. Nanoseconds
// since 1970 in UTC, which a time without an offset is taken for.
std::optional<TimeNs> date_and_time(std::string_view text) {
  Scanner scan(text);
  const std::int64_t year = scan.number(2200, 4);
  if (!scan.take('-')) return {};
  const std::int64_t month = scan.number(12, 2);
  if (!scan.take('-')) return {};
  const std::int64_t day = scan.number(31, 2);
  if (!scan.take(' ') && !scan.take('T')) return {};
  const std::int64_t hour = scan.number(23, 2);
  if (!scan.take(':')) return {};
  const std::int64_t minute = scan.number(59, 2);
  if (!scan.take(':')) return {};
  const std::int64_t second = scan.number(60, 2);
  if (year < 1970 || month < 1 || day < 1 || hour < 0 || minute < 0 || second < 0) return {};
  std::int64_t nanoseconds = 0;
  if (scan.take('.')) {
    nanoseconds = scan.number(999'999'999, 9);
    if (nanoseconds < 0) return {};
    for (std::size_t digits = scan.last_digits(); digits < 9; ++digits) nanoseconds *= 10;
  }
  std::int64_t ahead = 0;  // minutes, of UTC
  const bool east = scan.take('+');
  if (east || scan.take('-')) {
    const std::int64_t hours = scan.number(14, 2);
    if (scan.last_digits() != 2) return {};
    scan.take(':');
    const std::int64_t minutes = scan.number(59, 2);
    if (hours < 0 || minutes < 0) return {};
    ahead = (east ? 1 : -1) * (hours * 60 + minutes);
  } else {
    scan.take('Z');
  }
  if (!scan.done()) return {};
  // Days since 1970-01-01 in the proleptic Gregorian calendar, years counted from March.
  const std::int64_t y = year - (month <= 2 ? 1 : 0);
  const std::int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const std::int64_t days = 365 * y + y / 4 - y / 100 + y / 400 + day_of_year - 719468;
  return (((days * 24 + hour) * 60 + minute - ahead) * 60 + second) * 1'000'000'000 + nanoseconds;
}

std::optional<TimeNs> seconds(std::string_view text) {
  constexpr double most = 4e9;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !(value >= 0 && value <= most)) return {};
  return static_cast<TimeNs>(std::floor(value * 1e9 + 0.5));
}

// Without the blanks and the quotes around them. Between quotes a comma is text.
void split_fields(std::string_view line, std::vector<std::string_view>& fields) {
  fields.clear();
  bool quoted = false;
  for (std::size_t begin = 0, end = 0; end <= line.size(); ++end) {
    if (end < line.size() && line[end] == '"') quoted = !quoted;
    if (end < line.size() && (quoted || line[end] != ',')) continue;
    std::string_view field = line.substr(begin, end - begin);
    while (!field.empty() && is_blank(field.front())) field.remove_prefix(1);
    while (!field.empty() && is_blank(field.back())) field.remove_suffix(1);
    if (field.size() >= 2 && field.front() == '"' && field.back() == '"') field = field.substr(1, field.size() - 2);
    fields.push_back(field);
    begin = end + 1;
  }
}

// Times count from the first request's. Every prompt is its own text.
class CsvSource final : public LineSource {
 public:
  struct Columns {
    const char* time;
    const char* prompt;
    const char* output;
    std::optional<TimeNs> (*read_time)(std::string_view);
    const char* time_example;
  };

  CsvSource(const RecordedFile& file, const SourceSeat& seat, const Columns& columns)
      : LineSource(file, seat), columns_(columns) {
    read_header();
    advance();
  }

 private:
  void rewind() override {
    LineSource::rewind();
    read_header();
  }

  void read_header() {
    std::string_view line;
    next_line(line);
    split_fields(line, fields_);
    width_ = fields_.size();
    time_ = place_of(columns_.time, line);
    prompt_ = place_of(columns_.prompt, line);
    output_ = place_of(columns_.output, line);
  }

  std::size_t place_of(const char* column, std::string_view header) const {
    const auto found = std::find(fields_.begin(), fields_.end(), column);
    if (found == fields_.end()) fail("expected the column \"" + std::string(column) + "\", found \"" + shown(header) + "\"");
    return static_cast<std::size_t>(found - fields_.begin());
  }

  bool read(RequestSpec& spec) override {
    std::string_view line;
    if (!next_line(line)) return false;
    split_fields(line, fields_);
    if (fields_.size() != width_)
      fail("expected " + std::to_string(width_) + " fields as in the first line, found \"" + shown(line) + "\"");
    const std::optional<TimeNs> time = columns_.read_time(fields_[time_]);
    if (!time) {
      fail("expected " + std::string(columns_.time) + " as in \"" + columns_.time_example + "\", found \"" +
           shown(fields_[time_]) + "\"");
    }
    if (!first_) first_ = time;
    spec.arrival = *time - *first_;
    const std::int32_t prompt = count(columns_.prompt, fields_[prompt_]);
    spec.output_tokens = spec.max_tokens = count(columns_.output, fields_[output_]);
    spec.prompt.append(text_name(seat_.index, TextKind::own, number_), 0, prompt);
    return true;
  }

  std::int32_t count(const char* column, std::string_view text) const {
    Scanner scan(text);
    const std::int32_t value = scan.number(kMostPromptTokens, 10);
    if (value < 0 || !scan.done())
      fail("expected " + std::string(column) + " to be a number of tokens, found \"" + shown(text) + "\"");
    return value;
  }

  const Columns& columns_;
  std::vector<std::string_view> fields_;                        // of the line last read
  std::size_t width_ = 0, time_ = 0, prompt_ = 0, output_ = 0;  // where the columns are
  std::optional<TimeNs> first_;
};

// --- JSON Lines ---

TimeNs nanoseconds(const JsonValue& json, double unit) {
  const double most = 1e18 / unit;
  return static_cast<TimeNs>(std::floor(json.number(0, most) * unit + 0.5));
}

// Equal hash ids are equal texts; without ids a prompt is its own text.
class MooncakeSource final : public LineSource {
 public:
  struct Dialect {
    double time_unit;            // nanoseconds
    std::int32_t block_size;     // tokens named by one hash id, unless the file says otherwise
    bool rest_may_lack = false;  // the tokens behind the last whole block may have no id
  };

  MooncakeSource(const RecordedFile& file, const SourceSeat& seat, const Dialect& dialect)
      : LineSource(file, seat), dialect_(dialect), block_size_(file.block_size) {
    advance();
  }

 private:
  bool read(RequestSpec& spec) override {
    std::string_view line;
    if (!next_line(line)) return false;
    JsonObject object = parse_line(line).object();
    spec.arrival = nanoseconds(object.at("timestamp"), dialect_.time_unit);
    std::int32_t left = object.at("input_length").int32(0, kMostPromptTokens);
    spec.output_tokens = spec.max_tokens = object.at("output_length").int32(0, kMostPromptTokens);
    if (const auto ids = object.find("hash_ids"); ids && !ids->is_null()) {
      const std::int32_t block_size = block_size_for(*ids, left);
      for (const std::int64_t id : ids->integers(0, kMostTexts - 1)) {
        const std::int32_t tokens = std::min(left, block_size);
        spec.prompt.append(text_name(seat_.index, TextKind::shared, id), 0, tokens);
        left -= tokens;
      }
    }
    if (left > 0) spec.prompt.append(text_name(seat_.index, TextKind::own, number_), 0, left);
    return true;
  }

  bool fits(std::int64_t ids, std::int32_t prompt, std::int32_t block_size) const {
    const std::int32_t whole = prompt / block_size;
    const bool rest = prompt % block_size != 0;
    return ids == whole + (rest ? 1 : 0) || (dialect_.rest_may_lack && ids == whole);
  }

  // Traces name no block size. The first prompt of several blocks tells it: it is a power of two, and no two of them fit.
  std::int32_t block_size_for(const JsonValue& ids, std::int32_t prompt) {
    const auto count = static_cast<std::int64_t>(ids.size());
    std::int32_t size = block_size_ > 0 ? block_size_ : dialect_.block_size;
    if (ids.is_array() && block_size_ == 0 && count > 1) {
      for (std::int32_t other = 1; !fits(count, prompt, size) && other <= kMostBlock; other *= 2) {
        if (fits(count, prompt, other)) size = other;
      }
      if (fits(count, prompt, size)) block_size_ = size;
    }
    if (!ids.is_array() || !fits(count, prompt, size)) {
      ids.expected("one id for each " + std::to_string(size) + " tokens of the input (block_size says how many), " +
                   std::to_string(prompt / size + (prompt % size != 0 ? 1 : 0)));
    }
    return size;
  }

  static constexpr std::int32_t kMostBlock = 1 << 16;

  const Dialect& dialect_;
  std::int32_t block_size_;  // 0: not known yet
};

class LlmServingSimSource final : public LineSource {
 public:
  LlmServingSimSource(const RecordedFile& file, const SourceSeat& seat) : LineSource(file, seat) { advance(); }

 private:
  bool read(RequestSpec& spec) override {
    std::string_view line;
    if (!next_line(line)) return false;
    JsonObject object = parse_line(line).object();
    spec.arrival = nanoseconds(object.at("arrival_time_ns"), 1);
    const std::int32_t prompt = object.at("input_toks").int32(0, kMostPromptTokens);
    spec.output_tokens = spec.max_tokens = object.at("output_toks").int32(0, kMostPromptTokens);
    spec.prompt.append(text_name(seat_.index, TextKind::own, number_), 0, prompt);
    return true;
  }
};

// Arrival is when the real engine had the request in its queue. The texts are not known: none shares a prefix.
class VllmRunSource final : public LineSource {
 public:
  VllmRunSource(const RecordedFile& file, const SourceSeat& seat) : LineSource(file, seat) { advance(); }

 private:
  bool read(RequestSpec& spec) override {
    std::string_view line;
    if (!next_line(line)) return false;
    const MeasuredRequest measured = read_measured_request(parse_line(line));
    if (!first_) first_ = measured.queued;
    spec.arrival = measured.queued - *first_;
    spec.output_tokens = spec.max_tokens = measured.output_tokens;
    spec.prompt.append(text_name(seat_.index, TextKind::own, number_), 0, measured.input_tokens);
    return true;
  }

  std::optional<TimeNs> first_;
};

// --- One JSON document ---

// What `vllm bench serve --save-result --save-detailed` wrote. Arrival is when its client sent the request; in a closed loop
// that was when the measured server had answered another one, so there all are wanted from the beginning.
class VllmBenchSource final : public RecordedSource {
 public:
  VllmBenchSource(const RecordedFile& file, const SourceSeat& seat)
      : RecordedSource(file, seat), requests_(read_bench_result(JsonValue::load(file.path))) {
    advance();
  }

 private:
  bool read(RequestSpec& spec) override {
    if (done_ == requests_.size()) return false;
    const MeasuredRequest& measured = requests_[done_++];
    spec.arrival = file_.concurrency > 0 ? 0 : measured.queued - requests_.front().queued;
    spec.output_tokens = spec.max_tokens = measured.output_tokens;
    spec.prompt.append(text_name(seat_.index, TextKind::own, number_), 0, measured.input_tokens);
    return true;
  }
  void rewind() override { done_ = 0; }
  std::string place() const override { return file_.path + ": request " + requests_[done_ - 1].id; }

  std::vector<MeasuredRequest> requests_;  // by arrival
  std::size_t done_ = 0;
};

// The first two turns of each conversation, as vLLM's benchmark takes them: a prompt and an answer. Conversations without them
// are passed over. They have no times: Poisson arrivals, or all at once.
class ShareGptSource final : public RecordedSource {
 public:
  ShareGptSource(const RecordedFile& file, const SourceSeat& seat)
      : RecordedSource(file, seat),
        reader_(file.path, kMostConversation),
        tokens_(token_counter(file.tokenizer)),
        random_(seat.seed, static_cast<std::uint64_t>(seat.index), 0) {
    advance();
  }

 private:
  bool read(RequestSpec& spec) override {
    std::string text;
    while (reader_.next(text)) {
      const std::vector<JsonValue> turns =
          JsonValue::parse(text, file_.path, reader_.begin()).object().at("conversations").array();
      if (turns.size() < 2) continue;
      const std::int32_t prompt = tokens_(turns[0].object().at("value").string());
      const std::int32_t answer = tokens_(turns[1].object().at("value").string());
      if (prompt == 0 || answer == 0) continue;
      if (file_.rate_per_s > 0) time_ += static_cast<TimeNs>(random_.exponential() / file_.rate_per_s * 1e9);
      spec.arrival = time_;
      spec.output_tokens = spec.max_tokens = answer;
      spec.prompt.append(text_name(seat_.index, TextKind::own, number_), 0, prompt);
      return true;
    }
    return false;
  }
  void rewind() override {
    reader_.rewind();
    time_ = 0;
  }
  std::string place() const override { return reader_.place(); }

  static constexpr std::size_t kMostConversation = std::size_t{64} << 20;

  ObjectReader reader_;
  TokenCounter tokens_;
  Random random_;
  TimeNs time_ = 0;
};

// --- The kinds ---

enum class Form { csv, json_lines, json };

struct Kind {
  const char* type;   // in a scenario
  const char* title;  // in messages
  Form form;
  std::vector<std::string_view> fields;  // columns or keys that tell the kind, all of them; any order, others beside them
  std::unique_ptr<RequestSource> (*source)(const RecordedFile&, const SourceSeat&);
};

template <const CsvSource::Columns& columns>
std::unique_ptr<RequestSource> csv_source(const RecordedFile& file, const SourceSeat& seat) {
  return std::make_unique<CsvSource>(file, seat, columns);
}
template <const MooncakeSource::Dialect& dialect>
std::unique_ptr<RequestSource> hashed_source(const RecordedFile& file, const SourceSeat& seat) {
  return std::make_unique<MooncakeSource>(file, seat, dialect);
}
template <typename Source>
std::unique_ptr<RequestSource> plain_source(const RecordedFile& file, const SourceSeat& seat) {
  return std::make_unique<Source>(file, seat);
}

constexpr CsvSource::Columns kAzure = {"TIMESTAMP", "ContextTokens", "GeneratedTokens", date_and_time,
                                       "2024-05-10 00:00:00.009930+00:00"};
constexpr CsvSource::Columns kBurstGpt = {"Timestamp", "Request tokens", "Response tokens", seconds, "45"};
constexpr CsvSource::Columns kVidur = {"arrived_at", "num_prefill_tokens", "num_decode_tokens", seconds, "0.25"};
constexpr MooncakeSource::Dialect kMooncake = {.time_unit = 1e6, .block_size = 512};
constexpr MooncakeSource::Dialect kBailian = {.time_unit = 1e9, .block_size = 16, .rest_may_lack = true};

// The first that fits is taken: one that has all fields of another stands before it.
const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = {
      {"azure", "Azure LLM inference trace", Form::csv, {kAzure.time, kAzure.prompt, kAzure.output}, csv_source<kAzure>},
      {"burstgpt", "BurstGPT", Form::csv, {kBurstGpt.time, kBurstGpt.prompt, kBurstGpt.output}, csv_source<kBurstGpt>},
      {"vidur", "Vidur", Form::csv, {kVidur.time, kVidur.prompt, kVidur.output}, csv_source<kVidur>},
      {"qwen_bailian",
       "Qwen-Bailian",
       Form::json_lines,
       {"chat_id", "timestamp", "input_length", "output_length"},
       hashed_source<kBailian>},
      {"mooncake", "Mooncake", Form::json_lines, {"timestamp", "input_length", "output_length"}, hashed_source<kMooncake>},
      {"llmservingsim",
       "LLMServingSim",
       Form::json_lines,
       {"arrival_time_ns", "input_toks", "output_toks"},
       plain_source<LlmServingSimSource>},
      {"vllm_run", "requests a vLLM served", Form::json_lines, {"queued_ts", "first_token_ts"}, plain_source<VllmRunSource>},
      {"vllm_bench",
       "a result of vllm bench serve --save-detailed",
       Form::json,
       {"input_lens", "output_lens", "start_times"},
       plain_source<VllmBenchSource>},
      {"sharegpt", "ShareGPT", Form::json, {"conversations"}, plain_source<ShareGptSource>},
  };
  return all;
}

// Empty: none.
std::string kind_with(const std::vector<std::string_view>& fields, bool csv) {
  const auto there = [&](std::string_view field) { return std::find(fields.begin(), fields.end(), field) != fields.end(); };
  for (const Kind& kind : kinds()) {
    if ((kind.form == Form::csv) == csv && std::all_of(kind.fields.begin(), kind.fields.end(), there)) return kind.type;
  }
  return "";
}

class RecordedWorkload final : public Workload {
 public:
  RecordedWorkload(const Kind& kind, RecordedFile file) : kind_(kind), file_(std::move(file)) {}
  std::unique_ptr<RequestSource> source(const SourceSeat& seat) const override { return kind_.source(file_, seat); }
  std::string note() const override {
    const std::string_view type = kind_.type;
    if (type == "vllm_bench" && file_.concurrency > 0) {
      return file_.path + ": a closed loop of " + std::to_string(file_.concurrency) + " requests, not its start_times";
    }
    if (type != "sharegpt") return "";
    return file_.path + ": lengths are " +
           (file_.tokenizer.empty() ? "estimates, a token for every " + std::to_string(kBytesPerToken) + " bytes of text"
                                    : "counted by the tokenizer of " + file_.tokenizer);
  }
  bool at_engine() const override { return std::string_view(kind_.type) == "vllm_run"; }

 private:
  const Kind& kind_;
  RecordedFile file_;
};

}  // namespace

void set_tokenizers(std::function<TokenCounter(const std::string& folder)> load) { tokenizers = std::move(load); }

std::vector<std::string> recorded_types() {
  std::vector<std::string> out;
  for (const Kind& kind : kinds()) out.emplace_back(kind.type);
  return out;
}

std::string recorded_type(std::string_view first_line) {
  std::vector<std::string_view> fields;
  if (!first_line.starts_with('{')) {
    split_fields(first_line, fields);
    return kind_with(fields, /*csv=*/true);
  }
  try {
    return recorded_type_of(Json::parse(first_line, ""));
  } catch (const InputError&) {
    return "";  // an object of several lines
  }
}

std::string recorded_type_of(const Json& json) {
  std::vector<std::string_view> fields;
  if (json.is_object()) {
    for (const Json::Member& member : json.object()) fields.push_back(member.key);
  }
  return kind_with(fields, /*csv=*/false);
}

std::string recorded_kinds() {
  std::string out;
  for (const Kind& kind : kinds()) {
    out += (out.empty() ? "" : "; ") + std::string(kind.title) +
           (kind.form == Form::csv ? " with the columns " : " with the keys ");
    for (const std::string_view field : kind.fields)
      out += std::string(field == kind.fields.front() ? "" : ", ") + std::string(field);
  }
  return out;
}

std::shared_ptr<const Workload> read_recorded_workload(const JsonValue& json, const std::string& directory) {
  JsonObject object = json.object();
  const std::string type = object.at("type").string();
  const auto kind = std::find_if(kinds().begin(), kinds().end(), [&](const Kind& each) { return type == each.type; });
  RecordedFile file;
  file.path = file_beside(directory, object.at("path").string());
  if (const auto v = object.find("repeat")) file.repeat = v->integer(1, 1000);
  if (const auto v = object.find("limit")) file.limit = v->integer(0, std::int64_t{1} << 40);
  if (type == "vllm_bench") file.concurrency = bench_concurrency(JsonValue::load(file.path));
  if (const auto v = object.find("concurrency")) file.concurrency = v->int32(0, kMostConcurrency);
  if (type == "mooncake" || type == "qwen_bailian") {
    if (const auto v = object.find("block_size")) file.block_size = v->int32(1, 1 << 20);
  }
  if (type == "sharegpt") {
    if (const auto v = object.find("tokenizer")) file.tokenizer = file_beside(directory, v->string());
    if (const auto v = object.find("rate_per_s")) file.rate_per_s = v->number(1e-6, 1e6);
  }
  object.done();
  auto workload = std::make_shared<RecordedWorkload>(*kind, file);
  // Opens the file and reads its first request.
  if (workload->source({})->next_time() == kNever) throw InputError(file.path + ": expected at least one request, found none");
  return workload;
}

}  // namespace tokenyard
