#include "sim/workload.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <unordered_map>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/metrics.h"
#include "support.h"

using namespace tokenyard;

namespace {

std::vector<SourceEvent> events_of(const std::string& workloads, const std::vector<std::string>& overrides = {}) {
  const Scenario scenario = scenario_of(constant_scenario(workloads), overrides);
  return drain(*make_source(scenario));
}

std::string generate(const std::string& more) {
  return R"({"type": "generate", "prompt_tokens": 100, "output_tokens": 10, )" + more + "}";
}

std::vector<double> gaps_s(const std::vector<SourceEvent>& events) {
  std::vector<double> gaps;
  TimeNs last = 0;
  for (const SourceEvent& event : events) {
    gaps.push_back(static_cast<double>(event.spec.arrival - last) / 1e9);
    last = event.spec.arrival;
  }
  return gaps;
}

std::pair<double, double> mean_and_variance(const std::vector<double>& values) {
  double sum = 0, squares = 0;
  for (const double x : values) sum += x;
  const double mean = sum / static_cast<double>(values.size());
  for (const double x : values) squares += (x - mean) * (x - mean);
  return {mean, squares / static_cast<double>(values.size())};
}

struct Run {
  explicit Run(const Scenario& scenario)
      : source(make_source(scenario)), backend(make_backend(scenario)), engine(scenario.engine, *backend, {&metrics_}) {
    engine.run(*source);
  }
  const Metrics& metrics() const { return metrics_; }
  std::unique_ptr<RequestSource> source;
  std::unique_ptr<SimBackend> backend;
  Metrics metrics_;
  Engine engine;
};

// Listens in on what passes between the engine and a source.
class Recorder final : public RequestSource {
 public:
  explicit Recorder(RequestSource& inner) : inner_(inner) {}
  void poll(TimeNs now, std::int64_t step, std::vector<SourceEvent>& due) override {
    const std::size_t before = due.size();
    inner_.poll(now, step, due);
    for (std::size_t i = before; i < due.size(); ++i) {
      if (due[i].kind == SourceEvent::Kind::join) joined.push_back(due[i].spec);
    }
  }
  TimeNs next_time() const override { return inner_.next_time(); }
  std::int64_t next_step() const override { return inner_.next_step(); }
  void on_end(const Request& request) override {
    ended[request.spec.id] = {request.tokens, request.last_token_at, request.finish_reason};
    inner_.on_end(request);
  }
  struct End {
    TokenSequence tokens;
    TimeNs at;
    FinishReason reason;
  };
  std::vector<RequestSpec> joined;
  std::map<std::string, End> ended;

 private:
  RequestSource& inner_;
};

std::uint64_t hash_of(const std::vector<RequestSpec>& specs) {
  std::string text;
  for (const RequestSpec& s : specs) {
    text += s.id + " " + std::to_string(s.arrival) + " " + std::to_string(s.max_tokens) + " " +
            std::to_string(s.output_tokens) + " " + std::to_string(s.priority);
    for (const TokenSpan& span : s.prompt.spans()) {
      text += " " + std::to_string(span.content) + ":" + std::to_string(span.offset) + "+" + std::to_string(span.length);
    }
    text += "\n";
  }
  return XXH3_64bits(text.data(), text.size());
}

// In a closed loop of `concurrency` single requests, each of the later ones starts the moment that an earlier one ends.
void check_closed(const Recorder& recorder, std::size_t concurrency) {
  std::vector<TimeNs> ends;
  for (const auto& [id, end] : recorder.ended) ends.push_back(end.at);
  std::sort(ends.begin(), ends.end());
  REQUIRE(recorder.joined.size() == ends.size());
  for (std::size_t i = 0; i < recorder.joined.size(); ++i) {
    CAPTURE(i);
    REQUIRE(recorder.joined[i].arrival == (i < concurrency ? 0 : ends[i - concurrency]));
  }
}

}  // namespace

TEST_CASE("listed requests come in the order of their times") {
  const auto events = events_of(R"({"type": "requests", "requests": [
      {"id": "late", "arrival_ms": 2.5, "prompt": [1, 2, 3], "max_tokens": 4, "priority": -2, "stop_token_ids": [9]},
      {"id": "early", "prompt_tokens": 7, "cancel_ms": 1},
      {"id": "pieces", "prompt": [{"text": "system", "tokens": 5}, {"ids": [4, 5]}, {"tokens": 3}, {"tokens": 2}], "max_tokens": 1}
  ]})");
  REQUIRE(events.size() == 4);
  CHECK(events[0].spec.id == "early");
  CHECK(events[0].spec.prompt.size() == 7);
  CHECK(events[1].spec.id == "pieces");
  CHECK(events[1].spec.prompt.size() == 12);
  CHECK(events[1].spec.prompt.spans().size() == 3);  // the two own pieces follow each other
  CHECK(events[2].cancel_id == "early");
  CHECK(events[3].spec.arrival == 2'500'000);
  CHECK(events[3].spec.priority == -2);
  CHECK(events[3].spec.stop_token_ids == std::vector<Token>{9});
}

TEST_CASE("requests that wait for a step join before it, cancels first") {
  const Scenario scenario = scenario_of(constant_scenario(R"({"type": "requests", "requests": [
      {"id": "b", "arrival_step": 3, "prompt": [1], "cancel_step": 5}, {"id": "a", "arrival_step": 3, "prompt": [2]},
      {"id": "c", "arrival_step": 5, "prompt": [2]}]})"));
  const auto source = make_source(scenario);
  std::vector<SourceEvent> due;
  source->poll(77, 2, due);
  CHECK(due.empty());
  CHECK(source->next_time() == kNever);
  CHECK(source->next_step() == 3);
  source->poll(77, 3, due);
  REQUIRE(due.size() == 2);
  CHECK(due[0].spec.id == "b");
  CHECK(due[0].spec.arrival == 77);
  source->poll(99, 9, due);
  REQUIRE(due.size() == 4);
  CHECK(due[2].cancel_id == "b");
  CHECK(due[3].spec.id == "c");
  CHECK(source->next_step() == -1);
}

TEST_CASE("mistakes in listed requests are named with their place") {
  const auto error = [](const std::string& request) {
    return error_of([&] { events_of(R"({"type": "requests", "requests": [{"id": "x", "prompt": [1]}, )" + request + "]}"); });
  };
  CHECK_THAT(error(R"({"id": "x", "prompt": [1]})"), has_text("test.json: /workload/0/requests/1/id: expected an id that"));
  CHECK_THAT(error(R"({"id": "y"})"), has_text("prompt and prompt_tokens"));
  CHECK_THAT(error(R"({"id": "y", "prompt": [1], "prompt_tokens": 3})"), has_text("prompt and prompt_tokens"));
  CHECK_THAT(error(R"({"id": "y", "prompt": [1.5]})"), has_text("/requests/1/prompt/0: expected an integer"));
  CHECK_THAT(error(R"({"id": "y", "prompt": [1, {"tokens": 3}]})"), has_text("/requests/1/prompt/1"));
  CHECK_THAT(error(R"({"id": "y", "prompt_tokens": 9999999999})"), has_text("/prompt_tokens"));
  CHECK_THAT(error(R"({"id": "y", "prompt": [{"tokens": 1000000000}, {"tokens": 1000000000}]})"), has_text("/prompt/1/tokens"));
  CHECK_THAT(error(R"({"id": "y", "prompt": [1], "arrival_ms": 1, "arrival_step": 1})"), has_text("found both"));
  CHECK_THAT(error(R"({"id": "y", "prompt": [1], "arrival_ms": -1})"), has_text("/arrival_ms"));
  CHECK_THAT(error(R"({"id": "", "prompt": [1]})"), has_text("/id"));
  CHECK_THAT(error(R"({"id": "y", "prompt": [1], "maxtokens": 1})"), has_text("unknown key \"maxtokens\""));
}

TEST_CASE("impossible requests reach the engine, which refuses them alone") {
  const Scenario scenario = scenario_of(constant_scenario(R"({"type": "requests", "requests": [
      {"id": "empty", "prompt": []}, {"id": "none", "prompt": [1], "max_tokens": 0}, {"id": "less", "prompt": [1], "max_tokens": -5},
      {"id": "huge", "prompt_tokens": 1073741824, "max_tokens": 2147483647}, {"id": "fine", "prompt": [1], "max_tokens": 2}]})"));
  const Run run(scenario);
  CHECK(run.metrics().refused == 4);
  CHECK(run.metrics().completed == 1);
}

TEST_CASE("arrival processes follow their theory") {
  const auto poisson =
      mean_and_variance(gaps_s(events_of(generate(R"("count": 20000, "arrivals": {"type": "poisson", "rate_per_s": 4})"))));
  CHECK(poisson.first == Approx(0.25).epsilon(0.03));
  CHECK(poisson.second == Approx(0.0625).epsilon(0.06));

  const auto gamma = mean_and_variance(
      gaps_s(events_of(generate(R"("count": 20000, "arrivals": {"type": "gamma", "rate_per_s": 4, "burstiness": 0.5})"))));
  CHECK(gamma.first == Approx(0.25).epsilon(0.04));
  CHECK(gamma.second == Approx(0.125).epsilon(0.08));

  const auto constant = events_of(generate(R"("count": 31, "arrivals": {"type": "constant", "rate_per_s": 3})"));
  REQUIRE(constant.size() == 31);
  CHECK(constant[30].spec.arrival == 10'000'000'000);
  CHECK(constant[1].spec.arrival == 333'333'333);

  const auto at_once = events_of(generate(R"("count": 5, "start_s": 2, "arrivals": {"type": "all_at_once"})"));
  REQUIRE(at_once.size() == 5);
  CHECK(at_once[4].spec.arrival == 2'000'000'000);

  const auto on_off =
      events_of(generate(R"("duration_s": 4000, "arrivals": {"type": "on_off", "rate_per_s": 5, "on_s": 10, "off_s": 30})"));
  CHECK(static_cast<double>(on_off.size()) == Approx(4000 / 4 * 5).epsilon(0.06));
  for (const SourceEvent& event : on_off) REQUIRE(event.spec.arrival % 40'000'000'000 < 10'000'000'000);
}

TEST_CASE("a generator needs an end") {
  CHECK_THAT(error_of([] { events_of(generate(R"("arrivals": {"type": "poisson", "rate_per_s": 4})")); }), has_text("count"));
  CHECK_THAT(error_of([] { events_of(generate(R"("duration_s": 5, "arrivals": {"type": "all_at_once"})")); }),
             has_text("count"));
  CHECK_THAT(error_of([] { events_of(generate(R"("count": 5, "arrivals": {"type": "poisson", "rate_per_s": 0})")); }),
             has_text("/arrivals/rate_per_s"));
  CHECK_THAT(error_of([] { events_of(generate(R"("count": 2000000, "arrivals": {"type": "all_at_once"})")); }),
             has_text("/count: expected an integer between 1 and 1000000"));
  // However slow the arrivals, the clock does not run over.
  CHECK(events_of(generate(R"("count": 2147483648, "arrivals": {"type": "poisson", "rate_per_s": 0.000001})")).size() < 2000);
  CHECK(events_of(generate(R"("count": 5, "arrivals": {"type": "constant", "rate_per_s": 0.000001})")).size() == 5);
}

TEST_CASE("in a closed loop a request starts when one ends, whatever lists or draws it") {
  std::string listed;
  for (int i = 0; i < 60; ++i) {
    listed += std::string(i > 0 ? "," : "") + R"({"id": ")" + std::to_string(i) + R"(", "prompt_tokens": 50, "max_tokens": )" +
              std::to_string(1 + i * 7 % 23) + "}";
  }
  const std::string generated =
      R"({"type": "generate", "count": 60, "prompt_tokens": 50, "output_tokens": {"type": "uniform", "min": 1, "max": 30}})";
  const std::string csv = [] {
    std::string text = "arrived_at,num_prefill_tokens,num_decode_tokens\n";
    for (int i = 0; i < 60; ++i) text += "0,50," + std::to_string(1 + i * 5 % 19) + "\n";
    return text;
  }();
  const TemporaryFile file("trace.csv", csv);
  for (const std::string& workload : {R"({"type": "requests", "requests": [)" + listed + "]}", generated,
                                      R"({"type": "vidur", "path": ")" + file.path() + R"("})"}) {
    for (const int concurrency : {1, 4, 100}) {
      CAPTURE(workload, concurrency);
      const Scenario scenario =
          scenario_of(constant_scenario(workload), {"workload.0.concurrency=" + std::to_string(concurrency)});
      const auto source = make_source(scenario);
      Recorder recorder(*source);
      const auto backend = make_backend(scenario);
      Metrics metrics;
      Engine engine(scenario.engine, *backend, {&metrics});
      engine.run(recorder);
      CHECK(metrics.completed == 60);
      CHECK(metrics.max_live == std::min(60, concurrency));
      check_closed(recorder, static_cast<std::size_t>(concurrency));
    }
  }
}

TEST_CASE("a closed loop of sessions counts those that think, too, and ends with its time") {
  const Scenario scenario = scenario_of(
      constant_scenario(generate(R"("concurrency": 3, "duration_s": 20, "turns": 3, "think_time_s": 0.5, "start_s": 1)")));
  const auto source = make_source(scenario);
  Recorder recorder(*source);
  const auto backend = make_backend(scenario);
  Metrics metrics;
  Engine engine(scenario.engine, *backend, {&metrics});
  engine.run(recorder);
  std::map<std::string, std::pair<TimeNs, TimeNs>> sessions;  // from the first turn's arrival to the last one's end
  for (const RequestSpec& spec : recorder.joined) {
    const std::string session = spec.id.substr(0, spec.id.find('.'));
    const auto [at, first] = sessions.try_emplace(session, spec.arrival, 0);
    at->second.second = recorder.ended.at(spec.id).at;
    CHECK((!first || (spec.arrival >= 1'000'000'000 && spec.arrival <= 21'000'000'000)));
  }
  REQUIRE(sessions.size() > 30);
  CHECK(recorder.joined.size() == 3 * sessions.size());
  for (const auto& entry : sessions) {
    const TimeNs begin = entry.second.first;
    const auto others = std::count_if(sessions.begin(), sessions.end(), [&](const auto& other) {
      return other.second.first <= begin && other.second.second > begin;
    });
    REQUIRE(others <= 3);
  }
  // Three are always under way, but for the last moments.
  TimeNs busy = 0;
  for (const auto& [name, session] : sessions) busy += session.second - session.first;
  CHECK(static_cast<double>(busy) > 3 * 20e9);
}

TEST_CASE("a closed loop goes on after refusals and impatient clients, and waits for arrivals") {
  const std::string refused = R"({"type": "requests", "concurrency": 1, "requests": [{"id": "a", "prompt_tokens": 1000000},
      {"id": "b", "prompt_tokens": 10, "max_tokens": 5}, {"id": "c", "prompt_tokens": 1000000}]})";
  const Run run(scenario_of(constant_scenario(refused)));
  CHECK(run.metrics().refused == 2);
  CHECK(run.metrics().completed == 1);

  const Run impatient(scenario_of(constant_scenario(generate(R"("count": 40, "concurrency": 4, "patience_s": 0.005)"))));
  CHECK(impatient.metrics().cancelled == 40);
  CHECK(impatient.metrics().max_live == 4);

  const std::string late = generate(R"("count": 10, "concurrency": 2, "arrivals": {"type": "constant", "rate_per_s": 1})");
  const Scenario scenario = scenario_of(constant_scenario(late));
  const auto source = make_source(scenario);
  Recorder recorder(*source);
  const auto backend = make_backend(scenario);
  Engine engine(scenario.engine, *backend);
  engine.run(recorder);
  for (std::size_t i = 0; i < 10; ++i) CHECK(recorder.joined[i].arrival == static_cast<TimeNs>(i) * 1'000'000'000);
}

TEST_CASE("mistakes about closed loops are named") {
  CHECK_THAT(error_of([] { events_of(generate(R"("count": 5)")); }), has_text("arrivals"));
  CHECK_THAT(error_of([] { events_of(generate(R"("concurrency": 5)")); }), has_text("count"));
  CHECK_THAT(error_of([] { events_of(generate(R"("count": 5, "concurrency": 0)")); }), has_text("/concurrency"));
  const std::string list = R"({"type": "requests", "concurrency": 2, "requests": [{"id": "a", "prompt_tokens": 1, )";
  for (const char* more : {R"("cancel_ms": 5})", R"("arrival_step": 5})", R"("cancel_step": 5})"}) {
    CHECK_THAT(error_of([&] { events_of(list + more + "]}"); }), has_text("/requests/0: expected no arrival_step"));
  }
}

TEST_CASE("system prompts are shared, everything else is one's own") {
  const auto events = events_of(generate(R"("count": 4000, "arrivals": {"type": "all_at_once"},
      "system_prompts": [{"name": "x", "tokens": 64, "weight": 3}, {"tokens": 0, "weight": 1}])"));
  std::map<ContentId, int> texts;
  int with_system = 0;
  for (const SourceEvent& event : events) {
    for (const TokenSpan& span : event.spec.prompt.spans()) ++texts[span.content];
    with_system += event.spec.prompt.size() == 164;
  }
  CHECK(texts.size() == 4001);
  CHECK(static_cast<double>(with_system) / 4000 == Approx(0.75).epsilon(0.05));
  CHECK(texts.rbegin()->second == with_system);  // the shared text's name is the largest
  CHECK(texts.rbegin()->first < kOutputContents);
}

TEST_CASE("one name is one text in all workloads, ids and own texts differ") {
  const std::string each = generate(
      R"("count": 50, "arrivals": {"type": "poisson", "rate_per_s": 1}, "system_prompts": [{"name": "x", "tokens": 64}])");
  const std::string listed =
      R"({"type": "requests", "requests": [{"id": "1", "prompt": [{"text": "x", "tokens": 9}, {"tokens": 5}]}]})";
  const auto events = events_of(each + ", " + each + ", " + listed);
  std::set<std::string> ids;
  std::map<ContentId, int> texts;
  for (const SourceEvent& event : events) {
    ids.insert(event.spec.id);
    for (const TokenSpan& span : event.spec.prompt.spans()) ++texts[span.content];
  }
  CHECK(events.size() == 101);
  CHECK(ids.size() == 101);
  CHECK(ids.contains("c1"));
  CHECK(texts.size() == 102);
  CHECK(texts.rbegin()->second == 101);
  CHECK(std::is_sorted(events.begin(), events.end(),
                       [](const auto& a, const auto& b) { return a.spec.arrival < b.spec.arrival; }));
}

TEST_CASE("a later turn quotes the earlier ones and comes after its user's thought") {
  const Scenario scenario =
      scenario_of(constant_scenario(generate(R"("count": 20, "arrivals": {"type": "poisson", "rate_per_s": 10},
      "turns": {"type": "uniform", "min": 1, "max": 4}, "think_time_s": {"type": "uniform", "min": 1, "max": 2}, "follow_up_tokens": 30,
      "system_prompts": [{"name": "x", "tokens": 32}])")));
  const auto source = make_source(scenario);
  Recorder recorder(*source);
  const auto backend = make_backend(scenario);
  Metrics metrics;
  Engine engine(scenario.engine, *backend, {&metrics});
  engine.run(recorder);
  int later = 0;
  for (const RequestSpec& spec : recorder.joined) {
    const std::size_t dot = spec.id.find('.');
    if (dot == std::string::npos) continue;
    ++later;
    const int turn = std::stoi(spec.id.substr(dot + 1));
    const auto& before = recorder.ended.at(spec.id.substr(0, dot) + (turn > 1 ? "." + std::to_string(turn - 1) : ""));
    REQUIRE(spec.prompt.size() == before.tokens.size() + 30);
    for (std::int32_t p = 0; p < before.tokens.size(); ++p) REQUIRE(spec.prompt.at(p, 1 << 30) == before.tokens.at(p, 1 << 30));
    REQUIRE(spec.arrival >= before.at + 1'000'000'000);
    REQUIRE(spec.arrival <= before.at + 2'000'000'000);
  }
  CHECK(later > 10);
  CHECK(metrics.completed == static_cast<std::int64_t>(recorder.joined.size()));
  CHECK(metrics.prefix_hits > 0);
}

TEST_CASE("clients lose their patience, but only while they wait") {
  const std::string text = constant_scenario(generate(
      R"("count": 40, "arrivals": {"type": "all_at_once"}, "patience_s": {"type": "uniform", "min": 0.02, "max": 0.06})"));
  const Run run(scenario_of(text, {"engine.max_num_seqs=2"}));
  CHECK(run.metrics().cancelled > 5);
  CHECK(run.metrics().completed > 5);
  CHECK(run.metrics().cancelled + run.metrics().completed == 40);
  CHECK(run.source->next_time() == kNever);
  const Run patient(scenario_of(text, {"workload.0.patience_s=1000"}));
  CHECK(patient.metrics().completed == 40);
  CHECK(patient.backend->now() < 1'000'000'000);  // nobody waits for a cancel that has lost its meaning
}

TEST_CASE("priorities are drawn by weight") {
  const auto events = events_of(generate(R"("count": 4000, "arrivals": {"type": "all_at_once"},
      "priorities": [{"priority": 0, "weight": 1}, {"priority": 5, "weight": 4}])"));
  const auto fives = std::count_if(events.begin(), events.end(), [](const SourceEvent& e) { return e.spec.priority == 5; });
  CHECK(static_cast<double>(fives) / 4000 == Approx(0.8).epsilon(0.04));
}

TEST_CASE("one seed is one workload, under every policy and on every machine") {
  const std::string path = std::string(TOKENYARD_SOURCE_DIR) + "/scenarios/chat-hour.json";
  const auto first_turns = [&](const std::vector<std::string>& overrides) {
    const Scenario scenario = load_scenario(path, overrides);
    const auto source = make_source(scenario);
    std::vector<RequestSpec> specs;
    for (SourceEvent& event : drain(*source)) {
      if (event.kind == SourceEvent::Kind::join) specs.push_back(std::move(event.spec));
    }
    return specs;
  };
  const std::uint64_t hash = hash_of(first_turns({}));
  CHECK(hash == 0x2887a1dcf15eb831);  // recorded once; a change of any request changes it
  CHECK(hash == hash_of(first_turns({"engine.policy=nano_vllm"})));
  CHECK(hash != hash_of(first_turns({"seed=1"})));
}

TEST_CASE("a cancel that finds no request, and a list without requests, are refused") {
  const auto error = [](const std::string& requests) {
    return error_of([&] {
      parse_scenario(
          R"({"tokenyard_scenario": 1, "name": "n", "step_time": {"per_step_us": 1000}, "engine": {"num_blocks": 100},
                         "workload": [{"type": "requests", "requests": [)" +
              requests + "]}]}",
          "test.json", "");
    });
  };
  const std::string request = R"({"id": "a", "prompt_tokens": 5, )";
  CHECK_THAT(error(""), has_text("/workload/0/requests: expected an array of at least one request"));
  CHECK_THAT(error(request + R"("arrival_ms": 5, "cancel_ms": 4.999})"),
             has_text("/requests/0/cancel_ms: expected a time not before"));
  CHECK_THAT(error(request + R"("arrival_step": 5, "cancel_step": 5})"),
             has_text("/requests/0/cancel_step: expected a step after"));
  CHECK(error(request + R"("arrival_ms": 5, "cancel_ms": 5})").empty());
}
