// The file of a profiled step keeps the rules of Chrome's "Trace Event Format", by which Perfetto reads it.
#include <nlohmann/json.hpp>

#include <cmath>
#include <set>
#include <string>

#include "backends/gpu/step_timeline.h"
#include "catch.h"

using namespace tokenyard;

namespace {

StepProfile profiled(std::int32_t layers, TimeNs start) {
  StepProfile out{};
  TimeNs at = start;
  for (std::int32_t layer = 0; layer < layers; ++layer) {
    for (const char* kernel : {"add, norm, product: qkv", "attention", "a \"kernel\"\\ of\ttwo\nlines"}) {
      const TimeNs end = at + 1 + 997 * layer;
      out.timeline.push_back({kernel, layer, at, end});
      at = end;
    }
  }
  return out;
}

std::int64_t ns(const nlohmann::json& us) { return std::llround(us.get<double>() * 1e3); }

}  // namespace

TEST_CASE("The timeline of a step is a file in Chrome's trace format", "[gpu]") {
  // A step of an hour, too: nanoseconds must not get lost.
  const TimeNs start = GENERATE(TimeNs{0}, TimeNs{3'600'000'000'001});
  const StepProfile profile = profiled(28, start);
  ProfiledStep step;
  step.rows = 8;
  step.context = 600;
  const nlohmann::json file = nlohmann::json::parse(timeline_of(profile, step, "a \"card\" \\ of this machine"));
  REQUIRE(file.is_object());
  // Of the object's members only traceEvents is required; the unit is ms or ns.
  CHECK(file.at("displayTimeUnit") == "ns");
  REQUIRE(file.at("traceEvents").is_array());
  std::set<std::string> named;
  std::size_t spans = 0;
  for (const nlohmann::json& event : file.at("traceEvents")) {
    CHECK(event.at("name").is_string());
    CHECK(event.at("pid") == 1);
    CHECK(event.at("tid") == 1);
    const std::string phase = event.at("ph");
    REQUIRE(phase.size() == 1);
    if (phase == "M") {  // metadata: the name stands in args, no time
      CHECK(named.insert(event.at("name").get<std::string>()).second);
      CHECK(event.at("args").at("name").is_string());
      CHECK_FALSE(event.contains("ts"));
      continue;
    }
    REQUIRE(phase == "X");  // a complete event: times are numbers of microseconds, no text, and those of a thread nest
    REQUIRE(spans < profile.timeline.size());
    const StepProfile::Span& span = profile.timeline[spans++];
    REQUIRE(event.at("ts").is_number());
    REQUIRE(event.at("dur").is_number());
    CHECK(ns(event.at("ts")) == span.begin);
    CHECK(ns(event.at("dur")) == span.end - span.begin);
    CHECK(event.at("name") == span.kernel);
    CHECK(event.at("args").at("layer") == span.layer);
  }
  CHECK(spans == profile.timeline.size());
  CHECK(named == std::set<std::string>{"process_name", "thread_name"});
  CHECK(file["traceEvents"][0]["args"]["name"] == "a \"card\" \\ of this machine: 8 requests with 600 tokens each");
}
