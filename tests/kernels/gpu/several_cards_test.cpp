// The CUDA backend on several cards: one card's bits by every means of joining them, what fails, what is left behind.
#include <cuda_runtime_api.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <thread>

#include "../../core/invariance.h"
#include "backends/cuda/collectives.h"
#include "backends/cuda/cuda_backend.h"
#include "catch.h"
#include "core/base/live_clock.h"
#include "kernels/card.h"
#include "tests/kernels/gpu/support/cards.h"
#include "tests/kernels/gpu/support/ranks.h"
#include "tests/kernels/gpu/support/served_model.h"

namespace tokenyard {
namespace {

using gpu::free_memory;
using gpu::Model;
using gpu::small_config;
using gpu::tiny_model;

// Where there is one card a test says so and passes.
bool two_cards() {
  int count = 0;
  REQUIRE(cudaGetDeviceCount(&count) == cudaSuccess);
  if (count < 2) WARN("one card: not tried");
  return count >= 2;
}

TEST_CASE("cuda backend: on two cards no schedule changes what one card says") {
  if (!two_cards()) return;
  const Model model(tiny_model(ModelFamily::qwen3, 8, 2, 64));
  test::Subject subject;
  int made = 0;
  int both = 0;
  subject.make = [&](const EngineConfig& config, test::OnLogits on_logits, test::Dice& dice) {
    GpuOptions options;
    options.on_logits = std::move(on_logits);
    options.graphs = dice.chance(70);
    options.time_parts = dice.chance(50);
    options.gpu_memory_utilization = 0.5;
    options.tensor_parallel = made++ < 40 ? 1 : dice.roll(1, 2);  // the first 40 are what the others are compared with
    both += options.tensor_parallel == 2;
    return std::make_unique<CudaBackend>(*model.weights, config, std::move(options));
  };
  subject.block_sizes = {16, 32, 48, 64, 128, 256};
  subject.schedules = test::scaled(300);
  test::check_invariance(subject);
  CHECK(both > subject.schedules / 4);
}

// Without access to each other's memory, which these have.
kernels::Card apart() {
  kernels::Card card = kernels::card();
  card.peer_access = false;
  return card;
}

// Whether cards out of each other's reach can be tried here.
bool two_cards_and_nccl() {
  if (!two_cards()) return false;
  if (!cuda::why_no_nccl().empty()) WARN(cuda::why_no_nccl());
  return cuda::why_no_nccl().empty();
}

// What 80 requests say, planned ahead. A `shape` 4096 wide and 3 layers deep takes every route of the sums over ranks, and the
// small GEMM. With `few` seats 20 requests, so that ranks may share a card (kernels::PretendedCards). Not planned ahead, since
// an upload for the next step, which waits for this one, would stand in the way of another rank's for this one.
using Recorders = std::vector<std::shared_ptr<test::Recorder>>;
Recorders recorded(const ModelShape& shape, std::int32_t ranks, std::int32_t few = 0) {
  const bool small = few > 0;
  EngineConfig config = small_config();
  config.max_num_seqs = small ? few : 64;
  config.max_num_batched_tokens = small ? 2 * few : 2048;
  config.num_blocks = 2000;
  config.max_model_len = 1000;
  config.async_scheduling = !small;
  GpuOptions options;
  options.tensor_parallel = ranks;
  options.gpu_memory_utilization = 0.5;
  CudaBackend backend(shape, 7, config, options);
  Engine engine(config, backend);
  test::Dice dice(5);
  Recorders recorders;
  for (int i = 0; i < (small ? 20 : 80); ++i) {
    RequestSpec spec;
    spec.id = "r" + std::to_string(i);
    for (int n = i == 0 ? 900 : dice.roll(1, 300); n > 0; --n) spec.prompt.append(Token{dice.roll(8, shape.vocabulary - 8)});
    spec.max_tokens = dice.roll(1, 60);
    spec.ignore_eos = true;
    spec.sampling.temperature = i % 3 == 0 ? 0.0f : 0.8f;
    spec.sampling.seed = static_cast<std::uint64_t>(i);
    spec.sampling.logprobs = 3;
    recorders.push_back(std::make_shared<test::Recorder>());
    engine.submit(spec, recorders.back());
  }
  while (engine.step(nullptr)) {
  }
  return recorders;
}

void check_same(const Recorders& expected, const Recorders& found) {
  REQUIRE(expected.size() == found.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    INFO("request " << i);
    CHECK(found[i]->saying.reason == FinishReason::length);
    CHECK(found[i]->saying.tokens == expected[i]->saying.tokens);
    CHECK(found[i]->saying.logprobs == expected[i]->saying.logprobs);
  }
}

ModelShape wide_shape(bool tied) {
  ModelShape shape = builtin_models()[2];
  REQUIRE(shape.hidden == 4096);
  shape.num_layers = 3;
  shape.vocabulary = 4008;
  shape.tied_head = tied;
  return shape;
}

TEST_CASE("cuda backend: on one and two cards the same tokens and probabilities, random weights") {
  if (!two_cards()) return;
  for (const bool tied : {false, true}) check_same(recorded(wide_shape(tied), 1), recorded(wide_shape(tied), 2));
}

// Another engine counts steps and requests anew, and its first request is not that of the engine before.
TEST_CASE("cuda backend: one engine after another on a backend, with a repetition penalty") {
  const Model model(tiny_model(ModelFamily::qwen3, 6, 2, 64));
  EngineConfig config = small_config();
  config.async_scheduling = true;
  const auto said = [&](CudaBackend& backend, int first) {
    Engine engine(config, backend);
    Recorders recorders;
    for (int i = 0; i < 3; ++i) {
      RequestSpec spec;
      spec.id = "r" + std::to_string(i);
      for (int n = 0; n < 20; ++n) spec.prompt.append(Token{first + (7 * n + i) % 40});
      spec.max_tokens = 30;
      spec.ignore_eos = true;
      spec.sampling.repetition_penalty = 3;
      recorders.push_back(std::make_shared<test::Recorder>());
      engine.submit(spec, recorders.back());
    }
    while (engine.step(nullptr)) {
    }
    return recorders;
  };
  GpuOptions options;
  options.gpu_memory_utilization = 0.5;
  CudaBackend alone(*model.weights, config, options);
  const Recorders expected = said(alone, 50);
  CudaBackend used(*model.weights, config, options);
  said(used, 8);
  check_same(expected, said(used, 50));
}

TEST_CASE("cuda backend: cards that cannot reach each other's memory give the same bits by NCCL") {
  if (!two_cards_and_nccl()) return;
  const ModelShape shape = wide_shape(false);
  const Recorders one = recorded(shape, 1);
  const kernels::PretendedCard pretended(apart());
  check_same(one, recorded(shape, 2));
}

// What follows from a card (how work is cut, which kernels, what may start early) may differ between ranks.
TEST_CASE("cuda backend: a second card with less of everything changes no bit") {
  if (!two_cards()) return;
  const ModelShape shape = wide_shape(false);
  const Recorders one = recorded(shape, 1);
  for (kernels::Card lesser : gpu::lesser_cards()) {
    lesser.peer_access = true;
    const kernels::PretendedCard pretended(lesser, 1);
    check_same(one, recorded(shape, 2));
  }
}

TEST_CASE("cuda backend: 4 and 8 ranks say the same in every batch, also where they share a card") {
  ModelShape shape = wide_shape(false);
  shape.hidden = 1024;
  shape.intermediate = 2048;
  shape.num_heads = 16;
  shape.num_kv_heads = 2;  // several ranks hold the same
  shape.vocabulary = 264;  // few blocks gather its logits
  const Recorders one = recorded(shape, 1, 4);
  for (const std::int32_t ranks : {2, 4, 8}) {
    INFO(ranks << " ranks");
    const gpu::CardsFor cards(ranks);
    const Recorders four_seats = recorded(shape, ranks, 4);
    check_same(four_seats, recorded(shape, ranks, 1));
    if (ranks == 2) check_same(one, four_seats);  // of more the sums have more parts
  }
}

void check_failing_rank(bool by_nccl) {
  int count = 0;
  REQUIRE(cudaGetDeviceCount(&count) == cudaSuccess);
  const gpu::CardsFor cards(2);
  std::optional<kernels::PretendedCard> pretended;
  if (by_nccl) pretended.emplace(apart());
  const Model model(tiny_model(ModelFamily::qwen3, 8, 2, 64));
  EngineConfig config = small_config();
  config.async_scheduling = count > 1;  // as in recorded()
  if (count == 1) config.max_num_batched_tokens = 16;
  int failing = -1;
  GpuOptions options;
  options.tensor_parallel = 2;
  options.gpu_memory_utilization = count > 1 ? 0.5 : 0.2;
  options.on_rank = [&](std::int32_t rank) {
    if (rank == failing) throw BackendError("injected");
  };
  CudaBackend backend(*model.weights, config, options);
  CHECK(backend.facts().by_nccl == by_nccl);
  CudaBackend neighbour(*model.weights, config, options);  // a second engine on the same cards
  for (int round = 0; round < 6; ++round) {
    Engine engine(config, round == 4 ? neighbour : backend);
    std::vector<std::shared_ptr<test::Recorder>> recorders;
    for (int i = 0; i < 3; ++i) {
      RequestSpec spec;
      spec.id = "r" + std::to_string(i);
      spec.prompt.append(Token{9 + i});
      spec.max_tokens = 50;
      spec.ignore_eos = true;
      recorders.push_back(std::make_shared<test::Recorder>());
      engine.submit(spec, recorders.back());
    }
    failing = -1;
    for (int i = 0; i < 10; ++i) engine.step(nullptr);
    failing = round < 4 ? round % 2 : -1;
    const auto start = std::chrono::steady_clock::now();
    std::string why;
    try {
      while (engine.step(nullptr)) {
      }
    } catch (const BackendError& error) {
      why = error.what();
    }
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
    CHECK(why == (failing < 0 ? "" : "rank " + std::to_string(failing) + " of 2: injected"));
    for (const auto& each : recorders) {
      CHECK(each->saying.reason == (failing < 0 ? FinishReason::length : FinishReason::error));
    }
  }
}

TEST_CASE("cuda backend: a rank that fails ends every live request with the reason, and the next ones are served") {
  check_failing_rank(false);
}
TEST_CASE("cuda backend: so it does where ranks are joined by NCCL") {
  if (two_cards_and_nccl()) check_failing_rank(true);
}

// A rank's thread that hangs, or is ended, in the fifth step. Ranks may share a card.
void check_lost_rank(std::int32_t which, bool hangs, bool by_nccl) {
  const gpu::CardsFor cards(2);
  std::optional<kernels::PretendedCard> pretended;
  if (by_nccl) pretended.emplace(apart());
  const Model model(tiny_model(ModelFamily::qwen3, 8, 2, 64));
  EngineConfig config = small_config();
  config.max_num_seqs = 4;
  config.max_num_batched_tokens = 16;
  const auto failing = std::make_shared<std::atomic<bool>>(false);
  GpuOptions options;
  options.tensor_parallel = 2;
  options.gpu_memory_utilization = 0.2;
  options.on_rank = [=](std::int32_t rank) {
    if (rank != which || !*failing) return;
    if (!hangs) pthread_exit(nullptr);
    while (true) pause();
  };
  const std::string why = "rank " + std::to_string(which) +
                          " of 2: " + (hangs ? "did not answer for 4 s" : "its thread was ended") +
                          "; the model cannot be used any more";
  INFO(why);
  CudaBackend backend(*model.weights, config, options);
  Engine engine(config, backend);
  std::vector<std::shared_ptr<test::Recorder>> recorders;
  const auto submit = [&] {
    RequestSpec spec;
    spec.id = "r" + std::to_string(recorders.size());
    spec.prompt.append(Token{9});
    spec.max_tokens = 50;
    spec.ignore_eos = true;
    recorders.push_back(std::make_shared<test::Recorder>());
    engine.submit(spec, recorders.back());
  };
  for (int i = 0; i < 3; ++i) submit();
  for (int i = 0; i < 4; ++i) engine.step(nullptr);
  *failing = true;
  const auto start = std::chrono::steady_clock::now();
  CHECK_THROWS_WITH(engine.step(nullptr), why);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
  for (const auto& each : recorders) CHECK(each->saying.reason == FinishReason::error);
  submit();
  CHECK_THROWS_WITH(engine.step(nullptr), why);
}

// In a process of its own, since the threads are left behind.
TEST_CASE("cuda backend: ranks whose threads hang or end [left]", "[.left]") {
  for (const bool by_nccl : {false, true}) {
    int count = 0;
    REQUIRE(cudaGetDeviceCount(&count) == cudaSuccess);
    if (by_nccl && (count < 2 || !cuda::why_no_nccl().empty())) continue;
    check_lost_rank(1, true, by_nccl);
    check_lost_rank(0, true, by_nccl);
    check_lost_rank(1, false, by_nccl);
  }
}

TEST_CASE("cuda backend: a rank's thread that hangs or is ended ends every request, and the program with its own status") {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  // 124: `timeout` had to end it.
  const int status = std::system(("timeout 60 " + self + " \"[.left]\"").c_str());
  CHECK(WEXITSTATUS(status) == 0);
}

// As by Ctrl-Z and fg: one rank's kernel waits for what the other has not launched.
TEST_CASE("cuda backend: a process that stands still for six seconds goes on") {
  const gpu::CardsFor cards(2);
  const Model model(tiny_model(ModelFamily::qwen3, 8, 2, 64));
  EngineConfig config = small_config();
  config.max_num_seqs = 4;
  config.max_num_batched_tokens = 16;
  std::atomic<bool> stops{false};
  GpuOptions options;
  options.tensor_parallel = 2;
  options.gpu_memory_utilization = 0.2;
  options.on_rank = [&](std::int32_t rank) {
    if (rank != 1 || !stops.exchange(false)) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // rank 0 has launched
    REQUIRE(std::system(("(sleep 6; kill -CONT " + std::to_string(getpid()) + ") &").c_str()) == 0);
    kill(getpid(), SIGSTOP);
  };
  CudaBackend backend(*model.weights, config, options);
  Engine engine(config, backend);
  RequestSpec spec;
  spec.id = "r";
  spec.prompt.append(Token{9});
  spec.max_tokens = 20;
  spec.ignore_eos = true;
  const auto recorder = std::make_shared<test::Recorder>();
  engine.submit(spec, recorder);
  for (int i = 0; i < 5; ++i) engine.step(nullptr);
  stops = true;
  const auto start = std::chrono::steady_clock::now();
  while (engine.step(nullptr)) {
  }
  CHECK(std::chrono::steady_clock::now() - start > std::chrono::seconds(5));
  CHECK(recorder->saying.reason == FinishReason::length);
}

TEST_CASE("cuda backend: more cards than there are, and a number that is none of 1, 2, 4, 8") {
  const Model model(tiny_model(ModelFamily::qwen3, 8, 8, 64));
  int count = 0;
  REQUIRE(cudaGetDeviceCount(&count) == cudaSuccess);
  GpuOptions options;
  options.tensor_parallel = 3;
  CHECK_THROWS_WITH(CudaBackend(*model.weights, small_config(), options), has_text("it must be 1, 2, 4 or 8"));
  options.tensor_parallel = 4;
  if (count < 4) CHECK_THROWS_WITH(CudaBackend(*model.weights, small_config(), options), has_text("CUDA_VISIBLE_DEVICES"));
}

TEST_CASE("cuda backend: two cards started and stopped many times leave nothing behind") {
  if (!two_cards()) return;
  const Model model(tiny_model(ModelFamily::qwen3, 8, 2, 64));
  EngineConfig config = small_config();
  config.max_num_batched_tokens = 32;
  GpuOptions options;
  options.tensor_parallel = 2;
  const auto once = [&] {
    CudaBackend backend(*model.weights, config, options);
    Engine engine(config, backend);
    RequestSpec spec;
    spec.id = "r";
    spec.prompt.append(Token{9});
    spec.max_tokens = 3;
    engine.submit(spec, std::make_shared<test::Recorder>());
    while (engine.step(nullptr)) {
    }
  };
  for (int i = 0; i < 3; ++i) once();
  const std::size_t before = free_memory();
  for (int i = 0; i < test::scaled(100); ++i) once();
  CHECK(before - free_memory() == 0);
}

// Minutes of what a server sees: requests that come, are cancelled, share prefixes and are preempted, a rank that fails now and
// then. TOKENYARD_SOAK_SECONDS=600 test_gpu '[soak]'
TEST_CASE("cuda backend: two cards under changing load for as long as one likes [soak]", "[.soak]") {
  if (!two_cards()) return;
  const char* const wanted = std::getenv("TOKENYARD_SOAK_SECONDS");
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(wanted == nullptr ? 10 : std::atoi(wanted));
  const Model model(tiny_model(ModelFamily::qwen3, 8, 2, 64));
  test::Dice dice(41);
  std::vector<RequestSpec> specs;
  for (int i = 0; i < 60; ++i) {
    specs.push_back(test::random_spec(dice, i, i < 6));
    specs.back().max_tokens += 40;
  }
  EngineConfig config = small_config();
  config.policy = Policy::vllm_v1;
  config.async_scheduling = true;
  config.max_num_seqs = 16;
  GpuOptions options;
  options.gpu_memory_utilization = 0.5;
  std::vector<test::Saying> alone;  // on one card
  {
    CudaBackend backend(*model.weights, config, options);
    for (const RequestSpec& spec : specs) {
      Engine engine(config, backend);
      const auto recorder = std::make_shared<test::Recorder>();
      engine.submit(spec, recorder);
      while (engine.step(nullptr)) {
      }
      alone.push_back(recorder->saying);
    }
  }
  config.num_blocks = 60;  // too few for all, so that some are preempted
  options.tensor_parallel = 2;
  std::int32_t failing = -1;
  options.on_rank = [&](std::int32_t rank) {
    if (rank == failing) throw BackendError("injected");
  };
  CudaBackend backend(*model.weights, config, options);
  const std::size_t before = free_memory();
  std::int64_t steps = 0, finished = 0, cancelled = 0, preemptions = 0, failures = 0;
  for (int round = 0; std::chrono::steady_clock::now() < until; ++round) {
    Engine engine(config, backend);
    struct Live {
      std::size_t spec;
      std::uint64_t ticket;
      std::shared_ptr<test::Recorder> recorder;
    };
    std::vector<Live> live;
    const auto has_ended = [&](const Live& each) {
      const test::Saying& said = each.recorder->saying;
      if (said.reason == FinishReason::none) return false;
      const test::Saying& want = alone[each.spec];
      const bool whole = said.reason == want.reason && said.tokens.size() == want.tokens.size();
      const bool cut = said.reason == FinishReason::cancelled || said.reason == FinishReason::kv_capacity ||
                       said.reason == FinishReason::error;
      finished += whole;
      cancelled += said.reason == FinishReason::cancelled;
      preemptions += each.recorder->preemptions;
      INFO("round " << round << ", request " << each.spec);
      CHECK((whole || cut));
      CHECK(said.tokens.size() <= want.tokens.size());
      CHECK(std::equal(said.tokens.begin(), said.tokens.end(), want.tokens.begin()));
      return true;
    };
    failing = -1;
    try {
      bool more = true;
      for (int i = 0; i < 400 || more; ++i) {
        if (i < 400 && live.size() < 24 && dice.chance(60)) {
          const auto which = static_cast<std::size_t>(dice.roll(0, static_cast<int>(specs.size()) - 1));
          live.push_back({which, 0, std::make_shared<test::Recorder>()});
          RequestSpec spec = specs[which];
          spec.id += "-" + std::to_string(i);
          live.back().ticket = engine.submit(spec, live.back().recorder);
        }
        if (!live.empty() && dice.chance(5)) {
          engine.cancel(live[static_cast<std::size_t>(dice.roll(0, static_cast<int>(live.size()) - 1))].ticket);
        }
        if (i == 390 && round % 20 == 19) failing = round / 20 % 2;
        more = engine.step(nullptr);
        ++steps;
        std::erase_if(live, has_ended);
      }
    } catch (const BackendError& error) {
      CHECK(std::string(error.what()) == "rank " + std::to_string(failing) + " of 2: injected");
      ++failures;
    }
    std::erase_if(live, has_ended);
    CHECK(live.empty());
  }
  CHECK(finished > 0);
  CHECK(cancelled > 0);
  CHECK(preemptions > 0);
  CHECK(before - free_memory() == 0);
  WARN(steps << " steps, " << finished << " requests finished, " << cancelled << " cancelled, " << preemptions
             << " preemptions, " << failures << " failures of a rank");
}

}  // namespace
}  // namespace tokenyard
