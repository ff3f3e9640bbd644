#include <filesystem>

#include "catch.h"
#include "core/base/input_error.h"
#include "core/peers/script.h"

using namespace tokenyard;

TEST_CASE("the scheduler tests written as text hold", "[scheduler]") {
  int files = 0;
  std::int64_t checks = 0;
  for (const auto& entry : std::filesystem::directory_iterator(TOKENYARD_SOURCE_DIR "/tests/scheduler")) {
    const ScriptOutcome outcome = run_script_file(entry.path().string());
    INFO(entry.path().filename().string());
    CHECK(outcome.failure == "");
    CHECK(outcome.checks > 0);
    checks += outcome.checks;
    ++files;
  }
  CHECK(files >= 7);
  CHECK(checks > 150);
}

TEST_CASE("a failing script says where and what", "[scheduler]") {
  const std::string engine = "engine policy=vllm_v1 num_blocks=10\nrequest a prompt=x:20\nstep\n";
  CHECK(run_script(engine + "scheduled a:19\n", "t").failure == "t: line 4: scheduled: expected a:19, found a:20");
  CHECK(run_script(engine + "waiting a\n", "t").failure == "t: line 4: waiting: expected a, found nothing");
  CHECK_THROWS_AS(run_script("step\n", "t"), InputError);
  CHECK_THROWS_AS(run_script(engine + "sheduled a:20\n", "t"), InputError);
  CHECK_THROWS_AS(run_script("engine policy=vllm_v2\n", "t"), InputError);
  CHECK_THROWS_AS(run_script("engine policy=vllm_v1 num_blocks=0\n", "t"), InputError);
}
