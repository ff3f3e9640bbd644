#include "backends/cuda/step_profile.h"

#include <array>
#include <vector>

namespace tokenyard::cuda {
namespace {

constexpr int kReplays = 10;
constexpr int kLeastLaunches = 16;  // of one kernel in a row

constexpr std::array<const char*, kStepKernels> kNames = {
    "embedding", "add and norm",  "product: qkv",       "heads: norm, rotation, K/V",
    "attention", "product: o",    "add and norm (MLP)", "product: gate_up",
    "SwiGLU",    "product: down", "last norm",          "product: head",
    "sampling"};

std::string name_of(StepKernel kernel, bool fused, bool gates) {
  if (fused && kernel == StepKernel::qkv) return "add, norm, product: qkv";
  if (kernel == StepKernel::gate_up && (fused || gates)) {
    return std::string(fused ? "add, norm, " : "") + "product: gate_up" + (gates ? ", SwiGLU" : "");
  }
  return kNames[static_cast<std::size_t>(kernel)];
}

// What a kernel has to read and write, each number once.
double bytes_of(StepKernel kernel, const EnqueuedStep& what, bool fused, bool gates) {
  const ModelShape& model = what.model;
  const double rows = what.tokens;
  const double requests = what.step.rows;
  const double h = model.hidden;
  const double q = static_cast<double>(model.num_heads) * model.head_dim;
  const double kv = static_cast<double>(model.num_kv_heads) * model.head_dim;
  const double i = model.intermediate;
  const double vocabulary = model.vocabulary;
  constexpr double kBf16 = 2;
  constexpr double kFloat = 4;
  constexpr double kParts = kLeastSumParts;
  const double add = rows * h * kFloat * (2 + kParts);  // the residual read and written, and what joins it
  const double normed = rows * h * kBf16;
  switch (kernel) {
    case StepKernel::embedding: return rows * h * (kBf16 + kFloat);
    case StepKernel::norm:
    case StepKernel::mlp_norm: return add + normed;
    case StepKernel::qkv: return ((q + 2 * kv) * h + rows * (q + 2 * kv)) * kBf16 + (fused ? add : normed);
    case StepKernel::heads: return 2 * rows * (q + 2 * kv) * kBf16;
    case StepKernel::attention: return requests * (what.step.context * static_cast<double>(what.kv_bytes) + 2 * q * kBf16);
    case StepKernel::o: return (h * q + rows * q) * kBf16 + kParts * rows * h * kFloat;
    case StepKernel::gate_up: return (2 * i * h + rows * (gates ? i : 2 * i)) * kBf16 + (fused ? add : normed);
    case StepKernel::swiglu: return rows * 3 * i * kBf16;
    case StepKernel::down: return (h * i + rows * i) * kBf16 + kParts * rows * h * kFloat;
    case StepKernel::last_norm: return rows * h * kFloat * (1 + kParts) + normed;
    case StepKernel::head: return (h * vocabulary + rows * (h + vocabulary)) * kBf16;
    case StepKernel::sampling: return requests * vocabulary * kBf16;
  }
  return 0;
}

// Of all kernels, lets one through, of every layer, and counts it.
class Only final : public StepWatch {
 public:
  explicit Only(StepKernel kernel) : kernel_(kernel) {}
  bool before(StepKernel kernel, std::int32_t) override {
    count += kernel == kernel_ ? 1 : 0;
    return kernel == kernel_;
  }
  std::int32_t count = 0;

 private:
  StepKernel kernel_;
};

// An event before each kernel.
class Stopwatch final : public StepWatch {
 public:
  explicit Stopwatch(cudaStream_t stream) : stream_(stream) {}
  bool before(StepKernel kernel, std::int32_t layer) override {
    starts.push_back({kernel, layer, Event()});
    starts.back().event.record(stream_, true);
    return true;
  }
  struct Start {
    StepKernel kernel;
    std::int32_t layer;
    Event event;
  };
  std::vector<Start> starts;

 private:
  cudaStream_t stream_;
};

class Shown {
 public:
  Shown(Forward& forward, StepWatch& watch) : forward_(forward) { forward.show(&watch); }
  ~Shown() { forward_.show(nullptr); }
  Shown(const Shown&) = delete;
  Shown& operator=(const Shown&) = delete;

 private:
  Forward& forward_;
};

// Microseconds of a replay; the first is to warm up.
double time_of(const Graph& graph, cudaStream_t stream) {
  const Event from, to;
  for (int i = 0; i <= kReplays; ++i) {
    if (i == 1) from.record(stream, false);
    graph.launch(stream);
  }
  to.record(stream, false);
  to.synchronize();
  return static_cast<double>(elapsed(from, to)) / 1e3 / kReplays;
}

}  // namespace

StepProfile profile_step(Forward& forward, const EnqueuedStep& what, cudaStream_t stream) {
  const bool fused = forward.fuses(what.tokens);
  const bool gates = forward.gates(what.tokens);
  StepProfile out;
  out.step_us = time_of(Graph::capture(stream, what.enqueue), stream);
  for (std::int32_t i = 0; i < kStepKernels; ++i) {
    const auto kernel = static_cast<StepKernel>(i);
    Only only(kernel);
    const Shown shown(forward, only);
    std::int32_t count = 0;
    const Graph graph = Graph::capture(stream, [&] {
      what.enqueue();
      count = only.count;
      while (count > 0 && only.count < kLeastLaunches) what.enqueue();
    });
    if (count == 0) continue;
    out.kernels.push_back(
        {name_of(kernel, fused, gates), count, time_of(graph, stream) / only.count, bytes_of(kernel, what, fused, gates)});
  }

  Stopwatch watch(stream);
  const Event end;
  {
    const Shown shown(forward, watch);
    const Graph graph = Graph::capture(stream, [&] {
      what.enqueue();
      end.record(stream, true);
    });
    for (int i = 0; i < 2; ++i) {  // the first to warm up
      graph.launch(stream);
      check(cudaStreamSynchronize(stream), "waiting for the GPU");
    }
  }
  const Event& begin = watch.starts.front().event;
  for (std::size_t i = 0; i < watch.starts.size(); ++i) {
    const Stopwatch::Start& start = watch.starts[i];
    const bool last = i + 1 == watch.starts.size();
    out.timeline.push_back({name_of(start.kernel, fused, gates), start.layer, elapsed(begin, start.event),
                            elapsed(begin, last ? end : watch.starts[i + 1].event)});
  }
  return out;
}

}  // namespace tokenyard::cuda
