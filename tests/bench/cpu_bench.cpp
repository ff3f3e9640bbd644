// cpu_bench FOLDER [THREADS] [TOKENS]: the CPU backend's tokens a second, decoding at batch 1 and 8 and computing a prompt.
// Random prompts; the end of text is ignored.
#include <fmt/core.h>

#include <cstdlib>
#include <exception>
#include <memory>
#include <random>
#include <string>

#include "backends/cpu/cpu_backend.h"
#include "core/engine.h"

namespace {

using namespace tokenyard;

constexpr std::int32_t kPrompt = 128;

struct Nobody : RequestListener {
  void on_token(const Request&, Token, const TokenLogprobs*) override {}
  void on_end(const Request&, const std::string& why) override {
    if (!why.empty()) fmt::print(stderr, "a request ended: {}\n", why);
  }
};

// Adds up the time of steps of one kind, with its parts.
struct Sum {
  TimeNs time = 0;
  StepParts parts;
  std::int64_t tokens = 0;
};

// Passes on to the backend and sums what it reports.
class Meter : public Backend {
 public:
  explicit Meter(Backend& backend) : backend_(backend) {}
  BackendLimits limits() const override { return backend_.limits(); }
  void submit(const StepPlan& plan) override {
    tokens_ = plan.num_tokens();
    sum_ = tokens_ > static_cast<std::int64_t>(plan.rows.size()) ? &prefill : &decode;
    backend_.submit(plan);
  }
  const StepResult& collect() override {
    const StepResult& result = backend_.collect();
    sum_->time += result.duration;
    sum_->tokens += tokens_;
    sum_->parts.gemm += result.parts.gemm;
    sum_->parts.attention += result.parts.attention;
    sum_->parts.elementwise += result.parts.elementwise;
    sum_->parts.head += result.parts.head;
    sum_->parts.host += result.parts.host;
    return result;
  }
  TimeNs now() const override { return backend_.now(); }
  void wait_until(TimeNs time) override { backend_.wait_until(time); }
  void wake() override { backend_.wake(); }

  Sum prefill;
  Sum decode;

 private:
  Backend& backend_;
  std::int64_t tokens_ = 0;
  Sum* sum_ = nullptr;
};

void print(const char* what, const Sum& sum, double weight_bytes) {
  const auto share = [&](TimeNs part) { return 100.0 * static_cast<double>(part) / static_cast<double>(sum.time); };
  const double seconds = static_cast<double>(sum.time) / 1e9;
  fmt::print(
      "{:<16}{:9.1f} tokens/s   gemm {:4.1f} %  attention {:4.1f} %  elementwise {:4.1f} %  head {:4.1f} %  host {:4.1f} %",
      what, static_cast<double>(sum.tokens) / seconds, share(sum.parts.gemm), share(sum.parts.attention),
      share(sum.parts.elementwise), share(sum.parts.head), share(sum.parts.host));
  if (weight_bytes > 0) fmt::print("   weights {:.2f} GB/s", weight_bytes / seconds / 1e9);
  fmt::print("\n");
}

void measure(const Weights& weights, std::int32_t batch, std::int32_t threads, std::int32_t tokens) {
  EngineConfig config;
  config.max_num_seqs = batch;
  config.max_num_batched_tokens = 2048;
  config.enable_prefix_caching = false;
  config.num_blocks = batch * ((kPrompt + tokens) / config.block_size + 2) + 1;
  CpuOptions options;
  options.threads = threads;
  CpuBackend backend(weights, config, options);
  Meter meter(backend);
  Engine engine(config, meter);
  std::mt19937_64 random(1);
  for (std::int32_t i = 0; i < batch; ++i) {
    RequestSpec spec;
    spec.id = std::to_string(i);
    spec.max_tokens = tokens;
    spec.ignore_eos = true;
    for (std::int32_t p = 0; p < kPrompt; ++p) {
      spec.prompt.append(static_cast<Token>(random() % static_cast<std::uint64_t>(weights.config().shape.vocabulary)));
    }
    engine.submit(std::move(spec), std::make_shared<Nobody>());
  }
  while (engine.step(nullptr)) {
  }
  const double steps = static_cast<double>(meter.decode.tokens) / batch;
  print(fmt::format("decode, batch {}", batch).c_str(), meter.decode, steps * static_cast<double>(weights.num_bytes()));
  print(fmt::format("prompts, {} x {}", batch, kPrompt).c_str(), meter.prefill, 0);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: cpu_bench FOLDER [THREADS] [TOKENS]\n");
    return 2;
  }
  try {
    const Weights weights(argv[1]);
    fmt::print("{} parameters, {} bytes\n", weights.num_parameters(), weights.num_bytes());
    for (const std::int32_t batch : {1, 8}) {
      measure(weights, batch, argc > 2 ? std::atoi(argv[2]) : 0, argc > 3 ? std::atoi(argv[3]) : 128);
    }
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
