#include "backends/cuda/cuda_backend.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <iterator>
#include <map>
#include <stdexcept>
#include <utility>
#include <vector>

#include "backends/cuda/forward.h"
#include "backends/cuda/passes.h"
#include "backends/cuda/step_inputs.h"
#include "backends/cuda/step_shape.h"
#include "core/base/live_clock.h"
#include "kernels/attention.h"
#include "kernels/block_copy.h"
#include "kernels/norm.h"
#include "kernels/read_all.h"

namespace tokenyard {

using namespace cuda;

namespace {

constexpr std::int32_t kTopCapacity = 1024;  // log probabilities a token at most
constexpr std::int32_t kMostBlockSize = 256;
constexpr std::int64_t kMostCopies = 1 << 16;  // blocks moved at a time

// Kernels' own exceptions are failures of the device.
template <typename Do>
void on_device(const Do& what) {
  try {
    what();
  } catch (const kernels::DeviceError& error) {
    throw BackendError(std::string("the GPU failed: ") + error.what());
  }
}

std::vector<std::int32_t> with(const std::vector<std::int32_t>& a, const std::vector<std::int32_t>& b) {
  std::vector<std::int32_t> both;
  std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  return both;
}

void check_config(const ModelShape& model, const EngineConfig& config, const GpuOptions& options) {
  EngineConfig checked = config;
  if (checked.num_blocks == 0) checked.num_blocks = 1 << 20;
  if (const auto wrong = validate(checked)) throw std::invalid_argument(*wrong);
  if (const std::string why = why_not(model, config, options.tensor_parallel); !why.empty()) throw std::invalid_argument(why);
  if (options.num_ids < 0 || options.num_ids > model.vocabulary) {
    throw std::invalid_argument(fmt::format("the tokenizer knows {} token ids, more than the model's vocabulary of {}",
                                            options.num_ids, model.vocabulary));
  }
}

}  // namespace

std::string cuda::why_not(const ModelShape& model, const EngineConfig& config, std::int32_t tensor_parallel) {
  if (tensor_parallel != 1) return "the CUDA backend computes on one GPU; --backend cpu takes tensor_parallel";
  if (model.head_dim != 64 && model.head_dim != 128) {
    return fmt::format("head_dim is {}; the CUDA backend computes 64 and 128, --backend cpu any", model.head_dim);
  }
  if (model.group() > kernels::kMaxGroup) {
    return fmt::format("{} heads share a K/V head; the CUDA backend computes up to {}, --backend cpu any number", model.group(),
                       kernels::kMaxGroup);
  }
  if (model.hidden % 8 != 0 || model.intermediate % 8 != 0 || model.hidden > kernels::kMaxHidden) {
    return fmt::format(
        "hidden size {} and intermediate size {}: the CUDA backend takes multiples of 8 and up to {} hidden units",
        model.hidden, model.intermediate, kernels::kMaxHidden);
  }
  if (config.block_size % kernels::kGranule != 0 || config.block_size > kMostBlockSize) {
    return fmt::format("block_size is {}; the CUDA backend takes multiples of {} up to {}", config.block_size,
                       kernels::kGranule, kMostBlockSize);
  }
  return {};
}

class CudaBackend::Impl {
 public:
  Impl(DeviceWeights weights, const EngineConfig& config, GpuOptions options)
      : config_(config),
        options_(std::move(options)),
        device_(open_device()),
        weights_(std::move(weights)),
        model_(weights_.config()),
        max_context_(config.max_model_len > 0 ? std::min(config.max_model_len, model_.max_context) : model_.max_context),
        row_sizes_(padded_sizes(config.max_num_seqs)),
        token_sizes_(with(padded_sizes(config.max_num_batched_tokens), row_sizes_)),
        inputs_(model_, config, sizes()),
        forward_(weights_, inputs_, token_sizes_, row_sizes_, max_context_, num_ids(), kTopCapacity, stream_) {
    for (Slot& slot : slots_) place_sampled(slot);
    take_cache();
    warm_up();
    if (options_.graphs) capture();
    stream_.synchronize();
    clock.restart();  // what came before is no request's time
  }

  ~Impl() { cudaStreamSynchronize(stream_); }

  BackendLimits limits() const { return {max_context_, num_blocks_, true, true}; }

  void submit(const StepPlan& plan) {
    if (options_.on_logits && in_flight_ > 0) take_last(oldest());  // before this step overwrites the logits
    Slot& slot = slots_[next_];
    slot.submitted_at = clock.now();
    slot.follows = in_flight_ > 0;
    slot.began.record(stream_, false);
    slot.result.tokens.clear();
    slot.result.logprobs.clear();
    slot.result.parts = {};
    slot.taken = false;
    slot.wants_logprobs = false;
    for (const Row& row : plan.rows) {
      slot.wants_logprobs = slot.wants_logprobs || (row.sample && row.request->spec.sampling.logprobs >= 0);
    }
    copy_blocks(plan.copies);
    split_into_passes(plan, token_sizes_.back(), slot.passes);
    for (std::size_t i = 0; i < slot.passes.size(); ++i) {
      if (i > 0) take(slot.passes[i - 1], slot);
      start(slot.passes[i], slot);
    }
    next_ = 1 - next_;
    ++in_flight_;
  }

  const StepResult& collect() {
    Slot& slot = oldest();
    take_last(slot);
    --in_flight_;
    StepResult& result = slot.result;
    // A step that follows another begins when that one ends, which the host may notice late.
    result.duration = slot.follows ? elapsed(slot.began, slot.done) : clock.now() - slot.submitted_at;
    result.parts.host = std::max<TimeNs>(0, result.duration - result.parts.total());
    result.duration = result.parts.total();  // the two clocks may differ by a microsecond
    return result;
  }

  // After a failure what is in flight will not be collected.
  template <typename Do>
  void or_abandon(const Do& what) {
    try {
      on_device(what);
    } catch (const BackendError&) {
      cudaStreamSynchronize(stream_);
      in_flight_ = 0;
      throw;
    }
  }

  GpuFacts facts() const {
    GpuFacts facts;
    facts.device = device_.name;
    facts.driver_cuda = device_.driver_cuda;
    facts.total_bytes = device_.total_bytes;
    facts.weight_bytes = weights_.num_bytes();
    facts.kv_bytes = cache_memory_.bytes();
    facts.kv_bytes_per_token = token_bytes();
    facts.num_graphs = static_cast<std::int32_t>(slots_[0].graphs.size() + slots_[1].graphs.size());
    return facts;
  }

  double measure_read_bandwidth() {
    constexpr int kTimes = 5;
    const std::int64_t bytes = std::min(cache_memory_.bytes(), std::int64_t{8} << 30) / 65536 * 65536;
    const Event from, to;
    for (int i = 0; i <= kTimes; ++i) {  // the first to warm up
      if (i == 1) from.record(stream_, false);
      kernels::read_all(cache_memory_.data(), bytes, reinterpret_cast<std::uint32_t*>(pairs_memory_.data()), stream_);
    }
    to.record(stream_, false);
    stream_.synchronize();
    return static_cast<double>(bytes) * kTimes / (static_cast<double>(elapsed(from, to)) / 1e9);
  }

  LiveClock clock;

 private:
  std::int32_t num_ids() const { return options_.num_ids > 0 ? options_.num_ids : model_.vocabulary; }
  StepInputs::Sizes sizes() const {
    return {row_sizes_.back(), token_sizes_.back(), max_context_, weights_.head_rows(), kTopCapacity};
  }
  std::int64_t token_bytes() const { return std::int64_t{4} * model_.num_layers * model_.num_kv_heads * model_.head_dim; }

  // What a step in flight has to itself. Two of them take turns.
  struct Slot {
    PinnedMemory sampled_memory;
    SampledRows sampled{};
    StepTimer timer;
    Event began, done;
    std::map<std::int32_t, Graph> graphs;  // by padded number of rows
    std::vector<Pass> passes;
    bool wants_logprobs = false;
    bool taken = false;    // its last pass
    bool follows = false;  // another step was in flight when it was submitted
    TimeNs submitted_at = 0;
    StepResult result;
  };

  Slot& oldest() { return slots_[in_flight_ == 2 ? next_ : 1 - next_]; }
  const StepTimer* timer(const Slot& slot) const { return options_.time_parts ? &slot.timer : nullptr; }

  void place_sampled(Slot& slot) {
    const std::int64_t rows = row_sizes_.back();
    slot.sampled_memory = PinnedMemory(rows * (12 + kTopCapacity * 8) + 5 * 256);
    Layout layout(slot.sampled_memory.data());
    slot.sampled = {layout.take<std::int32_t>(rows), layout.take<float>(rows), layout.take<std::int32_t>(rows),
                    layout.take<std::int32_t>(rows * kTopCapacity), layout.take<float>(rows * kTopCapacity)};
  }

  void enqueue(const StepShape& shape, const Slot& slot, bool capturing) {
    const Slot& before = &slot == &slots_[0] ? slots_[1] : slots_[0];
    forward_.enqueue(shape, before.sampled.tokens, slot.sampled, timer(slot), stream_, capturing);
  }

  void start(const Pass& pass, Slot& slot) {
    StepShape shape{pass.padding, 0, false};
    std::int32_t samples = 0;
    for (const Row& row : pass.plan.rows) {
      shape.tokens += row.count;
      shape.prefill = shape.prefill || row.count > 1;
      samples += row.sample ? 1 : 0;
    }
    shape.tokens = padded(token_sizes_, shape.tokens);
    const bool one_each = !shape.prefill && pass.padding == 0;
    shape.head_rows = one_each ? shape.tokens : padded(row_sizes_, std::max(1, samples));
    inputs_.upload(pass.plan, shape, stream_);
    const auto graph = one_each ? slot.graphs.find(shape.tokens) : slot.graphs.end();
    if (graph != slot.graphs.end()) {
      graph->second.launch(stream_);
    } else {
      enqueue(shape, slot, false);
    }
    slot.done.record(stream_, false);
  }

  void take_last(Slot& slot) {
    if (!std::exchange(slot.taken, true)) take(slot.passes.back(), slot);
  }

  // Waits for a pass and takes what it sampled.
  void take(const Pass& pass, Slot& slot) {
    slot.done.synchronize();
    StepResult& result = slot.result;
    const SampledRows& sampled = slot.sampled;
    if (options_.time_parts) {
      const StepParts parts = slot.timer.parts();
      result.parts.gemm += parts.gemm;
      result.parts.attention += parts.attention;
      result.parts.elementwise += parts.elementwise;
      result.parts.head += parts.head;
    }
    std::size_t head = 0;
    for (const Row& row : pass.plan.rows) {
      if (!row.sample) continue;
      const Token token = sampled.tokens[head];
      if (token < 0 && row.request->finish_reason == FinishReason::none) {
        throw BackendError("request " + row.request->spec.id + " at position " + std::to_string(row.first + row.count) +
                           ": none of the logits that may be sampled is finite");
      }
      result.tokens.push_back(token);
      if (slot.wants_logprobs) result.logprobs.push_back(logprobs(*row.request, sampled, head));
      ++head;
    }
    if (options_.on_logits) show_logits(pass.plan);
  }

  // Weights, activations and cuBLASLt's kernels are on the card by now, and no step takes more.
  void take_cache() {
    const std::int64_t block_bytes = token_bytes() * config_.block_size;
    const std::int64_t budget =
        static_cast<std::int64_t>(static_cast<double>(device_.total_bytes) * options_.gpu_memory_utilization) -
        (device_.total_bytes - free_memory());
    // Not more than can be used, or addressed: slots are 32-bit.
    const std::int64_t context_blocks = (max_context_ + config_.block_size - 1) / config_.block_size;
    const std::int64_t wanted = config_.num_blocks > 0 ? config_.num_blocks : context_blocks * config_.max_num_seqs + 1;
    const std::int64_t addressable = (std::int64_t{1} << 31) / config_.block_size - 1;
    const std::int64_t fit = std::max<std::int64_t>(0, budget) / block_bytes;
    num_blocks_ = static_cast<std::int32_t>(std::min({fit, wanted, addressable}));
    if (fit < 2) {
      throw BackendError(
          fmt::format("out of GPU memory: {} MiB are left for K/V, a block of {} tokens takes {} MiB; "
                      "lower max_num_batched_tokens or max_model_len",
                      std::max<std::int64_t>(0, budget) >> 20, config_.block_size, (block_bytes >> 20) + 1));
    }
    cache_memory_ = DeviceMemory(block_bytes * num_blocks_, "the K/V cache");
    // Slots that nothing was written to are read behind a mask; they must be numbers.
    check(cudaMemsetAsync(cache_memory_.data(), 0, static_cast<std::size_t>(cache_memory_.bytes()), stream_), "clearing K/V");
    on_device([&] {
      forward_.use_cache(reinterpret_cast<Bf16*>(cache_memory_.data()),
                         {model_.num_layers, num_blocks_, model_.num_kv_heads, config_.block_size, model_.head_dim});
    });
    pairs_memory_ = DeviceMemory(kMostCopies * static_cast<std::int64_t>(sizeof(kernels::BlockPair)), "moving blocks");
  }

  // A step of every kind of launch: code is loaded at a kernel's first, and cannot be while a graph is captured.
  void warm_up() {
    for (const bool prefill : {false, true}) {
      const StepShape shape{token_sizes_.back(), row_sizes_.back(), prefill};
      on_device([&] {
        inputs_.upload({}, shape, stream_);
        enqueue(shape, slots_[0], false);
      });
    }
    stream_.synchronize();
  }

  // Two graphs for every padded number of requests that decode. The largest first: it takes what memory launching needs.
  void capture() {
    for (auto size = row_sizes_.rbegin(); size != row_sizes_.rend(); ++size) {
      const StepShape shape{*size, *size, false};
      for (Slot& slot : slots_) {
        on_device([&] { slot.graphs.emplace(*size, Graph::capture(stream_, [&] { enqueue(shape, slot, true); })); });
      }
    }
  }

  void copy_blocks(const std::vector<BlockCopy>& copies) {
    static_assert(sizeof(BlockCopy) == sizeof(kernels::BlockPair));
    const std::int64_t block = std::int64_t{model_.num_kv_heads} * config_.block_size * model_.head_dim;
    for (std::size_t done = 0; done < copies.size(); done += kMostCopies) {
      const std::size_t count = std::min<std::size_t>(kMostCopies, copies.size() - done);
      check(cudaMemcpyAsync(pairs_memory_.data(), copies.data() + done, count * sizeof(BlockCopy), cudaMemcpyHostToDevice,
                            stream_),
            "moving blocks");
      kernels::copy_blocks(reinterpret_cast<Bf16*>(cache_memory_.data()), 2 * model_.num_layers, num_blocks_,
                           static_cast<std::int32_t>(block), reinterpret_cast<const kernels::BlockPair*>(pairs_memory_.data()),
                           static_cast<std::int32_t>(count), stream_);
    }
  }

  TokenLogprobs logprobs(const Request& request, const SampledRows& sampled, std::size_t head) const {
    TokenLogprobs out{};
    const std::int32_t top = std::min({request.spec.sampling.logprobs, kTopCapacity, num_ids()});
    if (top < 0) return out;
    out.chosen = {sampled.tokens[head], sampled.logprobs[head]};
    out.rank = sampled.ranks[head];
    for (std::int32_t i = 0; i < top; ++i) {
      const std::size_t at = head * kTopCapacity + static_cast<std::size_t>(i);
      out.top.push_back({sampled.top_tokens[at], sampled.top_logprobs[at]});
    }
    return out;
  }

  void show_logits(const StepPlan& plan) {
    struct Wanted {
      const Request* request;
      std::int32_t position;
      std::int32_t token;
    };
    std::vector<Wanted> wanted;
    std::int32_t token = 0;
    for (const Row& row : plan.rows) {
      for (std::int32_t p = row.first; p < row.first + row.count; ++p, ++token) {
        const bool last = row.sample && p + 1 == row.first + row.count;
        if (row.request->finish_reason != FinishReason::none) continue;  // noticed after the row was planned
        if (options_.every_position || last) wanted.push_back({row.request, p, token});
      }
    }
    const auto vocabulary = static_cast<std::size_t>(model_.vocabulary);
    const auto stride = static_cast<std::size_t>(weights_.head_rows());
    std::vector<std::uint16_t> bits;
    std::vector<float> floats(vocabulary);
    for (std::size_t done = 0; done < wanted.size(); done += static_cast<std::size_t>(row_sizes_.back())) {
      const std::size_t count = std::min(wanted.size() - done, static_cast<std::size_t>(row_sizes_.back()));
      const std::int32_t rows = padded(row_sizes_, static_cast<std::int32_t>(count));
      std::vector<std::int32_t> head_tokens(static_cast<std::size_t>(rows), -1);
      for (std::size_t i = 0; i < count; ++i) head_tokens[i] = wanted[done + i].token;
      std::int32_t* const on_card = inputs_.arrays({token_sizes_.back(), row_sizes_.back(), true}).head_tokens;
      check(cudaMemcpy(on_card, head_tokens.data(), head_tokens.size() * 4, cudaMemcpyHostToDevice), "reading logits");
      const Bf16* const logits = forward_.logits_of(on_card, rows, stream_);
      bits.resize(count * stride);
      stream_.synchronize();
      check(cudaMemcpy(bits.data(), logits, bits.size() * 2, cudaMemcpyDeviceToHost), "reading logits");
      for (std::size_t i = 0; i < count; ++i) {
        for (std::size_t j = 0; j < vocabulary; ++j) {
          floats[j] = std::bit_cast<float>(static_cast<std::uint32_t>(bits[i * stride + j]) << 16);
        }
        options_.on_logits(*wanted[done + i].request, wanted[done + i].position, floats);
      }
    }
  }

  EngineConfig config_;
  GpuOptions options_;
  Device device_;
  DeviceWeights weights_;
  const ModelShape& model_;
  std::int32_t max_context_;
  std::vector<std::int32_t> row_sizes_;    // of heads, and of steps of one token a request
  std::vector<std::int32_t> token_sizes_;  // of steps
  Stream stream_;
  Slot slots_[2];
  int next_ = 0;       // the slot of the next step
  int in_flight_ = 0;  // steps, of which the later one is in slot 1 - next_
  StepInputs inputs_;
  Forward forward_;
  std::int32_t num_blocks_ = 0;
  DeviceMemory cache_memory_;
  DeviceMemory pairs_memory_;
};

CudaBackend::CudaBackend(DeviceWeights weights, const EngineConfig& config, GpuOptions options) {
  check_config(weights.config(), config, options);
  on_device([&] { impl_ = std::make_unique<Impl>(std::move(weights), config, std::move(options)); });
}

CudaBackend::~CudaBackend() = default;

BackendLimits CudaBackend::limits() const { return impl_->limits(); }
void CudaBackend::submit(const StepPlan& plan) {
  impl_->or_abandon([&] { impl_->submit(plan); });
}
const StepResult& CudaBackend::collect() {
  const StepResult* result = nullptr;
  impl_->or_abandon([&] { result = &impl_->collect(); });
  return *result;
}
TimeNs CudaBackend::now() const { return impl_->clock.now(); }
void CudaBackend::wait_until(TimeNs time) { impl_->clock.wait_until(time); }
void CudaBackend::wake() { impl_->clock.wake(); }
GpuFacts CudaBackend::facts() const { return impl_->facts(); }
double CudaBackend::measure_read_bandwidth() {
  double bandwidth = 0;
  on_device([&] { bandwidth = impl_->measure_read_bandwidth(); });
  return bandwidth;
}

}  // namespace tokenyard
