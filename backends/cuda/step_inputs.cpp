#include "backends/cuda/step_inputs.h"

#include <fmt/core.h>

#include <algorithm>

#include "core/backend.h"

namespace tokenyard::cuda {
namespace {

constexpr std::int64_t kUpdates = 1 << 16;    // table updates, or occurrences, brought at a time
constexpr std::size_t kMaskedIds = 1u << 18;  // ids that min_tokens may mask in one step

std::int32_t blocks_for(std::int32_t tokens, std::int32_t block_size) { return (tokens + block_size - 1) / block_size; }

// From ordinary memory: copied before the call returns, as far as the host is concerned.
void copy_to_device(void* to, const void* from, std::size_t bytes, cudaStream_t stream) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream), "copying a step's inputs");
}

}  // namespace

StepInputs::StepInputs(const ModelShape& model, const EngineConfig& config, const Sizes& sizes)
    : model_(model),
      block_size_(config.block_size),
      eos_token_id_(config.eos_token_id),
      sizes_(sizes),
      table_stride_(blocks_for(sizes.max_context, config.block_size)),
      tables_(sizes.rows, table_stride_),
      seen_rows_(static_cast<std::size_t>(sizes.rows)) {
  const StepShape largest{sizes.tokens, sizes.rows, true};
  const std::int64_t bytes =
      fixed_bytes(largest) + static_cast<std::int64_t>(kernels::AttentionWork::bytes(attention_capacity(largest)));
  for (PinnedMemory& pinned : pinned_) pinned = PinnedMemory(bytes);
  device_ = DeviceMemory(bytes, "a step's inputs");
  tables_memory_ = DeviceMemory(std::int64_t{sizes.rows} * table_stride_ * 4, "the block tables");
  updates_memory_ = DeviceMemory(kUpdates * static_cast<std::int64_t>(sizeof(kernels::TableUpdate)), "a step's inputs");
  masked_memory_ = DeviceMemory(static_cast<std::int64_t>(kMaskedIds) * 4, "a step's inputs");
  seen_memory_ = DeviceMemory(std::int64_t{sizes.rows} * kernels::seen_words(sizes.stride) * 4, "the repetition penalty");
  // A table row may be read up to the end of its last attention tile; what lies there must name a block.
  check(cudaMemset(tables_memory_.data(), 0, static_cast<std::size_t>(tables_memory_.bytes())), "clearing the block tables");
}

kernels::AttentionCapacity StepInputs::attention_capacity(const StepShape& shape) const {
  return kernels::AttentionCapacity::of(std::min(shape.tokens, sizes_.rows), shape.tokens, sizes_.max_context, model_.group());
}

StepArrays StepInputs::place(const StepShape& shape, std::byte* base) const {
  Layout layout(base);
  StepArrays arrays{};
  arrays.ids = layout.take<std::int32_t>(shape.tokens);
  arrays.positions = layout.take<std::int32_t>(shape.tokens);
  arrays.slots = layout.take<std::int32_t>(shape.tokens);
  arrays.head_tokens = layout.take<std::int32_t>(shape.head_rows);
  arrays.sample = layout.take<kernels::SampleRow>(shape.head_rows);
  arrays.attention = kernels::AttentionWork::in(base + layout.used(), attention_capacity(shape));
  return arrays;
}

std::int64_t StepInputs::fixed_bytes(const StepShape& shape) const {
  Layout layout;
  for (int i = 0; i < 3; ++i) layout.take<std::int32_t>(shape.tokens);
  layout.take<std::int32_t>(shape.head_rows);
  layout.take<kernels::SampleRow>(shape.head_rows);
  return layout.used();
}

void StepInputs::begin(std::int64_t step) {
  if (step <= last_step_) {
    tables_ = BlockTables(sizes_.rows, table_stride_);
    std::fill(seen_rows_.begin(), seen_rows_.end(), Seen{});
  }
  last_step_ = step;
}

void StepInputs::upload(const StepPlan& plan, const StepShape& shape, cudaStream_t stream) {
  updates_.clear();
  masked_.clear();
  attention_rows_.clear();
  tables_.prepare(plan, updates_);
  for (std::size_t done = 0; done < updates_.size(); done += kUpdates) {
    const std::size_t count = std::min<std::size_t>(kUpdates, updates_.size() - done);
    copy_to_device(updates_memory_.data(), updates_.data() + done, count * sizeof(kernels::TableUpdate), stream);
    kernels::update_tables(tables(), reinterpret_cast<const kernels::TableUpdate*>(updates_memory_.data()),
                           static_cast<std::int32_t>(count), stream);
  }

  turn_ = 1 - turn_;
  const PinnedMemory& pinned = pinned_[turn_];
  const StepArrays host = place(shape, pinned.data());
  std::int32_t token = 0;
  std::int32_t head = 0;
  for (std::size_t i = 0; i < plan.rows.size(); ++i) {
    const Row& row = plan.rows[i];
    const Request& request = *row.request;
    const std::int32_t table = tables_.rows()[i];
    attention_rows_.push_back({table, token, row.first, row.count});
    for (std::int32_t p = row.first; p < row.first + row.count; ++p, ++token) {
      const bool waits = row.waits_for >= 0 && p + 1 == row.first + row.count;
      const Token id = waits ? -1 - row.waits_for : request.tokens.at(p, model_.vocabulary);
      if (!waits && (id < 0 || id >= model_.vocabulary)) {
        throw BackendError(fmt::format("request {} has token id {} at position {}; the model's vocabulary is 0 to {}",
                                       request.spec.id, id, p, model_.vocabulary - 1));
      }
      host.ids[token] = id;
      host.positions[token] = p;
      host.slots[token] = request.blocks[static_cast<std::size_t>(p / block_size_)] * block_size_ + p % block_size_;
    }
    if (row.sample) {
      host.head_tokens[head] = token - 1;
      host.sample[head] = sample_row(request, table, stream);
      ++head;
    }
  }
  std::fill(host.ids + token, host.ids + shape.tokens, model_.vocabulary);
  std::fill(host.positions + token, host.positions + shape.tokens, 0);
  std::fill(host.slots + token, host.slots + shape.tokens, -1);
  std::fill(host.head_tokens + head, host.head_tokens + shape.head_rows, -1);
  kernels::SampleRow padding{};
  padding.position = -1;
  padding.seen_row = -1;
  padding.logprobs = -1;
  std::fill(host.sample + head, host.sample + shape.head_rows, padding);
  kernels::plan_attention(attention_rows_, model_.group(), host.attention);

  if (masked_.size() > kMaskedIds) {
    throw BackendError(fmt::format("the requests of one step mask {} stop ids; at most {} fit", masked_.size(), kMaskedIds));
  }
  if (!masked_.empty()) copy_to_device(masked_memory_.data(), masked_.data(), masked_.size() * 4, stream);
  const std::size_t bytes = static_cast<std::size_t>(fixed_bytes(shape)) +
                            kernels::AttentionWork::bytes(attention_capacity(shape), host.attention.counts->decode);
  copy_to_device(device_.data(), pinned.data(), bytes, stream);
}

kernels::SampleRow StepInputs::sample_row(const Request& request, std::int32_t table_row, cudaStream_t stream) {
  const RequestSpec& spec = request.spec;
  const SamplingParams& params = spec.sampling;
  kernels::SampleRow row{};
  row.seed = params.seed;
  row.position = request.num_tokens;
  row.temperature = params.temperature;
  row.top_k = params.top_k;
  row.top_p = params.top_p;
  row.min_p = params.min_p;
  row.repetition_penalty = params.repetition_penalty;
  row.logprobs = std::min(params.logprobs, sizes_.top_capacity);
  row.seen_row = -1;
  if (params.repetition_penalty != 1) {
    upload_seen(request, table_row, stream);
    row.seen_row = table_row;
  }
  row.first_masked = static_cast<std::int32_t>(masked_.size());
  if (request.num_output() < spec.min_tokens) {
    if (!spec.ignore_eos) masked_.push_back(eos_token_id_);
    masked_.insert(masked_.end(), spec.stop_token_ids.begin(), spec.stop_token_ids.end());
  }
  row.num_masked = static_cast<std::int32_t>(masked_.size()) - row.first_masked;
  return row;
}

// Each token joins once: those the device sampled are there already.
void StepInputs::upload_seen(const Request& request, std::int32_t table_row, cudaStream_t stream) {
  Seen& seen = seen_rows_[static_cast<std::size_t>(table_row)];
  const auto words = static_cast<std::size_t>(kernels::seen_words(sizes_.stride));
  if (seen.request != request.number) {
    check(cudaMemsetAsync(this->seen() + words * static_cast<std::size_t>(table_row), 0, words * 4, stream),
          "clearing the repetition penalty");
    seen = {request.number, 0};
  }
  while (seen.tokens < request.num_tokens) {
    occurrences_.clear();
    for (; seen.tokens < request.num_tokens && std::ssize(occurrences_) < kUpdates; ++seen.tokens) {
      occurrences_.push_back({table_row, request.tokens.at(seen.tokens, model_.vocabulary)});
    }
    copy_to_device(updates_memory_.data(), occurrences_.data(), occurrences_.size() * sizeof(kernels::Occurrence), stream);
    kernels::mark_seen(this->seen(), sizes_.stride, reinterpret_cast<const kernels::Occurrence*>(updates_memory_.data()),
                       static_cast<std::int32_t>(occurrences_.size()), stream);
  }
  seen.tokens = request.num_tokens + 1;  // with the one this step samples
}

}  // namespace tokenyard::cuda
