#include "viz/app/address.h"

#include <string>

#include "catch.h"
#include "core/base/input_error.h"

using namespace tokenyard;
using namespace tokenyard::viz;

namespace {

const std::string kScenarios = TOKENYARD_SOURCE_DIR "/scenarios";

// What is open brings itself back.
std::string reopened(const std::string& text) {
  App app;
  open_address(app, parse_address(text), kScenarios);
  Address again = address_of(app);
  const ViewState wanted = parse_address(text).view, now = view_state_of(app);
  // As the page does: only what was asked for.
  again.view = wanted;
  CHECK((wanted.at.empty() || wanted.at == now.at));
  CHECK((wanted.select.empty() || wanted.select == now.select));
  CHECK((wanted.range.empty() || wanted.range == now.range));
  CHECK((wanted.mark.empty() || wanted.mark == now.mark));
  CHECK((wanted.panels.empty() || wanted.panels == now.panels));
  return address_text(again);
}

}  // namespace

TEST_CASE("an address brings back what is open", "[address]") {
  for (const std::string text : {
           "lesson=paging",
           "lesson=preemption&page=2&set1=engine.num_blocks=800&align=step",
           "scenario=head-of-line:fcfs&at=10ms&mark=5ms,20.000001ms&select=running-1&panels=requests,why",
           "scenario=preemption-storm:crowded,preemption-storm:fewer_seats&set2=engine.max_num_seqs=24&range=100ms,900ms",
           "scenario=preemption-storm:crowded&set=engine.watermark=0.1",
       }) {
    CAPTURE(text);
    CHECK(reopened(text) == text);
  }
}

TEST_CASE("a slider's value in an address can be put back", "[address]") {
  App app;
  open_address(app, parse_address("scenario=preemption-storm:crowded&set=engine.max_num_seqs=24"), kScenarios);
  CHECK(app.side().title == "crowded");
  CHECK(app.side().name == "crowded, seats 24");
  CHECK(app.side().resolved->engine.max_num_seqs == 24);
  CHECK(app.side().overrides == open_variant(kScenarios + "/preemption-storm.json", "crowded", {})->overrides);
}

TEST_CASE("an address is read as it is written", "[address]") {
  const Address address = parse_address("#scenario=a%2Db:c%20d,e&set=x.y=1%262&set2=z=3&at=preemption%201&scale=1.5&&page=1");
  REQUIRE(address.runs.size() == 2);
  CHECK(address.runs[0].scenario == "a-b");
  CHECK(address.runs[0].variant == "c d");
  CHECK(address.runs[0].set == std::vector<std::string>{"x.y=1&2"});
  CHECK_FALSE(address.runs[1].variant.has_value());
  CHECK(address.runs[1].set == std::vector<std::string>{"x.y=1&2", "z=3"});
  CHECK(address.view.at == "preemption 1");
  CHECK(address.view.scale == 1.5);
  CHECK(parse_address("").runs.empty());
}

TEST_CASE("an address that means nothing says so", "[address]") {
  for (const std::string text :
       {"lesson=../x", "lesson=", "scenario=a/b", "scenario=a,b,c,d,e", "set3=x=1&scenario=a", "page=0&lesson=a", "page=x",
        "at=%4", "at=%zz", "range=1ms", "mark=1ms,2ms,3ms", "colour=red", "scale=big", "lesson=a&scenario=b"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(parse_address(text), InputError);
  }
  CHECK_THROWS_AS(parse_address(std::string(10000, 'a')), InputError);
  App app;
  CHECK_THROWS_AS(open_address(app, parse_address("at=1ms"), kScenarios), InputError);
  CHECK_THROWS_AS(open_address(app, parse_address("lesson=paging&page=99"), kScenarios), InputError);
}
