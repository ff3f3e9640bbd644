// Several ranks: the same bits as one, and what happens when one of them fails.
#include <pthread.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "../core/invariance.h"
#include "../model/tiny_model.h"
#include "backends/cpu/cpu_backend.h"
#include "backends/cpu/linear.h"
#include "core/base/input_error.h"

namespace tokenyard {
namespace {

// Eight ranks divide everything but the K/V heads, each of which four of them hold.
test::TinyModel divisible() {
  test::TinyModel tiny;
  tiny.heads = 8;
  tiny.vocabulary = 104;
  return tiny;
}

TEST_CASE("tensor parallel: no schedule and no number of ranks changes a token or a logit") {
  const test::TempFolder folder;
  divisible().write(folder);
  const Weights weights(folder.path());
  test::Subject subject;
  int made = 0;
  std::array<int, 9> ranks{};
  subject.make = [&](const EngineConfig& config, test::OnLogits on_logits, test::Dice& dice) {
    CpuOptions options;
    options.threads = made % 50 == 0 ? 5 : 1;
    // The first 40 are what the others are compared with.
    options.tensor_parallel = made++ < 40 ? 1 : 1 << dice.roll(0, 3);
    options.on_logits = std::move(on_logits);
    ++ranks[static_cast<std::size_t>(options.tensor_parallel)];
    return std::make_unique<CpuBackend>(weights, config, std::move(options));
  };
  subject.block_sizes = {1, 2, 16, 32, 64, 128, 256};
  subject.any_block_size = true;
  subject.schedules = test::scaled(300);
  test::check_invariance(subject);
  for (const int n : {1, 2, 4, 8}) CHECK(ranks[static_cast<std::size_t>(n)] > subject.schedules / 10);
}

// Widths that eight does not divide are cut where the ranks' shares begin all the same.
TEST_CASE("tensor parallel: a sum in parts is the tree of its parts, and half of the columns give half of the tree") {
  std::mt19937_64 random(4);
  ThreadPool pool(1);
  for (const std::int64_t half : {1, 3, 8, 21, 96, 100, 173}) {
    const std::int64_t columns = 2 * half;
    const std::int64_t rows = 5;
    const std::int64_t tokens = 3;
    std::vector<float> w(static_cast<std::size_t>(rows * columns));
    std::vector<float> x(static_cast<std::size_t>(tokens * columns));
    for (float& v : w) v = static_cast<float>(random() >> 40) / 1e6f - 8;
    for (float& v : x) v = static_cast<float>(random() >> 40) / 1e6f - 8;
    const Matrix whole{DType::f32, reinterpret_cast<const std::byte*>(w.data()), rows, columns, columns};
    std::vector<float> y(static_cast<std::size_t>(rows * tokens));
    multiply_in_parts(whole, x.data(), tokens, 8, y.data(), pool);
    std::vector<float> halves[2];
    for (std::int64_t h = 0; h < 2; ++h) {
      std::vector<float> some_x;
      for (std::int64_t t = 0; t < tokens; ++t) {
        const auto begin = x.begin() + t * columns + h * half;
        some_x.insert(some_x.end(), begin, begin + half);
      }
      halves[h].resize(y.size());
      multiply_in_parts(whole.some_columns(h * half, half), some_x.data(), tokens, 4, halves[h].data(), pool);
    }
    for (std::int64_t t = 0; t < tokens; ++t) {
      for (std::int64_t r = 0; r < rows; ++r) {
        float p[8];
        for (std::int64_t i = 0; i < 8; ++i) {
          const std::int64_t first = i * columns / 8;
          p[i] = dot(w.data() + r * columns + first, x.data() + t * columns + first, (i + 1) * columns / 8 - first);
        }
        const float expected = ((p[0] + p[1]) + (p[2] + p[3])) + ((p[4] + p[5]) + (p[6] + p[7]));
        const auto at = static_cast<std::size_t>(t * rows + r);
        CHECK(y[at] == expected);
        CHECK(halves[0][at] + halves[1][at] == expected);
      }
    }
  }
}

struct Listener : RequestListener {
  FinishReason reason = FinishReason::none;
  std::string why;
  void on_token(const Request&, Token, const TokenLogprobs*) override {}
  void on_end(const Request& request, const std::string& text) override {
    reason = request.finish_reason;
    why = text;
  }
};

// A few requests on some ranks, of which `on_rank` fails one; what they end with, and the next ones.
struct Served {
  Served(const Weights& weights, std::int32_t ranks, std::function<void(std::int32_t)> on_rank)
      : backend(std::make_unique<CpuBackend>(weights, config, options_of(ranks, std::move(on_rank)))),
        engine(config, *backend) {
    for (int i = 0; i < 3; ++i) submit();
    for (int i = 0; i < 4; ++i) engine.step(nullptr);
  }
  static CpuOptions options_of(std::int32_t ranks, std::function<void(std::int32_t)> on_rank) {
    CpuOptions options;
    options.tensor_parallel = ranks;
    options.on_rank = std::move(on_rank);
    return options;
  }
  void submit() {
    RequestSpec spec;
    spec.id = "r" + std::to_string(listeners.size());
    spec.prompt.append(std::vector<Token>{8, 9, 10 + static_cast<Token>(listeners.size())});
    spec.max_tokens = 20;
    spec.ignore_eos = true;
    listeners.push_back(std::make_shared<Listener>());
    engine.submit(spec, listeners.back());
  }
  EngineConfig config = [] {
    EngineConfig some;
    some.max_num_seqs = 4;
    some.num_blocks = 40;
    some.eos_token_id = 7;
    return some;
  }();
  std::unique_ptr<CpuBackend> backend;
  Engine engine;
  std::vector<std::shared_ptr<Listener>> listeners;
};

TEST_CASE("tensor parallel: a rank that fails ends every live request with the reason, and the next ones are served") {
  const test::TempFolder folder;
  divisible().write(folder);
  const Weights weights(folder.path());
  for (const std::int32_t ranks : {2, 4, 8}) {
    std::atomic<std::int32_t> failing{-1};
    Served served(weights, ranks, [&](std::int32_t rank) {
      if (rank == failing) throw BackendError("its card is lost");
    });
    failing = ranks - 1;
    const std::string last = "rank " + std::to_string(ranks - 1) + " of " + std::to_string(ranks) + ": its card is lost";
    CHECK_THROWS_WITH(served.engine.step(nullptr), has_text(last));
    for (const auto& listener : served.listeners) {
      CHECK(listener->reason == FinishReason::error);
      CHECK_THAT(listener->why, has_text(last));
    }
    failing = -1;
    served.submit();
    while (served.engine.step(nullptr)) {
    }
    CHECK(served.listeners.back()->reason == FinishReason::length);
  }
}

TEST_CASE(
    "tensor parallel: a rank whose thread hangs or is ended ends every request within 5 s, and no step is computed after") {
  const test::TempFolder folder;
  divisible().write(folder);
  const Weights weights(folder.path());
  for (const bool hangs : {true, false}) {
    for (const std::int32_t ranks : {2, 8}) {
      const std::int32_t which = hangs && ranks == 2 ? 0 : ranks - 1;
      const auto failing = std::make_shared<std::atomic<bool>>(false);
      const auto go_on = std::make_shared<std::atomic<bool>>(false);
      const auto came_back = std::make_shared<std::atomic<bool>>(false);
      const std::string why = "rank " + std::to_string(which) + " of " + std::to_string(ranks) + ": " +
                              (hangs ? "did not answer for 4 s" : "its thread was ended") +
                              "; the model cannot be used any more";
      INFO(why);
      {
        Served served(weights, ranks, [=](std::int32_t rank) {
          if (rank != which || !*failing) return;
          if (!hangs) pthread_exit(nullptr);
          go_on->wait(false);
          *came_back = true;
        });
        *failing = true;
        const auto start = std::chrono::steady_clock::now();
        CHECK_THROWS_WITH(served.engine.step(nullptr), why);
        CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
        for (const auto& listener : served.listeners) {
          CHECK(listener->reason == FinishReason::error);
          CHECK(listener->why == why);
        }
        served.submit();
        CHECK_THROWS_WITH(served.engine.step(nullptr), why);
        CHECK(served.listeners.back()->why == why);
      }
      *go_on = true;
      go_on->notify_all();
      while (hangs && !*came_back) std::this_thread::yield();
    }
  }
}

TEST_CASE("tensor parallel: numbers of ranks that do not fit are refused with the numbers") {
  const test::TempFolder folder;
  test::TinyModel{}.write(folder);
  const Weights weights(folder.path());
  EngineConfig config;
  config.num_blocks = 40;
  CpuOptions options;
  options.tensor_parallel = 3;
  CHECK_THROWS_WITH(CpuBackend(weights, config, options), "tensor_parallel is 3; it must be 1, 2, 4 or 8");
  options.tensor_parallel = 8;
  CHECK_THROWS_WITH(CpuBackend(weights, config, options),
                    has_text("8 ranks do not divide the model's 4 query heads; possible here: 1, 2, 4"));
}

}  // namespace
}  // namespace tokenyard
