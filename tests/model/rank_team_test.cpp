#include "backends/model/rank_team.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
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
          team.meet(rank);
          for (const int value : written) wrong += value != round * 10 + i;
          team.meet(rank);
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
      team.meet(rank);
      if (rank == failing) throw BackendError("out of luck");
      team.meet(rank);
      ++through;
    };
    RankTeam::Watch watch;
    watch.on_failure = [&] { ++told; };
    CHECK_THROWS_WITH(team.run(task, watch), "rank " + std::to_string(failing) + " of 4: out of luck");
    CHECK(told == 1);
    CHECK(through == 0);
    CHECK_THROWS_AS(team.run([&](std::int32_t) { throw std::bad_alloc(); }), std::bad_alloc);  // all at once: one is told
    std::atomic<int> ran{0};
    team.run([&](std::int32_t rank) {
      team.meet(rank);
      ++ran;
    });
    CHECK(ran == 4);
  }
  RankTeam one(1);
  CHECK_THROWS_WITH(one.run([](std::int32_t) { throw BackendError("alone"); }), "alone");
}

// Threads that hang until the test lets them go on.
class Hang {
 public:
  ~Hang() { let_go(); }
  void wait() const { going_.wait(false); }
  void let_go() {
    going_ = true;
    going_.notify_all();
  }

 private:
  std::atomic<bool> going_{false};
};

RankTeam::Watch within_a_second() {
  RankTeam::Watch watch;
  watch.patience = std::chrono::seconds(1);
  return watch;
}

TEST_CASE("rank team: a rank that hangs is lost, wherever it hangs, and ends when it comes back") {
  for (const std::int32_t ranks : {2, 8}) {
    for (const std::int32_t hanging : {0, ranks - 1}) {
      for (const int after : {0, 2}) {  // meetings
        INFO(ranks << " ranks, rank " << hanging << " hangs after " << after << " meetings");
        const auto hang = std::make_shared<Hang>();
        const auto went_on = std::make_shared<std::atomic<int>>(0);
        const auto came_back = std::make_shared<std::atomic<bool>>(false);
        std::atomic<int> told{0};
        const std::string why = "rank " + std::to_string(hanging) + " of " + std::to_string(ranks) +
                                ": did not answer for 1 s; the model cannot be used any more";
        {
          RankTeam team(ranks);
          RankTeam::Watch watch = within_a_second();
          watch.on_failure = [&] { ++told; };
          const auto start = std::chrono::steady_clock::now();
          CHECK_THROWS_WITH(team.run(
                                [hang, went_on, came_back, hanging, after, &team](std::int32_t rank) {
                                  for (int i = 0; i < after; ++i) team.meet(rank);
                                  if (rank == hanging) {
                                    hang->wait();
                                    *came_back = true;
                                    return;
                                  }
                                  team.meet(rank);
                                  ++*went_on;
                                },
                                watch),
                            why);
          CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(3));
          CHECK(team.lost());
          CHECK(told == 1);
          CHECK_THROWS_WITH(team.run([](std::int32_t) {}), why);
        }
        hang->let_go();
        while (!*came_back) std::this_thread::yield();
        CHECK(*went_on == 0);
      }
    }
  }
}

TEST_CASE("rank team: a lost rank that comes back goes no further than the next check or meeting") {
  for (const bool by_meeting : {false, true}) {
    const auto hang = std::make_shared<Hang>();
    const auto ended = std::make_shared<std::atomic<int>>(0);
    auto team = std::make_unique<RankTeam>(2);
    struct Leaving {
      std::atomic<int>& count;
      ~Leaving() { ++count; }
    };
    std::atomic<bool> passed{false};
    CHECK_THROWS(team->run(
        [&, hang, ended](std::int32_t rank) {
          if (rank == 0) return;
          const Leaving leaving{*ended};
          hang->wait();
          by_meeting ? team->meet(rank) : team->check();
          passed = true;
        },
        within_a_second()));
    hang->let_go();
    while (*ended == 0) std::this_thread::yield();
    CHECK_FALSE(passed);
  }
}

TEST_CASE("rank team: a thread that is ended from outside is a lost rank") {
  for (const std::int32_t ended : {0, 1}) {
    RankTeam team(2);
    const std::string why = "rank " + std::to_string(ended) + " of 2: its thread was ended; the model cannot be used any more";
    CHECK_THROWS_WITH(team.run([&](std::int32_t rank) {
      if (rank == ended) pthread_exit(nullptr);
      team.meet(rank);
    }),
                      why);
    CHECK_THROWS_WITH(team.run([](std::int32_t) {}), why);
  }
}

TEST_CASE("rank team: slow ranks are not lost") {
  RankTeam team(2);
  using std::chrono::milliseconds;
  // Later than the other by no more than four times what that one took.
  team.run(
      [&](std::int32_t rank) {
        std::this_thread::sleep_for(milliseconds(rank == 0 ? 700 : 2400));
        team.meet(rank);
      },
      within_a_second());
  // Rank 1 is late at every meeting, and comes.
  team.run(
      [&](std::int32_t rank) {
        for (int i = 0; i < 4; ++i) {
          if (rank == 1) std::this_thread::sleep_for(milliseconds(600));
          team.meet(rank);
        }
      },
      within_a_second());
  // All work, and nobody waits.
  team.run([&](std::int32_t) { std::this_thread::sleep_for(milliseconds(1500)); }, within_a_second());
  CHECK_FALSE(team.lost());
}

// As by Ctrl-Z and fg: a process of its own, in which one rank waits for the other when all stand still.
TEST_CASE("rank team: the time in which the whole process is stopped does not count") {
  const pid_t child = fork();
  if (child == 0) {
    RankTeam team(2);
    int status = 0;
    try {
      team.run(
          [&](std::int32_t rank) {
            if (rank == 1) {
              const auto go_on = std::chrono::steady_clock::now() + std::chrono::milliseconds(2500);
              while (std::chrono::steady_clock::now() < go_on) std::this_thread::sleep_for(std::chrono::milliseconds(5));
            }
            team.meet(rank);
          },
          within_a_second());
    } catch (const std::exception&) {
      status = 1;
    }
    _exit(status);
  }
  REQUIRE(child > 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  REQUIRE(kill(child, SIGSTOP) == 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(2500));
  REQUIRE(kill(child, SIGCONT) == 0);
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

TEST_CASE("rank team: a device that does not get on is a failure, after which ranks that end are not lost") {
  RankTeam team(2);
  std::atomic<bool> set_free{false};
  RankTeam::Watch watch;
  watch.on_failure = [&] { set_free = true; };
  watch.why_stuck = [] { return std::string("the GPUs did not get on"); };
  CHECK_THROWS_WITH(team.run(
                        [&](std::int32_t) {
                          while (!set_free) std::this_thread::yield();
                        },
                        watch),
                    "the GPUs did not get on");
  CHECK_FALSE(team.lost());
  team.run([](std::int32_t) {});
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
  CHECK_THROWS_WITH(check_ranks(8, model),
                    "tensor_parallel: 8 ranks do not divide the model's vocabulary of 100; possible here: 1, 2, 4");
}

}  // namespace
}  // namespace tokenyard
