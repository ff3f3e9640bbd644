// NCCL that hangs or fails, by a stand-in for its library: modules/stand_in_nccl.cpp.
#include <chrono>
#include <cstdlib>
#include <string>

#include "backends/cuda/collectives.h"
#include "catch.h"
#include "core/backend.h"

namespace tokenyard::cuda {
namespace {

using std::chrono::seconds;

// Of what `act` takes.
template <typename Act>
std::chrono::duration<double> time_of(const Act& act) {
  const auto start = std::chrono::steady_clock::now();
  act();
  return std::chrono::steady_clock::now() - start;
}

void set_behaviour(const char* what) { REQUIRE(setenv("TOKENYARD_NCCL", what, 1) == 0); }

TEST_CASE("nccl: joining that fails or hangs is one sentence, in time") {
  REQUIRE(why_no_nccl().empty());
  set_behaviour("joining fails");
  CHECK_THROWS_WITH(connect_by_nccl({0, 1}, seconds(1)), "NCCL failed while connecting the GPUs: a stand-in's error");
  set_behaviour("joining hangs");
  CHECK(time_of([] {
          CHECK_THROWS_WITH(connect_by_nccl({0, 1}, seconds(1)),
                            has_text("NCCL did not connect the GPUs within 1 s: NCCL_DEBUG"));
        }) < seconds(2));
}

TEST_CASE("nccl: an end that hangs is not waited for, after a failure and without one") {
  for (const bool aborted : {false, true}) {
    set_behaviour("");
    auto collectives = connect_by_nccl({0, 1}, seconds(1));
    CHECK_NOTHROW(collectives->all_gather(1, nullptr, nullptr, 4, nullptr));
    set_behaviour("ending hangs");
    CHECK(time_of([&] {
            if (aborted) collectives->abort();
          }) < seconds(1));
    if (aborted) CHECK_THROWS_WITH(collectives->all_gather(1, nullptr, nullptr, 4, nullptr), "another rank has failed");
    CHECK(time_of([&] { collectives.reset(); }) < seconds(5));
  }
}

TEST_CASE("nccl: without a fault the end is at once") {
  set_behaviour("");
  for (const bool aborted : {false, true}) {
    auto collectives = connect_by_nccl({0, 1}, seconds(1));
    if (aborted) collectives->abort();
    CHECK(time_of([&] { collectives.reset(); }) < seconds(1));
  }
}

}  // namespace
}  // namespace tokenyard::cuda
