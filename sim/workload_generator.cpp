// Generated traffic:
//   {"type": "generate", "count": 1000, "arrivals": {"type": "poisson", "rate_per_s": 2},
//    "prompt_tokens": {"type": "lognormal", "mean": 1000, "sigma": 1}, "output_tokens": 200, ...}
// docs/scenarios.md lists all keys. What a session will do is drawn when it starts, so that nothing depends on scheduling.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>

#include "core/base/json_reader.h"
#include "sim/random.h"
#include "sim/workload.h"

namespace tokenyard {
namespace {

constexpr double kMostLength = 1 << 24;  // tokens of one drawn length
constexpr std::int32_t kMostTurns = 1 << 12;
constexpr std::int64_t kMostSessions = std::int64_t{1} << 31;
constexpr double kMostSeconds = 1e9;
// What is due in one step is in memory at once.
constexpr double kMostRate = 1e4;

constexpr TimeNs kLongest = 1'000'000'000'000'000'000;  // no session starts after 31 years

TimeNs from_seconds(double seconds) { return static_cast<TimeNs>(std::floor(std::min(seconds, kMostSeconds) * 1e9 + 0.5)); }

struct Arrivals {
  enum class Type { poisson, gamma, constant, all_at_once, on_off } type = Type::poisson;
  double rate_per_s = 0;
  double burstiness = 1;  // gamma: the shape of the gaps; below 1 burstier than Poisson, their variance is 1 / burstiness
  TimeNs on = 0, off = 0;

  Arrivals scaled(double rate_scale) const {
    Arrivals a = *this;
    a.rate_per_s *= rate_scale;
    return a;
  }

  static Arrivals read(const JsonValue& json) {
    JsonObject object = json.object();
    Arrivals a;
    const std::string type = object.at("type").choice({"poisson", "gamma", "constant", "all_at_once", "on_off"});
    a.type = type == "poisson"    ? Type::poisson
             : type == "gamma"    ? Type::gamma
             : type == "constant" ? Type::constant
             : type == "on_off"   ? Type::on_off
                                  : Type::all_at_once;
    if (a.type != Type::all_at_once) a.rate_per_s = object.at("rate_per_s").number(1e-6, kMostRate);
    if (a.type == Type::gamma) a.burstiness = object.at("burstiness").number(0.01, 1000);
    if (a.type == Type::on_off) {
      a.on = from_seconds(object.at("on_s").number(1e-6, kMostSeconds));
      a.off = from_seconds(object.at("off_s").number(0, kMostSeconds));
    }
    object.done();
    return a;
  }
};

// The times at which sessions start, since the workload's own start; kNever: no more.
class ArrivalClock {
 public:
  ArrivalClock(const Arrivals& arrivals, Random random) : arrivals_(arrivals), random_(random) {}

  TimeNs next() {
    using Type = Arrivals::Type;
    if (time_ > kLongest) return kNever;
    switch (arrivals_.type) {
      case Type::all_at_once: return 0;
      case Type::constant: return from_seconds(static_cast<double>(count_++) / arrivals_.rate_per_s);
      case Type::gamma:
        time_ += from_seconds(random_.gamma(arrivals_.burstiness) / (arrivals_.rate_per_s * arrivals_.burstiness));
        return time_;
      case Type::poisson:
      case Type::on_off: time_ += from_seconds(random_.exponential() / arrivals_.rate_per_s); break;
    }
    if (arrivals_.type == Type::poisson) return time_;
    const TimeNs cycles = time_ / arrivals_.on;  // time_ runs while "on"
    const TimeNs cycle = arrivals_.on + arrivals_.off;
    return cycles > kLongest / cycle ? kNever : cycles * cycle + time_ % arrivals_.on;
  }

 private:
  Arrivals arrivals_;
  Random random_;
  TimeNs time_ = 0;
  std::int64_t count_ = 0;
};

struct SystemPrompt {
  ContentId text = kNoContent;
  std::int32_t tokens = 0;
};

struct Generator {
  std::int64_t count = kMostSessions;
  TimeNs start = 0;
  TimeNs end = kNever;
  std::int32_t concurrency = 0;
  Arrivals arrivals;
  Variate prompt_tokens, output_tokens;
  std::optional<std::int32_t> max_tokens;  // else exactly the output drawn
  bool ignore_eos = false;

  std::vector<SystemPrompt> system_prompts;
  std::vector<double> system_weights;
  double system_total = 0;

  Variate turns = Variate::fixed(1);
  Variate think_time_s = Variate::fixed(0);
  Variate follow_up_tokens;

  std::vector<std::int32_t> priorities;
  std::vector<double> priority_weights;
  double priority_total = 0;

  std::optional<Variate> patience_s;  // a client gives up when its answer is not complete by then
};

struct Turn {
  std::int32_t user_tokens = 0;
  std::int32_t output_tokens = 0;
  TimeNs think = 0;  // after the previous answer
  TimeNs patience = kNever;
};

struct Event {
  TimeNs time = kNever;
  std::int64_t order = 0;
  std::int64_t session = 0;
  bool cancel = false;  // else the session's next turn joins
  friend bool operator<(const Event& a, const Event& b) { return std::tie(a.time, a.order) < std::tie(b.time, b.order); }
};

struct Session {
  std::vector<Turn> turns;
  std::size_t turn = 0;  // the one that runs, or comes next
  std::int32_t priority = 0;
  TokenSequence prompt;  // of the turn that comes next
  std::optional<Event> cancel;
};

class GeneratorSource final : public RequestSource {
 public:
  GeneratorSource(std::shared_ptr<const Generator> generator, const SourceSeat& seat)
      : generator_(std::move(generator)),
        seat_(seat),
        clock_(generator_->arrivals.scaled(seat.rate_scale), stream(0)),
        loop_(generator_->concurrency),
        prompts_(stream(1)),
        outputs_(stream(2)),
        systems_(stream(3)),
        sessions_random_(stream(4)),
        priorities_(stream(5)),
        patience_(stream(6)) {
    advance();
  }

  void poll(TimeNs now, std::int64_t, std::vector<SourceEvent>& due) override {
    loop_.polled(now);
    while (next_time() <= now) {
      if (!events_.empty() && events_.begin()->time <= next_start()) {
        const Event event = *events_.begin();
        events_.erase(events_.begin());
        Session& session = sessions_.find(event.session)->second;
        if (event.cancel) {
          session.cancel.reset();
          due.push_back({SourceEvent::Kind::cancel, {}, id_of(event.session, session.turn)});
        } else {
          join(event.session, session, event.time, due);
        }
      } else {
        start_session(due);
        advance();
      }
    }
  }

  TimeNs next_time() const override { return events_.empty() ? next_start() : std::min(next_start(), events_.begin()->time); }

  void on_end(const Request& request) override {
    std::int64_t number = 0;
    const std::string& id = request.spec.id;
    std::from_chars(id.data() + seat_.prefix.size(), id.data() + id.size(), number);
    const auto found = sessions_.find(number);
    if (found == sessions_.end()) return loop_.end(request);
    Session& session = found->second;
    if (session.cancel) events_.erase(*session.cancel);
    session.cancel.reset();
    const bool answered = request.finish_reason == FinishReason::stop || request.finish_reason == FinishReason::length;
    if (answered && session.turn + 1 < session.turns.size()) {
      const Turn& turn = session.turns[++session.turn];
      if (request.num_tokens <= kMostPromptTokens - turn.user_tokens) {
        session.prompt = request.tokens;
        session.prompt.append(own_text(number, session.turn), 0, turn.user_tokens);
        events_.insert({request.last_token_at + turn.think, order_++, number, false});
        return;
      }
    }
    sessions_.erase(found);
    loop_.end(request);
  }

 private:
  Random stream(std::uint64_t purpose) const { return Random(seat_.seed, static_cast<std::uint64_t>(seat_.index), purpose); }

  std::string id_of(std::int64_t session, std::size_t turn) const {
    std::string id = seat_.prefix + std::to_string(session);
    if (turn > 0) id.append(".").append(std::to_string(turn));
    return id;
  }

  ContentId own_text(std::int64_t session, std::size_t turn) const {
    return text_name(seat_.index, TextKind::own, session * kMostTurns + static_cast<std::int64_t>(turn));
  }

  void advance() {
    next_arrival_ = kNever;
    if (started_ == generator_->count) return;
    const TimeNs time = clock_.next();
    if (time <= generator_->end - generator_->start) next_arrival_ = generator_->start + time;
  }

  TimeNs next_start() const {
    const TimeNs time = loop_.start(next_arrival_);
    return time <= generator_->end ? time : kNever;
  }

  void start_session(std::vector<SourceEvent>& due) {
    const Generator& g = *generator_;
    const std::int64_t number = started_++;
    const TimeNs start = next_start();
    loop_.begin();
    Session session;
    if (!g.priorities.empty()) session.priority = g.priorities[priorities_.pick(g.priority_weights, g.priority_total)];
    if (!g.system_prompts.empty()) {
      const SystemPrompt& system = g.system_prompts[systems_.pick(g.system_weights, g.system_total)];
      session.prompt.append(system.text, 0, system.tokens);
    }
    session.turns.resize(static_cast<std::size_t>(g.turns.integer(sessions_random_)));
    for (std::size_t i = 0; i < session.turns.size(); ++i) {
      Turn& turn = session.turns[i];
      turn.user_tokens = static_cast<std::int32_t>((i == 0 ? g.prompt_tokens : g.follow_up_tokens).integer(prompts_));
      turn.output_tokens = static_cast<std::int32_t>(g.output_tokens.integer(outputs_));
      if (i > 0) turn.think = from_seconds(g.think_time_s.real(sessions_random_));
      if (g.patience_s) turn.patience = from_seconds(g.patience_s->real(patience_));
    }
    session.prompt.append(own_text(number, 0), 0, session.turns.front().user_tokens);
    if (session.turns.size() == 1 && !g.patience_s) return join(number, session, start, due);
    join(number, sessions_.emplace(number, std::move(session)).first->second, start, due);
  }

  void join(std::int64_t number, Session& session, TimeNs arrival, std::vector<SourceEvent>& due) {
    const Turn& turn = session.turns[session.turn];
    SourceEvent event;
    RequestSpec& spec = event.spec;
    spec.id = id_of(number, session.turn);
    spec.arrival = arrival;
    spec.prompt = std::move(session.prompt);
    spec.output_tokens = turn.output_tokens;
    spec.max_tokens = generator_->max_tokens.value_or(turn.output_tokens);
    spec.ignore_eos = generator_->ignore_eos;
    spec.priority = session.priority;
    due.push_back(std::move(event));
    if (turn.patience != kNever) {
      session.cancel = Event{arrival + turn.patience, order_++, number, true};
      events_.insert(*session.cancel);
    }
  }

  std::shared_ptr<const Generator> generator_;
  SourceSeat seat_;
  ArrivalClock clock_;
  ClosedLoop loop_;
  Random prompts_, outputs_, systems_, sessions_random_, priorities_, patience_;
  TimeNs next_arrival_ = kNever;
  std::int64_t started_ = 0;
  std::int64_t order_ = 0;
  std::set<Event> events_;
  std::unordered_map<std::int64_t, Session> sessions_;  // that have more turns or a patience; looked up, never walked
};

class GeneratorWorkload final : public Workload {
 public:
  explicit GeneratorWorkload(std::shared_ptr<const Generator> generator) : generator_(std::move(generator)) {}
  std::unique_ptr<RequestSource> source(const SourceSeat& seat) const override {
    return std::make_unique<GeneratorSource>(generator_, seat);
  }

 private:
  std::shared_ptr<const Generator> generator_;
};

double read_weight(JsonObject& object) {
  const auto weight = object.find("weight");
  return weight ? weight->number(0, 1e12) : 1;
}

void read_system_prompts(const JsonValue& json, Generator& g, TextNames& texts) {
  for (const JsonValue& entry : json.array()) {
    JsonObject object = entry.object();
    const auto name = object.find("name");  // optional: "no system prompt" is one with 0 tokens
    const std::int32_t tokens = object.at("tokens").int32(0, static_cast<std::int32_t>(kMostLength));
    g.system_prompts.push_back({name ? texts[name->string()] : 0, tokens});
    if (!name && tokens > 0) entry.fail("expected the key \"name\", which is missing");
    g.system_weights.push_back(read_weight(object));
    g.system_total += g.system_weights.back();
    object.done();
  }
  if (!g.system_prompts.empty() && !(g.system_total > 0)) json.expected("weights that add up to more than 0");
}

void read_priorities(const JsonValue& json, Generator& g) {
  for (const JsonValue& entry : json.array()) {
    JsonObject object = entry.object();
    g.priorities.push_back(object.at("priority").int32(-1'000'000, 1'000'000));
    g.priority_weights.push_back(read_weight(object));
    g.priority_total += g.priority_weights.back();
    object.done();
  }
  if (!g.priorities.empty() && !(g.priority_total > 0)) json.expected("weights that add up to more than 0");
}

}  // namespace

std::shared_ptr<const Workload> read_generate_workload(const JsonValue& json, TextNames& texts) {
  auto generator = std::make_shared<Generator>();
  Generator& g = *generator;
  JsonObject object = json.object();
  object.at("type");
  const auto count = object.find("count");
  if (count) g.count = count->integer(1, kMostSessions);
  if (const auto v = object.find("start_s")) g.start = from_seconds(v->number(0, kMostSeconds));
  const auto duration = object.find("duration_s");
  if (duration) g.end = g.start + from_seconds(duration->number(0, kMostSeconds));
  if (const auto v = object.find("concurrency")) g.concurrency = v->int32(1, kMostConcurrency);
  g.arrivals.type = Arrivals::Type::all_at_once;
  const auto arrivals = object.find("arrivals");
  if (arrivals || g.concurrency == 0) g.arrivals = Arrivals::read(object.at("arrivals"));
  const bool at_once = g.arrivals.type == Arrivals::Type::all_at_once && g.concurrency == 0;
  if (!count && (!duration || at_once)) json.fail("expected a count, or for arrivals over time a duration_s");
  if (at_once) count->integer(1, kMostConcurrency);
  g.prompt_tokens = Variate::read(object.at("prompt_tokens"), 1, kMostLength);
  g.output_tokens = Variate::read(object.at("output_tokens"), 1, kMostLength);
  if (const auto v = object.find("max_tokens")) g.max_tokens = v->int32(1, kMostPromptTokens);
  if (const auto v = object.find("ignore_eos")) g.ignore_eos = v->boolean();
  if (const auto v = object.find("system_prompts")) read_system_prompts(*v, g, texts);
  if (const auto v = object.find("turns")) g.turns = Variate::read(*v, 1, kMostTurns);
  if (const auto v = object.find("think_time_s")) g.think_time_s = Variate::read(*v, 0, kMostSeconds);
  const auto follow_up = object.find("follow_up_tokens");
  g.follow_up_tokens = follow_up ? Variate::read(*follow_up, 1, kMostLength) : g.prompt_tokens;
  if (const auto v = object.find("priorities")) read_priorities(*v, g);
  if (const auto v = object.find("patience_s")) g.patience_s = Variate::read(*v, 0, kMostSeconds);
  object.done();
  return std::make_shared<GeneratorWorkload>(std::move(generator));
}

}  // namespace tokenyard
