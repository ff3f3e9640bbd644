// The CUDA backend as a whole: the same bits under every schedule, the CPU's logits, its limits, nothing leaked.
#include <cuda_runtime_api.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "../../core/invariance.h"
#include "../../model/tiny_model.h"
#include "backends/cpu/cpu_backend.h"
#include "backends/cuda/cuda_backend.h"
#include "core/trace/reader.h"
#include "core/trace/recorder.h"
#include "core/trace/replay.h"
#include "core/trace/writer.h"
#include "tests/kernels/gpu/support/break_device.h"
#include "tests/kernels/gpu/support/served_model.h"

namespace tokenyard {
namespace {

using gpu::free_memory;
using gpu::Model;
using gpu::small_config;
using gpu::tiny_model;

void check_schedules(KvDtype kv_dtype, int schedules) {
  const Model model(tiny_model(ModelFamily::qwen3, 6, 2, 64));
  test::Subject subject;
  int graphs = 0;
  subject.make = [&](const EngineConfig& config, test::OnLogits on_logits, test::Dice& dice) {
    GpuOptions options;
    options.on_logits = std::move(on_logits);
    options.graphs = dice.chance(70);
    options.time_parts = dice.chance(50);
    options.kv_dtype = kv_dtype;
    graphs += options.graphs;
    options.gpu_memory_utilization = 0.5;
    return std::make_unique<CudaBackend>(*model.weights, config, std::move(options));
  };
  subject.block_sizes = {16, 32, 48, 64, 128, 256};
  subject.schedules = test::scaled(schedules);
  test::check_invariance(subject);
  CHECK(graphs > 0);
}

TEST_CASE("cuda backend: no schedule changes a token or a logit") { check_schedules(KvDtype::automatic, 300); }
TEST_CASE("cuda backend: nor with K and V in fp8") { check_schedules(KvDtype::fp8, 150); }

// Without a look at the logits, which would make every step wait, two steps are in flight.
TEST_CASE("cuda backend: planning a step ahead changes nothing that is said") {
  const Model model(tiny_model(ModelFamily::qwen3, 6, 2, 64));
  test::Dice dice(30);
  test::Subject subject;
  subject.block_sizes = {16, 32, 64};
  std::int32_t preemptions = 0;
  std::int32_t stopped = 0;
  std::int64_t dropped = 0;
  const Policy policies[] = {Policy::orca, Policy::nano_vllm, Policy::vllm_v1};
  for (int round = 0; round < test::scaled(60); ++round) {
    EngineConfig config = test::random_engine(subject, policies[round % 3], dice, dice.chance(30));
    std::vector<RequestSpec> specs;
    for (int i = dice.roll(1, 12); i > 0; --i) specs.push_back(test::random_spec(dice, i, dice.chance(10)));
    const bool graphs = dice.chance(50);
    const auto run = [&](bool async) {
      config.async_scheduling = async;
      GpuOptions options;
      options.graphs = graphs;
      options.gpu_memory_utilization = 0.5;
      CudaBackend backend(*model.weights, config, std::move(options));
      REQUIRE(backend.limits().overlaps);
      Engine engine(config, backend);
      std::vector<std::shared_ptr<test::Recorder>> recorders;
      for (const RequestSpec& spec : specs) {
        recorders.push_back(std::make_shared<test::Recorder>());
        engine.submit(spec, recorders.back());
      }
      while (engine.step(nullptr)) {
      }
      for (const auto& recorder : recorders) {
        preemptions += async ? recorder->preemptions : 0;
        stopped += async && recorder->saying.reason == FinishReason::stop;
      }
      dropped += (async ? 1 : -1) * engine.num_steps();
      return recorders;
    };
    const auto ahead = run(true);
    const auto in_step = run(false);
    for (std::size_t i = 0; i < specs.size(); ++i) {
      INFO("round " << round << ", " << name_of(config.policy) << ", " << specs[i].id);
      CHECK(ahead[i]->saying.reason == in_step[i]->saying.reason);
      CHECK(ahead[i]->saying.tokens == in_step[i]->saying.tokens);
      CHECK(ahead[i]->saying.logprobs == in_step[i]->saying.logprobs);
    }
  }
  CHECK(preemptions > 0);
  CHECK(stopped > 0);
  CHECK(dropped > 0);  // steps, because an end is noticed a step late
}

// 255 companions at most: the largest padded batches, and products of many rows.
TEST_CASE("cuda backend: alone or with 255 companions a request says the same") {
  const Model model(tiny_model(ModelFamily::llama, 16, 2, 128));
  std::map<std::string, std::vector<std::uint64_t>> logits;
  const auto run = [&](int companions, Policy policy) {
    logits.clear();
    EngineConfig config = small_config();
    config.policy = policy;
    config.max_num_seqs = 256;
    config.max_num_batched_tokens = 2048;
    config.num_blocks = 6000;
    config.max_model_len = 700;
    GpuOptions options;
    options.on_logits = [&](const Request& request, std::int32_t, std::span<const float> row) {
      logits[request.spec.id].push_back(XXH3_64bits(row.data(), row.size_bytes()));
    };
    CudaBackend backend(*model.weights, config, std::move(options));
    Engine engine(config, backend);
    test::Dice dice(5);
    for (int i = 0; i <= companions; ++i) {
      RequestSpec spec;
      spec.id = "r" + std::to_string(i);
      for (int n = i == 0 ? 300 : dice.roll(1, 400); n > 0; --n) spec.prompt.append(Token{dice.roll(8, 99)});
      spec.max_tokens = i == 0 ? 40 : dice.roll(1, 60);
      spec.ignore_eos = true;
      spec.sampling.temperature = 0.8f;
      spec.sampling.seed = static_cast<std::uint64_t>(i);
      engine.submit(spec, std::make_shared<test::Recorder>());
    }
    while (engine.step(nullptr)) {
    }
    return logits.at("r0");
  };
  const auto alone = run(0, Policy::vllm_v1);
  REQUIRE(alone.size() == 40);
  for (const int companions : {1, 7, 15, 16, 31, 100, 255}) {
    INFO(companions << " companions");
    CHECK(run(companions, companions % 2 == 0 ? Policy::nano_vllm : Policy::vllm_v1) == alone);
  }
}

TEST_CASE("cuda backend: logits are the CPU's but for the rounding to bf16") {
  const auto all_logits = [](Backend& backend, const EngineConfig& config, const std::vector<Token>& prompt) {
    Engine engine(config, backend);
    RequestSpec spec;
    spec.id = "r";
    spec.prompt.append(prompt);
    spec.max_tokens = 1;
    engine.submit(spec, std::make_shared<test::Recorder>());
    while (engine.step(nullptr)) {
    }
  };
  test::Dice dice(9);
  std::vector<Token> prompt;
  for (int i = 0; i < 300; ++i) prompt.push_back(dice.roll(0, 99));
  for (const ModelFamily family : {ModelFamily::llama, ModelFamily::qwen2, ModelFamily::qwen3}) {
    for (const int head_dim : {64, 128}) {
      const Model model(tiny_model(family, 6, 2, head_dim));
      const EngineConfig config = small_config();
      std::vector<float> cpu_logits, cuda_logits;
      CpuOptions cpu;
      cpu.every_position = true;
      cpu.on_logits = [&](const Request&, std::int32_t, std::span<const float> row) {
        cpu_logits.insert(cpu_logits.end(), row.begin(), row.end());
      };
      CpuBackend on_cpu(*model.weights, config, cpu);
      all_logits(on_cpu, config, prompt);
      GpuOptions cuda;
      cuda.every_position = true;
      cuda.on_logits = [&](const Request&, std::int32_t, std::span<const float> row) {
        cuda_logits.insert(cuda_logits.end(), row.begin(), row.end());
      };
      CudaBackend on_card(*model.weights, config, cuda);
      all_logits(on_card, config, prompt);
      REQUIRE(cpu_logits.size() == 300 * 100);
      REQUIRE(cuda_logits.size() == cpu_logits.size());
      double difference = 0;
      double norm = 0;
      for (std::size_t i = 0; i < cpu_logits.size(); ++i) {
        difference += std::pow(double{cuda_logits[i]} - double{cpu_logits[i]}, 2);
        norm += std::pow(double{cpu_logits[i]}, 2);
      }
      const double relative = std::sqrt(difference / norm);
      WARN(name_of(family) << ", head_dim " << head_dim << ": relative L2 " << relative);
      CHECK(relative < 1.5e-2);
      CHECK(relative > 1e-5);
    }
  }
}

// For compute-sanitizer, which slows everything a hundredfold.
TEST_CASE("cuda backend: prefill, decodes and a sampled end [small]", "[small]") {
  const Model model(tiny_model(ModelFamily::qwen2, 6, 2, 64));
  EngineConfig config = small_config();
  config.max_num_seqs = 4;
  config.max_num_batched_tokens = 32;
  config.async_scheduling = true;
  CudaBackend backend(*model.weights, config);
  Engine engine(config, backend);
  std::vector<std::shared_ptr<test::Recorder>> recorders;
  for (int i = 0; i < 3; ++i) {
    RequestSpec spec;
    spec.id = "r" + std::to_string(i);
    for (int n = 0; n < 20 + 17 * i; ++n) spec.prompt.append(Token{10 + n});
    spec.max_tokens = 6;
    spec.min_tokens = 6;
    spec.sampling.temperature = 0.7f;
    spec.sampling.top_k = 10;
    spec.sampling.repetition_penalty = 1.2f;
    spec.sampling.logprobs = 2;
    recorders.push_back(std::make_shared<test::Recorder>());
    engine.submit(spec, recorders.back());
  }
  while (engine.step(nullptr)) {
  }
  for (const auto& recorder : recorders) {
    CHECK(recorder->saying.tokens.size() == 6);
    CHECK(recorder->saying.logprobs.size() == 6 * 3);
  }
}

// Holds all of the card's memory but about `left` bytes.
struct Hold {
  explicit Hold(std::size_t left) {
    for (std::size_t size = std::size_t{1} << 34; size >= std::size_t{1} << 20;) {
      void* held = nullptr;
      if (free_memory() < left + size || cudaMalloc(&held, size) != cudaSuccess) {
        cudaGetLastError();
        size /= 2;
      } else {
        all.push_back(held);
      }
    }
  }
  ~Hold() {
    for (void* held : all) cudaFree(held);
  }
  std::vector<void*> all;
};

TEST_CASE("cuda backend: nothing is leaked") {
  const Model model(tiny_model(ModelFamily::qwen3, 6, 2, 64));
  const auto once = [&] {
    CudaBackend backend(*model.weights, small_config());
    Engine engine(small_config(), backend);
    RequestSpec spec;
    spec.id = "r";
    spec.prompt.append(Token{9});
    engine.submit(spec, std::make_shared<test::Recorder>());
    while (engine.step(nullptr)) {
    }
  };
  for (int i = 0; i < 3; ++i) once();  // what the runtime keeps for itself
  const std::size_t before = free_memory();
  for (int i = 0; i < 10; ++i) once();
  CHECK(before - free_memory() == 0);
}

TEST_CASE("cuda backend: what does not fit or cannot be computed is refused in one sentence") {
  const Model model(tiny_model(ModelFamily::qwen3, 6, 2, 64));
  EngineConfig config = small_config();
  config.block_size = 24;
  CHECK_THROWS_AS(CudaBackend(*model.weights, config), std::invalid_argument);
  config = small_config();
  GpuOptions options;
  options.gpu_memory_utilization = 1e-6;
  CHECK_THROWS_AS(CudaBackend(*model.weights, config, options), BackendError);
  const Model odd(tiny_model(ModelFamily::llama, 4, 2, 32));
  CHECK_THROWS_AS(CudaBackend(*odd.weights, config), std::invalid_argument);

  // Memory that another process holds: a clear error, nothing leaked, and a second try works once it is free.
  {
    const Hold hold(std::size_t{100} << 20);
    EngineConfig large = small_config();
    large.max_num_batched_tokens = 1 << 18;
    try {
      CudaBackend backend(*model.weights, large);
      FAIL("expected an error");
    } catch (const BackendError& error) {
      WARN(error.what());
      CHECK(std::string(error.what()).find("out of GPU memory") != std::string::npos);
    }
  }
  CHECK_NOTHROW(CudaBackend(*model.weights, config));
}

// From weights to graphs: whichever stage finds the card full says so, and gives back what it had.
TEST_CASE("cuda backend: a card that is full at any stage") {
  const Model model(tiny_model(ModelFamily::qwen3, 6, 2, 64));
  GpuOptions options;
  options.gpu_memory_utilization = 1;
  const auto make = [&] { CudaBackend(*model.weights, small_config(), options); };
  make();  // what the runtime keeps for itself
  const std::size_t all = free_memory();
  std::set<std::string> said;
  int made = 0;
  for (std::size_t left = 200; left > 0; left -= 2) {  // MiB
    const Hold hold(left << 20);
    try {
      make();
      ++made;
    } catch (const BackendError& error) {
      const std::string text = error.what();
      INFO(left << " MiB: " << text);
      CHECK(text.starts_with("out of GPU memory"));
      said.insert(text.substr(0, text.find_first_of("0123456789")));
    }
  }
  for (const std::string& text : said) WARN(text);
  CHECK(made > 0);
  CHECK(said.size() > 1);
  CHECK_NOTHROW(make());
  CHECK(all - free_memory() < (std::size_t{8} << 20));  // the runtime may keep more
}

// In a process of its own, because nothing brings the card back to this one.
TEST_CASE("cuda backend: a card that fails in a step [lost]", "[.lost]") {
  const Model model(tiny_model(ModelFamily::qwen3, 6, 2, 64));
  EngineConfig config = small_config();
  config.async_scheduling = true;
  const test::TempFolder folder;
  const std::string path = folder.path() + "/lost.trace";
  {
    CudaBackend backend(*model.weights, config);
    TraceWriter trace(path);
    trace.on_header({"test", "cuda", config, {}, {}, {}});
    TraceRecorder recorder(trace);
    Engine engine(config, backend, {&recorder});
    std::vector<std::shared_ptr<test::Recorder>> recorders;
    for (int i = 0; i < 5; ++i) {
      RequestSpec spec;
      spec.id = "r" + std::to_string(i);
      spec.prompt.append(Token{9 + i});
      spec.max_tokens = 100;
      spec.ignore_eos = true;
      recorders.push_back(std::make_shared<test::Recorder>());
      engine.submit(spec, recorders.back());
    }
    for (int i = 0; i < 10; ++i) engine.step(nullptr);
    test::break_device();
    try {
      for (int i = 0; i < 3; ++i) engine.step(nullptr);
      FAIL("expected an error");
    } catch (const BackendError& error) {
      WARN(error.what());
      CHECK(std::string(error.what()).starts_with("the GPU failed"));
    }
    for (const auto& each : recorders) CHECK(each->saying.reason == FinishReason::error);
    CHECK(engine.num_live() == 0);
    trace.flush();
  }
  TraceReader reader(path);
  const ReplayOutcome outcome = replay(reader);
  CHECK(outcome.first_difference == "");
  CHECK(outcome.steps >= 8);
}

TEST_CASE("cuda backend: after a failure of the card every request knows, and the trace can be read") {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  CHECK(std::system((self + " \"[.lost]\"").c_str()) == 0);
}

}  // namespace
}  // namespace tokenyard
