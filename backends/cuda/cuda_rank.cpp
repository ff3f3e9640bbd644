#include "backends/cuda/cuda_rank.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <set>
#include <utility>

#include "backends/cuda/step_profile.h"
#include "core/backend.h"
#include "kernels/block_copy.h"
#include "kernels/card.h"
#include "kernels/random_weights.h"
#include "kernels/read_all.h"

namespace tokenyard::cuda {
namespace {

constexpr std::int64_t kMostCopies = 1 << 16;  // blocks moved at a time

std::vector<std::int32_t> with(const std::vector<std::int32_t>& a, const std::vector<std::int32_t>& b) {
  std::vector<std::int32_t> both;
  std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  return both;
}

}  // namespace

StepSizes::StepSizes(const ModelShape& model, const EngineConfig& config)
    : max_context(config.max_model_len > 0 ? std::min(config.max_model_len, model.max_context) : model.max_context),
      rows(padded_sizes(config.max_num_seqs)),
      tokens(with(padded_sizes(config.max_num_batched_tokens), rows)) {}

CudaRank::CudaRank(Place place, Device device, DeviceWeights weights, const EngineConfig& config, const GpuOptions& options,
                   const StepSizes& sizes)
    : place_(place),
      device_(std::move(device)),
      config_(config),
      options_(options),
      sizes_(sizes),
      weights_(std::move(weights)),
      model_(weights_.config()),
      inputs_(model_, config, {sizes.rows.back(), sizes.tokens.back(), sizes.max_context, logit_stride(model_), kTopCapacity}),
      forward_(weights_, inputs_, sizes.tokens, sizes.rows, sizes.max_context,
               options.num_ids > 0 ? options.num_ids : model_.vocabulary, kTopCapacity, place.ranks, place.means,
               fp8() && kernels::expands() ? kernels::blocks_to_expand(sizes.max_context + sizes.tokens.back()) : 0, stream_) {
  for (Slot& slot : slots_) place_sampled(slot);
  activation_bytes_ = std::max<std::int64_t>(0, device_.free_bytes - free_memory() - weights_.num_bytes());
}

CudaRank::~CudaRank() {
  cudaStreamSynchronize(stream_);
  forget_graphs();  // before the memory that they name
}

void CudaRank::place_sampled(Slot& slot) const {
  const std::int64_t rows = sizes_.rows.back();
  slot.sampled_memory = PinnedMemory(rows * (12 + kTopCapacity * 8) + 5 * 256);
  Layout layout(slot.sampled_memory.data());
  slot.sampled = {layout.take<std::int32_t>(rows), layout.take<float>(rows), layout.take<std::int32_t>(rows),
                  layout.take<std::int32_t>(rows * kTopCapacity), layout.take<float>(rows * kTopCapacity)};
}

// Weights, activations and cuBLASLt's kernels are on the card by now, and no step takes more.
std::int32_t CudaRank::blocks_that_fit() const {
  const std::int64_t block_bytes = token_bytes() * config_.block_size;
  const std::int64_t budget =
      static_cast<std::int64_t>(static_cast<double>(device_.total_bytes) * options_.gpu_memory_utilization) -
      (device_.total_bytes - free_memory());
  const std::int64_t fit = std::max<std::int64_t>(0, budget) / block_bytes;
  if (fit < 2) {
    const auto gigabytes = [](std::int64_t bytes) { return static_cast<double>(bytes) / 1e9; };
    throw BackendError(fmt::format(
        "out of GPU memory: weights {:.2f} GB + activations {:.2f} GB of {:.2f} GB free, of which {:.0f} % of the card may be "
        "used, leave {:.3f} GB for K/V; a block of {} tokens takes {:.3f} GB and two are needed: lower max_num_batched_tokens, "
        "max_num_seqs or max_model_len, or take a smaller model",
        gigabytes(weights_.num_bytes()), gigabytes(activation_bytes_), gigabytes(device_.free_bytes),
        100 * options_.gpu_memory_utilization, gigabytes(std::max<std::int64_t>(0, budget)), config_.block_size,
        gigabytes(block_bytes)));
  }
  // Not more than can be used, or addressed: slots are 32-bit.
  const std::int64_t context_blocks = (sizes_.max_context + config_.block_size - 1) / config_.block_size;
  const std::int64_t wanted = config_.num_blocks > 0 ? config_.num_blocks : context_blocks * config_.max_num_seqs + 1;
  const std::int64_t addressable = (std::int64_t{1} << 31) / config_.block_size - 1;
  return static_cast<std::int32_t>(std::min({fit, wanted, addressable}));
}

void CudaRank::take_cache(std::int32_t num_blocks, kernels::RankWatch* watch) {
  num_blocks_ = num_blocks;
  cache_memory_ = DeviceMemory(token_bytes() * config_.block_size * num_blocks_, "the K/V cache");
  // Slots that nothing was written to are read behind a mask; they must be numbers.
  check(cudaMemsetAsync(cache_memory_.data(), 0, static_cast<std::size_t>(cache_memory_.bytes()), stream_), "clearing K/V");
  on_device([&] {
    forward_.use_cache(reinterpret_cast<Bf16*>(cache_memory_.data()),
                       {model_.num_layers, num_blocks_, model_.num_kv_heads, config_.block_size, model_.head_dim, fp8()},
                       scales());
  });
  pairs_memory_ = DeviceMemory(kMostCopies * static_cast<std::int64_t>(sizeof(kernels::BlockPair)), "moving blocks");
  if (place_.ranks > 1) link(std::vector(static_cast<std::size_t>(place_.ranks), forward_.shared()), watch, nullptr);
  warm_up();
}

std::uint8_t* CudaRank::scales() const {
  if (!fp8()) return nullptr;
  const std::int64_t numbers = token_vectors() * model_.head_dim * config_.block_size * num_blocks_;
  return reinterpret_cast<std::uint8_t*>(cache_memory_.data() + numbers);
}

// A step of every kind of launch: code is loaded at a kernel's first, and cannot be while a graph is captured or while another
// rank waits within one.
void CudaRank::warm_up() {
  std::vector<StepShape> shapes;
  for (const bool prefill : {false, true}) shapes.push_back({sizes_.tokens.back(), sizes_.rows.back(), prefill});
  if (fp8()) shapes.push_back({sizes_.tokens.back(), sizes_.rows.back(), true, std::numeric_limits<std::int32_t>::max()});
  std::set<kernels::RankRoute> routes;
  for (const std::int32_t tokens : sizes_.tokens) {
    if (place_.ranks == 1 || !routes.insert(kernels::route_of(tokens, model_.hidden, place_.ranks)).second) continue;
    shapes.push_back({tokens, padded(sizes_.rows, std::min(tokens, sizes_.rows.back())), false});
  }
  for (const StepShape& shape : shapes) {
    on_device([&] {
      inputs_.upload({}, shape, stream_);
      enqueue(shape, slots_[0], false);
    });
    stream_.synchronize();
  }
}

void CudaRank::link(const std::vector<Forward::Shared>& all, kernels::RankWatch* watch, Collectives* collectives) {
  forward_.link(place_.rank, all, watch, collectives);
  if (collectives == nullptr) return;
  forward_.gather_once(sizes_.tokens, sizes_.rows, stream_);
  stream_.synchronize();
}

// Two graphs for every padded number of requests that decode. The largest first: it takes what memory launching needs.
void CudaRank::capture() {
  for (auto size = sizes_.rows.rbegin(); size != sizes_.rows.rend(); ++size) {
    const StepShape shape{*size, *size, false};
    for (Slot& slot : slots_) {
      on_device([&] { slot.graphs.emplace(*size, Graph::capture(stream_, [&] { enqueue(shape, slot, true); })); });
    }
  }
  stream_.synchronize();
}

void CudaRank::forget_graphs() {
  for (Slot& slot : slots_) slot.graphs.clear();
}

void CudaRank::enqueue(const StepShape& shape, const Slot& slot, bool capturing) {
  const Slot& before = &slot == &slots_[0] ? slots_[1] : slots_[0];
  forward_.enqueue(shape, before.sampled.tokens, slot.sampled, options_.time_parts ? &slot.timer : nullptr, stream_, capturing);
}

StepShape CudaRank::shape_of(const Pass& pass) const {
  StepShape shape{pass.padding, 0, false};
  std::int32_t samples = 0;
  for (const Row& row : pass.plan.rows) {
    shape.tokens += row.count;
    shape.prefill = shape.prefill || row.count > 1;
    shape.reads.add(row.first, row.count, model_.group());
    if (row.count > 1) shape.expand_blocks += kernels::blocks_to_expand(row.first + row.count);
    samples += row.sample ? 1 : 0;
  }
  shape.tokens = padded(sizes_.tokens, shape.tokens);
  const bool one_each = !shape.prefill && pass.padding == 0;
  shape.head_rows = one_each ? shape.tokens : padded(sizes_.rows, std::max(1, samples));
  return shape;
}

void CudaRank::begin(int slot, const StepPlan& plan) {
  slots_[slot].began.record(stream_, false);
  inputs_.begin(plan.step);
  on_device([&] { copy_blocks(plan.copies); });
}

void CudaRank::start(int slot_index, const Pass& pass) {
  Slot& slot = slots_[slot_index];
  const StepShape shape = shape_of(pass);
  on_device([&] {
    inputs_.upload(pass.plan, shape, stream_);
    const bool one_each = !shape.prefill && pass.padding == 0;
    const auto graph = one_each ? slot.graphs.find(shape.tokens) : slot.graphs.end();
    if (graph != slot.graphs.end()) {
      graph->second.launch(stream_);
    } else {
      enqueue(shape, slot, false);
    }
  });
  slot.done.record(stream_, false);
}

void CudaRank::copy_blocks(const std::vector<BlockCopy>& copies) {
  static_assert(sizeof(BlockCopy) == sizeof(kernels::BlockPair));
  const std::int64_t block = std::int64_t{model_.num_kv_heads} * config_.block_size;  // vectors
  const std::int64_t units = fp8() ? model_.head_dim / 2 : model_.head_dim;           // of 16 bits, a vector
  for (std::size_t done = 0; done < copies.size(); done += kMostCopies) {
    const std::size_t count = std::min<std::size_t>(kMostCopies, copies.size() - done);
    check(
        cudaMemcpyAsync(pairs_memory_.data(), copies.data() + done, count * sizeof(BlockCopy), cudaMemcpyHostToDevice, stream_),
        "moving blocks");
    const auto* const pairs = reinterpret_cast<const kernels::BlockPair*>(pairs_memory_.data());
    const auto copy = [&](void* data, std::int64_t elements) {
      kernels::copy_blocks(static_cast<Bf16*>(data), 2 * model_.num_layers, num_blocks_, static_cast<std::int32_t>(elements),
                           pairs, static_cast<std::int32_t>(count), stream_);
    };
    copy(cache_memory_.data(), block * units);
    if (fp8()) copy(scales(), block / 2);
  }
}

void CudaRank::logits(const std::vector<std::int32_t>& head_tokens, const Pass& pass, std::vector<std::uint16_t>& out) {
  const auto rows = static_cast<std::int32_t>(head_tokens.size());
  std::int32_t* const on_card = inputs_.arrays({sizes_.tokens.back(), sizes_.rows.back(), true}).head_tokens;
  check(cudaMemcpy(on_card, head_tokens.data(), head_tokens.size() * 4, cudaMemcpyHostToDevice), "reading logits");
  const Bf16* logits = nullptr;
  on_device([&] {
    forward_.begin_step(stream_);
    logits = forward_.logits_of(on_card, rows, shape_of(pass).tokens, stream_);
  });
  stream_.synchronize();
  if (place_.rank != 0) return;
  out.resize(head_tokens.size() * static_cast<std::size_t>(logit_stride(model_)));
  check(cudaMemcpy(out.data(), logits, out.size() * 2, cudaMemcpyDeviceToHost), "reading logits");
}

void CudaRank::forget_meetings() {
  check(cudaMemset(forward_.mailbox(), 0, static_cast<std::size_t>(forward_.mailbox_bytes())), "starting anew");
}

double CudaRank::measure_read_bandwidth() {
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

StepProfile CudaRank::profile(const ProfiledStep& step) {
  const std::int32_t blocks = (step.context + config_.block_size - 1) / config_.block_size;
  if (step.rows > sizes_.rows.back() || step.context > sizes_.max_context || std::int64_t{step.rows} * blocks > num_blocks_) {
    throw BackendError(
        fmt::format("a step of {} requests with {} tokens each does not fit: max_num_seqs is {}, max_model_len {}, and the K/V "
                    "cache has {} blocks of {} tokens",
                    step.rows, step.context, sizes_.rows.back(), sizes_.max_context, num_blocks_, config_.block_size));
  }
  kernels::fill_random(reinterpret_cast<Bf16*>(cache_memory_.data()),
                       {1, cache_memory_.bytes() / 2, 0, cache_memory_.bytes() / 2}, 1, 0, 1, stream_);
  // Requests that no engine has: their numbers are the last there are.
  std::vector<Request> requests(static_cast<std::size_t>(step.rows));
  Pass pass;
  pass.padding = 0;
  pass.plan.step = -2;  // no engine's: rows of block tables count as taken by the step that used them last
  for (std::int32_t i = 0; i < step.rows; ++i) {
    Request& request = requests[static_cast<std::size_t>(i)];
    request.number = std::numeric_limits<std::int32_t>::max() - i;
    request.num_tokens = step.context;
    request.num_prompt = step.context;
    request.tokens.append(i, 0, step.context);
    request.spec.sampling = step.sampling;
    request.spec.sampling.seed = static_cast<std::uint64_t>(i);
    for (std::int32_t b = 0; b < blocks; ++b) request.blocks.push_back(i * blocks + b);
    pass.plan.rows.push_back({&request, step.context - 1, 1, 0, true});
  }
  const StepShape shape = shape_of(pass);
  inputs_.upload(pass.plan, shape, stream_);
  stream_.synchronize();
  const auto enqueue = [&] { forward_.enqueue(shape, slots_[1].sampled.tokens, slots_[0].sampled, nullptr, stream_, true); };
  return profile_step(forward_, {model_, step, shape.tokens, token_bytes() / model_.num_layers, enqueue}, stream_);
}

void CudaRank::add_facts(GpuFacts& facts) const {
  facts.device = device_.name;
  facts.tensor_parallel = place_.ranks;
  facts.by_nccl = place_.means == RankMeans::collectives;
  facts.driver_cuda = device_.driver_cuda;
  facts.total_bytes = device_.total_bytes;
  facts.free_bytes = device_.free_bytes;
  facts.activation_bytes = activation_bytes_;
  const kernels::Card& card = kernels::card();
  facts.capability = card.capability;
  facts.compiled_for = card.compiled_for;
  facts.by_driver = card.by_driver;
  facts.multiprocessors = card.multiprocessors;
  facts.shared_bytes = card.shared_bytes;
  facts.early_start = card.early_start;
  facts.clusters = card.clusters;
  for (const Gemm& product : forward_.products()) {
    facts.products += product.num_products();
    facts.slow_products += product.num_slow_products();
  }
  facts.weight_bytes = weights_.num_bytes();
  facts.kv_bytes = cache_memory_.bytes();
  facts.kv_bytes_per_token = token_bytes();
  facts.num_graphs = static_cast<std::int32_t>(slots_[0].graphs.size() + slots_[1].graphs.size());
}

}  // namespace tokenyard::cuda
