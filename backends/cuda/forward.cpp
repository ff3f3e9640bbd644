#include "backends/cuda/forward.h"

#include <algorithm>

#include "backends/model/rope.h"
#include "kernels/embedding.h"
#include "kernels/heads.h"
#include "kernels/norm.h"
#include "kernels/random_weights.h"
#include "kernels/swiglu.h"

namespace tokenyard::cuda {
namespace {

enum Product { kQkv, kO, kGateUp, kDown, kHead };

}  // namespace

StepParts StepTimer::parts() const {
  const auto between = [&](Mark from, Mark to) { return elapsed(events_[from], events_[to]); };
  StepParts layer_parts;
  layer_parts.elementwise = between(layer, norm) + between(qkv, heads) + between(o, mlp_norm) + between(gate_up, swiglu);
  layer_parts.gemm = between(norm, qkv) + between(attention, o) + between(mlp_norm, gate_up) + between(swiglu, down);
  layer_parts.attention = between(heads, attention);
  const double one = static_cast<double>(std::max<TimeNs>(1, layer_parts.total()));
  const TimeNs all = between(begin, head);
  const auto share = [&](TimeNs part) {
    return static_cast<TimeNs>(static_cast<double>(all) * static_cast<double>(part) / one);
  };
  StepParts parts;
  parts.gemm = share(layer_parts.gemm);
  parts.attention = share(layer_parts.attention);
  parts.elementwise = all - parts.gemm - parts.attention;
  parts.head = between(head, end);
  return parts;
}

Forward::Forward(const DeviceWeights& weights, const StepInputs& inputs, const std::vector<std::int32_t>& tokens,
                 const std::vector<std::int32_t>& rows, std::int32_t positions, std::int32_t num_ids, std::int32_t top_capacity,
                 cudaStream_t stream)
    : weights_(weights),
      config_(weights.config()),
      inputs_(inputs),
      num_ids_(num_ids),
      top_capacity_(top_capacity),
      positions_(positions) {
  Layout measure;
  place(measure, tokens.back(), rows.back());
  memory_ = DeviceMemory(measure.used(), "the activations");
  Layout layout(memory_.data());
  place(layout, tokens.back(), rows.back());
  // Tickets begin at 0, and padded rows compute with whatever is there.
  check(cudaMemsetAsync(memory_.data(), 0, static_cast<std::size_t>(memory_.bytes()), stream), "clearing memory");
  const RopeTable rope = make_rope_table(config_, positions);
  check(cudaMemcpy(cosine_, rope.cos.data(), rope.cos.size() * 4, cudaMemcpyHostToDevice), "uploading rotations");
  check(cudaMemcpy(sine_, rope.sin.data(), rope.sin.size() * 4, cudaMemcpyHostToDevice), "uploading rotations");

  const std::int32_t h = config_.hidden;
  const std::int32_t q = config_.num_heads * config_.head_dim;
  const std::int32_t qkv = q + 2 * config_.num_kv_heads * config_.head_dim;
  const std::int32_t i = config_.intermediate;
  const DeviceLayer& layer = weights.layers().front();
  const std::int64_t widest = std::max({qkv, 2 * i, h});
  const std::int64_t outputs = std::max(tokens.back() * widest, std::int64_t{rows.back()} * weights.head_rows());
  const std::int64_t in = std::max({h, q, i}) * std::int64_t{std::max(tokens.back(), rows.back())};
  const DeviceMemory scratch((in + 2 * outputs) * 2 + 512, "the products' gate");
  Layout areas(scratch.data());
  const auto area = [&](std::int64_t count) { return reinterpret_cast<Bf16*>(areas.take<std::uint16_t>(count)); };
  Bf16* const x = area(in);
  Bf16* const y = area(outputs);
  Bf16* const expected = area(outputs);
  kernels::fill_random(x, in, 1, 0, 1, stream);
  gemms_.emplace_back(cublas_, qkv, h, tokens, layer.qkv, x, y, expected, stream);
  gemms_.emplace_back(cublas_, h, q, tokens, layer.o, x, y, expected, stream);
  gemms_.emplace_back(cublas_, 2 * i, h, tokens, layer.gate_up, x, y, expected, stream);
  gemms_.emplace_back(cublas_, h, i, tokens, layer.down, x, y, expected, stream);
  gemms_.emplace_back(cublas_, weights.head_rows(), h, rows, weights.head(), x, y, expected, stream);
  check(cudaStreamSynchronize(stream), "passing the products' gate");
}

void Forward::place(Layout& layout, std::int64_t tokens, std::int64_t rows) {
  const auto halves = [&](std::int64_t count) { return reinterpret_cast<Bf16*>(layout.take<std::uint16_t>(count)); };
  const std::int64_t d = config_.head_dim;
  const std::int64_t q = config_.num_heads * d;
  cosine_ = layout.take<float>(positions_ * d / 2);
  sine_ = layout.take<float>(positions_ * d / 2);
  residual_ = layout.take<float>(tokens * config_.hidden);
  normed_ = halves(tokens * config_.hidden);
  qkv_ = halves(tokens * (q + 2 * config_.num_kv_heads * d));
  q_ = halves(tokens * q);
  attended_ = halves(tokens * q);
  branch_ = halves(tokens * config_.hidden);
  gate_up_ = halves(tokens * 2 * config_.intermediate);
  gated_ = halves(tokens * config_.intermediate);
  head_in_ = halves(rows * config_.hidden);
  logits_ = halves(rows * weights_.head_rows());
  const StepShape largest{static_cast<std::int32_t>(tokens), static_cast<std::int32_t>(rows), true};
  const std::int64_t partials = std::int64_t{inputs_.attention_capacity(largest).decode_items} * config_.num_heads;
  partial_values_ = layout.take<float>(partials * d);
  partial_shares_ = layout.take<float>(partials * 2);
  tickets_ = layout.take<std::int32_t>(2);
}

void Forward::enqueue(const StepShape& shape, const std::int32_t* before, const SampledRows& sampled, const StepTimer* timer,
                      cudaStream_t stream, bool capturing) const {
  const StepArrays arrays = inputs_.arrays(shape);
  const auto mark = [&](StepTimer::Mark at) {
    if (timer != nullptr) timer->record(at, stream, capturing);
  };
  mark(StepTimer::begin);
  kernels::embed({weights_.embedding(), arrays.ids, before, residual_, config_.vocabulary, config_.hidden}, shape.tokens,
                 stream);
  layers(shape, arrays, timer, stream, capturing);
  mark(StepTimer::head);
  logits_of(arrays.head_tokens, shape.head_rows, stream);
  kernels::Sample sample{};
  sample.logits = logits_;
  sample.rows = arrays.sample;
  sample.masked_ids = inputs_.masked_ids();
  sample.seen = inputs_.seen();
  sample.stride = weights_.head_rows();
  sample.num_ids = num_ids_;
  sample.top_capacity = top_capacity_;
  sample.tokens = sampled.tokens;
  sample.logprobs = sampled.logprobs;
  sample.ranks = sampled.ranks;
  sample.top_tokens = sampled.top_tokens;
  sample.top_logprobs = sampled.top_logprobs;
  kernels::sample(sample, shape.head_rows, stream);
  mark(StepTimer::end);
}

void Forward::layers(const StepShape& shape, const StepArrays& arrays, const StepTimer* timer, cudaStream_t stream,
                     bool capturing) const {
  const std::size_t timed = weights_.layers().size() / 2;
  const std::int32_t tokens = shape.tokens;
  const std::int32_t rows = inputs_.attention_capacity(shape).rows;
  kernels::AttentionStep attention{};
  attention.work = arrays.attention;
  attention.tables = inputs_.tables();
  attention.table_stride = inputs_.table_stride();
  attention.partial_values = partial_values_;
  attention.partial_shares = partial_shares_;
  attention.tickets = tickets_;
  const kernels::KvShape& kv = cache_->shape();
  const std::int64_t plane = std::int64_t{kv.blocks} * kv.kv_heads * kv.block_size * kv.head_dim;
  for (std::size_t i = 0; i < weights_.layers().size(); ++i) {
    const DeviceLayer& w = weights_.layers()[i];
    const auto index = static_cast<std::int32_t>(i);
    const auto mark = [&](StepTimer::Mark at) {
      if (timer != nullptr && i == timed) timer->record(at, stream, capturing);
    };
    mark(StepTimer::layer);
    kernels::add_and_norm(
        {residual_, i == 0 ? nullptr : branch_, w.attention_norm, config_.norm_epsilon, config_.hidden, normed_}, tokens,
        stream);
    mark(StepTimer::norm);
    gemms_[kQkv].run(w.qkv, normed_, qkv_, tokens, stream);
    mark(StepTimer::qkv);
    auto* const keys = reinterpret_cast<Bf16*>(reinterpret_cast<std::uint16_t*>(cache_data_) + 2 * index * plane);
    auto* const values = reinterpret_cast<Bf16*>(reinterpret_cast<std::uint16_t*>(keys) + plane);
    kernels::prepare_heads(
        {qkv_, w.qkv_bias, w.q_norm, w.k_norm, cosine_, sine_, arrays.positions, arrays.slots, q_, keys, values,
         config_.norm_epsilon, config_.num_heads, config_.num_kv_heads, config_.head_dim, kv.block_size},
        tokens, stream);
    mark(StepTimer::heads);
    kernels::decode_attention(*cache_, index, config_.group(), attention, rows, q_, attended_, stream);
    if (shape.prefill) kernels::prefill_attention(*cache_, index, config_.group(), attention, q_, attended_, stream);
    mark(StepTimer::attention);
    gemms_[kO].run(w.o, attended_, branch_, tokens, stream);
    mark(StepTimer::o);
    kernels::add_and_norm({residual_, branch_, w.mlp_norm, config_.norm_epsilon, config_.hidden, normed_}, tokens, stream);
    mark(StepTimer::mlp_norm);
    gemms_[kGateUp].run(w.gate_up, normed_, gate_up_, tokens, stream);
    mark(StepTimer::gate_up);
    kernels::swiglu(gate_up_, tokens, config_.intermediate, gated_, stream);
    mark(StepTimer::swiglu);
    gemms_[kDown].run(w.down, gated_, branch_, tokens, stream);
    mark(StepTimer::down);
  }
}

const Bf16* Forward::logits_of(const std::int32_t* head_tokens, std::int32_t rows, cudaStream_t stream) const {
  kernels::gather_and_norm({residual_, branch_, weights_.final_norm(), config_.norm_epsilon, config_.hidden, head_in_},
                           head_tokens, rows, stream);
  gemms_[kHead].run(weights_.head(), head_in_, logits_, rows, stream);
  return logits_;
}

}  // namespace tokenyard::cuda
