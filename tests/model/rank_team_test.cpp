#include "backends/model/rank_team.h"

#include <atomic>
#include <stdexcept>
#include <vector>

#include "catch.h"
#include "core/backend.h"
#include "core/base/input_error.h"

namespace tokenyard {
namespace {

TEST_CASE("rank team: what a rank writes before a meeting the others read after it") {
  for (const std::int32_t ranks : {1, 2, 4, 8}) {
    RankTeam team(ranks);
    std::vector<int> written(static_cast<std::size_t>(ranks));
    std::atomic<int> wrong{0};
    for (int round = 1; round <= 200; ++round) {
      team.run([&](std::int32_t rank) {
        for (int i = 0; i < 3; ++i) {
          written[static_cast<std::size_t>(rank)] = round * 10 + i;
          team.meet();
          for (const int value : written) wrong += value != round * 10 + i;
          team.meet();
        }
      });
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("rank team: a rank that fails ends the others, and the next task runs") {
  RankTeam team(4);
  for (int round = 0; round < 100; ++round) {
    const std::int32_t failing = round % 4;
    std::atomic<int> told{0};
    std::atomic<int> through{0};
    const auto task = [&](std::int32_t rank) {
      team.meet();
      if (rank == failing) throw BackendError("out of luck");
      team.meet();
      ++through;
    };
    CHECK_THROWS_WITH(team.run(task, [&] { ++told; }), "rank " + std::to_string(failing) + " of 4: out of luck");
    CHECK(told == 1);
    CHECK(through == 0);
    CHECK_THROWS_AS(team.run([&](std::int32_t) { throw std::bad_alloc(); }), std::bad_alloc);  // all at once: one is told
    std::atomic<int> ran{0};
    team.run([&](std::int32_t) {
      team.meet();
      ++ran;
    });
    CHECK(ran == 4);
  }
  RankTeam one(1);
  CHECK_THROWS_WITH(one.run([](std::int32_t) { throw BackendError("alone"); }), "alone");
}

TEST_CASE("rank team: starting and stopping a thousand times") {
  for (int i = 0; i < 1000; ++i) {
    RankTeam team(1 << (i % 4));
    std::atomic<int> ran{0};
    if (i % 3 > 0) team.run([&](std::int32_t) { ++ran; });
    CHECK(ran == (i % 3 > 0 ? 1 << (i % 4) : 0));
  }
}

TEST_CASE("rank team: numbers of ranks that a model can have") {
  ModelShape model;
  model.num_heads = 8;
  model.num_kv_heads = 2;
  model.intermediate = 48;
  model.vocabulary = 104;
  for (const std::int32_t ranks : {1, 2, 4, 8}) CHECK_NOTHROW(check_ranks(ranks, model));
  for (const std::int32_t ranks : {-2, 0, 3, 6, 16}) {
    CHECK_THROWS_WITH(check_ranks(ranks, model), has_text("it must be 1, 2, 4 or 8"));
  }
  model.vocabulary = 100;
  CHECK_THROWS_WITH(check_ranks(8, model), has_text("8 ranks do not divide the model's vocabulary of 100"));
}

}  // namespace
}  // namespace tokenyard
