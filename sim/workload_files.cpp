// Recorded traffic:
//   {"type": "azure", "path": "conv.csv", "repeat": 1, "limit": 0}    Azure LLM inference trace 2023
//   {"type": "mooncake", "path": "conversation.jsonl", "limit": 0}    Mooncake trace, with its shared prefixes
//   {"type": "vllm_run", "path": "requests.jsonl", "limit": 0}        what a real vLLM served (measured_run.h)
// limit 0: all requests. repeat n: the whole trace n times, one after the other.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "core/base/json_reader.h"
#include "core/base/text_file.h"
#include "sim/measured_run.h"
#include "sim/workload.h"

namespace tokenyard {
namespace {

constexpr TimeNs kLongestFile = TimeNs{31} * 24 * 3600 * 1'000'000'000;  // 1000 copies stay within the clock

struct RecordedFile {
  std::string path;
  std::int64_t repeat = 1;
  std::int64_t limit = 0;
};

// A file whose requests stand in the order of their time; read one ahead.
class RecordedSource : public RequestSource {
 public:
  void poll(TimeNs now, std::int64_t, std::vector<SourceEvent>& due) final {
    while (next_ && next_->arrival <= now) {
      due.push_back({SourceEvent::Kind::join, std::move(*next_), {}});
      advance();
    }
  }
  TimeNs next_time() const final { return next_ ? next_->arrival : kNever; }

 protected:
  RecordedSource(const RecordedFile& file, const SourceSeat& seat) : reader_(file.path), file_(file), seat_(seat) {}

  // Reads the next request's arrival (from the file's beginning), prompt and lengths. False at the end of the file.
  virtual bool read(RequestSpec& spec) = 0;
  virtual void restart() {}  // at the file's beginning: read its header

  // The next line that is not empty. False at the end of the file.
  bool next_line(std::string_view& line) {
    do {
      if (!reader_.next(line)) return false;
    } while (line.empty());
    return true;
  }
  std::string place() const { return reader_.path() + ": line " + std::to_string(reader_.line()); }

  void advance() {
    next_.reset();
    if (file_.limit > 0 && number_ == file_.limit) return;
    RequestSpec spec;
    if (!read(spec)) {
      if (--file_.repeat < 1 || in_file_ == 0) return;
      // The next copy begins one mean gap after the last request.
      begin_ += last_ + std::max<TimeNs>(1, in_file_ > 1 ? last_ / (in_file_ - 1) : 0);
      last_ = 0;
      in_file_ = 0;
      reader_.rewind();
      restart();
      if (!read(spec)) return;
    }
    if (spec.arrival < last_) reader_.fail("expected requests in the order of their time, found an earlier one");
    if (spec.arrival > kLongestFile) reader_.fail("expected a trace of at most 31 days, found a later request");
    last_ = spec.arrival;
    ++in_file_;
    spec.arrival = scaled_arrival(spec.arrival + begin_, seat_.rate_scale);
    spec.id = seat_.prefix + std::to_string(number_++);
    next_ = std::move(spec);
  }

  LineReader reader_;
  RecordedFile file_;
  SourceSeat seat_;
  std::int64_t number_ = 0;  // of the next request

 private:
  std::optional<RequestSpec> next_;
  TimeNs begin_ = 0;  // of this copy of the file
  TimeNs last_ = 0;   // since begin_
  std::int64_t in_file_ = 0;
};

constexpr std::string_view kAzureHeader = "TIMESTAMP,ContextTokens,GeneratedTokens";

class AzureSource final : public RecordedSource {
 public:
  AzureSource(const RecordedFile& file, const SourceSeat& seat) : RecordedSource(file, seat) {
    restart();
    advance();
  }

 private:
  void restart() override {
    std::string_view line;
    if (!reader_.next(line) || line != kAzureHeader) {
      reader_.fail("expected \"" + std::string(kAzureHeader) + "\", found \"" + shown(line) + "\"");
    }
  }

  bool read(RequestSpec& spec) override {
    std::string_view line;
    if (!next_line(line)) return false;
    text_ = line;
    const TimeNs time = timestamp();
    if (!first_) first_ = time;
    spec.arrival = time - *first_;
    take(',');
    const std::int32_t prompt = number(kMostPromptTokens, 10);
    take(',');
    spec.output_tokens = spec.max_tokens = number(kMostPromptTokens, 10);
    if (at_ != text_.size()) malformed();
    spec.prompt.append(text_name(seat_.index, TextKind::own, number_), 0, prompt);
    return true;
  }

  // "2023-11-16 18:15:46.6805900", nanoseconds since 1970.
  TimeNs timestamp() {
    at_ = 0;
    const std::int64_t year = number(2200, 4);
    take('-');
    const std::int64_t month = number(12, 2);
    take('-');
    const std::int64_t day = number(31, 2);
    take(' ');
    const std::int64_t hour = number(23, 2);
    take(':');
    const std::int64_t minute = number(59, 2);
    take(':');
    const std::int64_t second = number(60, 2);
    if (year < 1970 || month < 1 || day < 1) malformed();
    std::int64_t nanoseconds = 0;
    if (at_ < text_.size() && text_[at_] == '.') {
      const std::size_t begin = ++at_;
      nanoseconds = number(999'999'999, 9);
      for (std::size_t digits = at_ - begin; digits < 9; ++digits) nanoseconds *= 10;
    }
    // Days since 1970-01-01 in the proleptic Gregorian calendar, years counted from March.
    const std::int64_t y = year - (month <= 2 ? 1 : 0);
    const std::int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    const std::int64_t days = 365 * y + y / 4 - y / 100 + y / 400 + day_of_year - 719468;
    return (((days * 24 + hour) * 60 + minute) * 60 + second) * 1'000'000'000 + nanoseconds;
  }

  std::int32_t number(std::int32_t most, std::size_t most_digits) {
    std::int32_t value = 0;
    const char* begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    const auto digits = static_cast<std::size_t>(end - begin);
    if (error != std::errc{} || value < 0 || value > most || digits > most_digits || *begin == '-') malformed();
    at_ += digits;
    return value;
  }

  void take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) malformed();
    ++at_;
  }

  [[noreturn]] void malformed() const {
    reader_.fail("expected a time and two counts as in \"2023-11-16 18:15:46.6805900,374,44\", found \"" + shown(text_) + "\"");
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::optional<TimeNs> first_;
};

constexpr std::int32_t kMooncakeBlock = 512;  // tokens named by one hash id

class MooncakeSource final : public RecordedSource {
 public:
  MooncakeSource(const RecordedFile& file, const SourceSeat& seat) : RecordedSource(file, seat) { advance(); }

 private:
  bool read(RequestSpec& spec) override {
    std::string_view line;
    if (!next_line(line)) return false;
    JsonObject object = JsonValue::parse(line, place()).object();
    spec.arrival = static_cast<TimeNs>(std::floor(object.at("timestamp").number(0, 1e12) * 1e6 + 0.5));
    const std::int32_t prompt = object.at("input_length").int32(0, kMostPromptTokens);
    spec.output_tokens = spec.max_tokens = object.at("output_length").int32(0, kMostPromptTokens);
    const JsonValue ids = object.at("hash_ids");
    const std::int32_t blocks = prompt / kMooncakeBlock + (prompt % kMooncakeBlock != 0 ? 1 : 0);
    if (!ids.is_array() || ids.size() != static_cast<std::size_t>(blocks)) {
      ids.expected("one id for each 512 tokens of the input, " + std::to_string(blocks));
    }
    std::int32_t left = prompt;
    for (const std::int64_t id : ids.integers(0, kMostTexts - 1)) {
      const std::int32_t tokens = std::min(left, kMooncakeBlock);
      spec.prompt.append(text_name(seat_.index, TextKind::shared, id), 0, tokens);
      left -= tokens;
    }
    return true;
  }
};

// Arrival is when the real engine had the request in its queue. The texts are not known: none shares a prefix.
class VllmRunSource final : public RecordedSource {
 public:
  VllmRunSource(const RecordedFile& file, const SourceSeat& seat) : RecordedSource(file, seat) { advance(); }

 private:
  bool read(RequestSpec& spec) override {
    std::string_view line;
    if (!next_line(line)) return false;
    const MeasuredRequest measured = read_measured_request(line, place());
    if (!first_) first_ = measured.queued;
    spec.arrival = measured.queued - *first_;
    spec.output_tokens = spec.max_tokens = measured.output_tokens;
    spec.prompt.append(text_name(seat_.index, TextKind::own, number_), 0, measured.input_tokens);
    return true;
  }

  std::optional<TimeNs> first_;
};

template <typename Source>
class RecordedWorkload final : public Workload {
 public:
  explicit RecordedWorkload(RecordedFile file) : file_(std::move(file)) {}
  std::unique_ptr<RequestSource> source(const SourceSeat& seat) const override { return std::make_unique<Source>(file_, seat); }

 private:
  RecordedFile file_;
};

template <typename Source>
std::shared_ptr<const Workload> read_recorded(const JsonValue& json, const std::string& directory) {
  JsonObject object = json.object();
  object.at("type");
  RecordedFile file;
  file.path = file_beside(directory, object.at("path").string());
  if (const auto v = object.find("repeat")) file.repeat = v->integer(1, 1000);
  if (const auto v = object.find("limit")) file.limit = v->integer(0, std::int64_t{1} << 40);
  object.done();
  auto workload = std::make_shared<RecordedWorkload<Source>>(std::move(file));
  workload->source({});  // opens the file and reads its first request
  return workload;
}

}  // namespace

std::shared_ptr<const Workload> read_azure_workload(const JsonValue& json, const std::string& directory) {
  return read_recorded<AzureSource>(json, directory);
}

std::shared_ptr<const Workload> read_mooncake_workload(const JsonValue& json, const std::string& directory) {
  return read_recorded<MooncakeSource>(json, directory);
}

std::shared_ptr<const Workload> read_vllm_run_workload(const JsonValue& json, const std::string& directory) {
  return read_recorded<VllmRunSource>(json, directory);
}

}  // namespace tokenyard
