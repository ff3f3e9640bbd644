// A policy is one file: plain.cpp is the example of docs/policies.md, word for word, and lives through what all must.
#include <fstream>
#include <sstream>

#include "core/engine.h"
#include "core/random_life.h"
#include "core/test_backend.h"

using namespace tokenyard;
using namespace tokenyard::test;

namespace tokenyard::policies {
extern const PolicyTraits plain;
}

namespace {

std::string file_text(const std::string& path) {
  std::ifstream in(TOKENYARD_SOURCE_DIR "/" + path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

}  // namespace

TEST_CASE("the example in the docs is the policy that is tested here", "[policies]") {
  const std::string docs = file_text("docs/policies.md");
  const std::string plain = file_text("tests/core/policies/plain.cpp");
  REQUIRE(plain.size() > 1000);
  CHECK(docs.find("```cpp\n" + plain + "```\n") != std::string::npos);
}

TEST_CASE("a policy of one file lives in random worlds", "[policies]") {
  const bool async = GENERATE(false, true);
  Tally tally;
  for (std::uint64_t seed = 1; tally.operations < scaled(20'000); ++seed) {
    Dice dice(seed);
    EngineConfig config = random_config(Policy(policies::plain), dice);
    config.async_scheduling = async;
    INFO((async ? "async, " : "") << "seed " << seed);
    live_through(config, seed, 120, tally);
  }
  CHECK(tally.finished > tally.operations / 100);
  CHECK(tally.preemptions == 0);
}

TEST_CASE("an engine takes it by its traits", "[policies]") {
  EngineConfig config;
  config.policy = policies::plain;
  config.num_blocks = 8;
  TestBackend backend;
  Engine engine(config, backend);
  CHECK(std::string(name_of(engine.scheduler().config().policy)) == "plain");
  ListSource source;
  for (const char* id : {"a", "b"}) {
    RequestSpec spec;
    spec.id = id;
    spec.prompt.append(ContentId{1}, 0, 20);
    spec.max_tokens = 4;
    source.join(std::move(spec));
  }
  engine.run(source);
  CHECK(engine.num_steps() == 4);
  CHECK(engine.num_live() == 0);
}
