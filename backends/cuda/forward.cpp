#include "backends/cuda/forward.h"

#include <algorithm>

#include "backends/model/rope.h"
#include "kernels/card.h"
#include "kernels/embedding.h"
#include "kernels/heads.h"
#include "kernels/norm.h"
#include "kernels/random_weights.h"
#include "kernels/skinny_gemm.h"
#include "kernels/small_gemm.h"
#include "kernels/swiglu.h"

namespace tokenyard::cuda {
namespace {

enum Product { kQkv, kO, kGateUp, kDown, kHead };

// For more, norms within the products take longer than a kernel of their own; fewer where blocks cannot share them:
// docs/kernels/step.md.
constexpr std::int32_t kFusedTokens = 8;
constexpr std::int32_t kFusedTokensAlone = 4;

}  // namespace

StepParts StepTimer::parts(std::int32_t ranks) const {
  const auto between = [&](Mark from, Mark to) { return elapsed(events_[from], events_[to]); };
  StepParts layer_parts;
  (ranks > 1 ? layer_parts.communication : layer_parts.elementwise) = between(layer, norm) + between(o, mlp_norm);
  layer_parts.elementwise += between(qkv, heads) + between(gate_up, swiglu);
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
  parts.communication = share(layer_parts.communication);
  parts.elementwise = all - parts.gemm - parts.attention - parts.communication;
  parts.head = between(head, end);
  return parts;
}

Forward::Forward(const DeviceWeights& weights, const StepInputs& inputs, const std::vector<std::int32_t>& tokens,
                 const std::vector<std::int32_t>& rows, std::int32_t positions, std::int32_t num_ids, std::int32_t top_capacity,
                 std::int32_t ranks, RankMeans means, std::int32_t expand_blocks, cudaStream_t stream)
    : weights_(weights),
      config_(weights.config()),
      inputs_(inputs),
      num_ids_(num_ids),
      top_capacity_(top_capacity),
      ranks_(ranks),
      means_(means),
      sum_parts_(std::max(1, kLeastSumParts / ranks)),
      sites_(2 * config_.num_layers + 1),
      expand_blocks_(expand_blocks),
      positions_(positions),
      most_tokens_(tokens.back()) {
  if (expand_blocks > 0) {
    const kernels::KvShape shape{1, expand_blocks, config_.num_kv_heads, kernels::kAttentionChunk, config_.head_dim};
    const std::int32_t stride = kernels::blocks_to_expand(positions);
    Bf16* data = nullptr;
    std::int32_t* tables = nullptr;
    const auto take = [&](Layout layout) {
      const std::int64_t numbers = std::int64_t{2} * shape.blocks * shape.kv_heads * shape.block_size * shape.head_dim;
      data = reinterpret_cast<Bf16*>(layout.take<std::uint16_t>(numbers));
      tables = layout.take<std::int32_t>(std::int64_t{rows.back()} * stride);
      return layout.used();
    };
    expanded_memory_ = DeviceMemory(take(Layout()), "K and V in bf16");
    take(Layout(expanded_memory_.data()));
    expanded_.emplace(kernels::ExpandedKv{kernels::AttentionCache(data, shape), tables, stride});
  }
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
  const std::int32_t i = config_.intermediate;
  const Gemm::Shape shapes[] = {{qkv_width(), h}, {h, q, sum_parts_}, {2 * i, h}, {h, i, sum_parts_}, {weights.head_rows(), h}};
  const auto matrices_of = [&](int product) {
    std::vector<const Bf16*> out;
    for (const DeviceLayer& layer : weights.layers()) {
      out.push_back(product == kQkv ? layer.qkv : product == kO ? layer.o : product == kGateUp ? layer.gate_up : layer.down);
    }
    return product == kHead ? std::vector{weights.head()} : out;
  };
  const auto sizes_of = [&](int product) -> const std::vector<std::int32_t>& { return product == kHead ? rows : tokens; };
  std::int64_t in = 0;
  std::int64_t result = 0;
  for (const int product : {kQkv, kO, kGateUp, kDown, kHead}) {
    in = std::max(in, std::int64_t{sizes_of(product).back()} * shapes[product].k);
    result = std::max(result, Gemm::result_bytes(shapes[product], sizes_of(product).back()));
  }
  const DeviceMemory scratch(in * 2 + 2 * result + 3 * 256, "the products' gate");
  Layout areas(scratch.data());
  Bf16* const x = reinterpret_cast<Bf16*>(areas.take<std::uint16_t>(in));
  std::byte* const y = areas.take<std::byte>(result);
  std::byte* const expected = areas.take<std::byte>(result);
  kernels::fill_random(x, {1, in, 0, in}, 1, 0, 1, stream);
  for (const int product : {kQkv, kO, kGateUp, kDown, kHead}) {
    gemms_.emplace_back(cublas_, shapes[product], sizes_of(product), matrices_of(product), Gemm::Scratch{x, y, expected},
                        stream);
  }
  check(cudaStreamSynchronize(stream), "passing the products' gate");
}

void Forward::place(Layout& layout, std::int64_t tokens, std::int64_t rows) {
  const auto halves = [&](std::int64_t count) { return reinterpret_cast<Bf16*>(layout.take<std::uint16_t>(count)); };
  const std::int64_t d = config_.head_dim;
  const std::int64_t q = config_.num_heads * d;
  cosine_ = layout.take<float>(positions_ * d / 2);
  sine_ = layout.take<float>(positions_ * d / 2);
  residual_ = layout.take<float>(tokens * config_.hidden);
  other_residual_ = layout.take<float>(kFusedTokens * config_.hidden);
  normed_ = halves(tokens * config_.hidden);
  qkv_ = halves(tokens * (q + 2 * config_.num_kv_heads * d));
  q_ = halves(tokens * q);
  attended_ = halves(tokens * q);
  partial_[0] = layout.take<float>(sum_parts_ * tokens * config_.hidden);
  partial_[1] = ranks_ == 1 ? partial_[0] : layout.take<float>(sum_parts_ * tokens * config_.hidden);
  gate_up_ = halves(tokens * 2 * config_.intermediate);
  gated_ = halves(tokens * config_.intermediate);
  head_in_ = halves(rows * config_.hidden);
  logits_ = halves(rows * logit_stride(config_));
  share_logits_ = ranks_ == 1 ? logits_ : halves(rows * weights_.head_rows());
  const StepShape largest{static_cast<std::int32_t>(tokens), static_cast<std::int32_t>(rows), true};
  const std::int64_t partials = std::int64_t{inputs_.attention_capacity(largest).decode_items} * config_.num_heads;
  partial_values_ = layout.take<float>(partials * d);
  partial_shares_ = layout.take<float>(partials * 2);
  tickets_ = layout.take<std::int32_t>(2);
  if (ranks_ > 1) mailbox_ = layout.take<std::byte>(kernels::Mailbox::bytes(sites_));
  if (means_ == RankMeans::collectives) {
    const std::int64_t partial = 4 * std::min<std::int64_t>(tokens, kGatheredTokens) * config_.hidden;
    gathered_ = layout.take<std::byte>(ranks_ * std::max(partial, 2 * rows * weights_.head_rows()));
  }
}

Forward::Shared Forward::shared() const {
  return {kernels::Mailbox::in(mailbox_, sites_), {partial_[0], partial_[1]}, normed_, head_in_, share_logits_};
}

void Forward::link(std::int32_t rank, const std::vector<Shared>& all, kernels::RankWatch* watch, Collectives* collectives) {
  linked_ = all;
  collectives_ = collectives;
  links_.rank = rank;
  links_.ranks = static_cast<std::int32_t>(all.size());
  links_.sites = sites_;
  for (std::size_t r = 0; r < all.size(); ++r) links_.mailboxes[r] = all[r].mailbox;
  links_.watch = watch;
}

void Forward::gather(const void* mine, std::int64_t bytes, cudaStream_t stream) const {
  if (collectives_ != nullptr) collectives_->all_gather(links_.rank, mine, gathered_, bytes, stream);
}

void Forward::gather_once(const std::vector<std::int32_t>& tokens, const std::vector<std::int32_t>& rows,
                          cudaStream_t stream) const {
  for (const std::int32_t count : tokens) {
    gather(partial_[0], 4 * std::int64_t{std::min(count, kGatheredTokens)} * config_.hidden, stream);
  }
  for (const std::int32_t count : rows) gather(share_logits_, 2 * std::int64_t{count} * weights_.head_rows(), stream);
}

template <class NormOf>
void Forward::by_collectives(kernels::RankNorm args, std::int32_t tokens, cudaStream_t stream, const NormOf& norm_of) const {
  const float* const own = args.partial[links_.rank];
  for (args.first = 0; args.first < tokens; args.first += kGatheredTokens) {
    const std::int32_t count = std::min(kGatheredTokens, tokens - args.first);
    const std::int64_t numbers = std::int64_t{count} * config_.hidden;
    gather(own + std::int64_t{args.first} * config_.hidden, 4 * numbers, stream);
    for (std::int32_t r = 0; r < ranks_; ++r) args.partial[r] = reinterpret_cast<const float*>(gathered_) + r * numbers;
    norm_of(args, count);
  }
}

void Forward::begin_step(cudaStream_t stream) const {
  if (ranks_ > 1 && means_ == RankMeans::peer_memory) kernels::next_step(links_, stream);
}

kernels::Norm Forward::norm(std::int32_t site, const Bf16* weight) const {
  const bool none = site < 0 || ranks_ > 1;
  const float* const half = none ? nullptr : partial_[0];
  const float* const other = none ? nullptr : half + most_tokens_ * config_.hidden;
  return {residual_, {half, other}, weight, config_.norm_epsilon, config_.hidden, normed_};
}

kernels::RankNorm Forward::rank_norm(std::int32_t site, const Bf16* weight) const {
  kernels::RankNorm out{};
  out.norm = norm(site, weight);
  for (std::size_t r = 0; r < linked_.size(); ++r) {
    out.partial[r] = linked_[r].partial[site % 2];
    out.out[r] = linked_[r].normed;
  }
  out.links = links_;
  out.site = site;
  return out;
}

void Forward::add_and_norm(std::int32_t site, const Bf16* weight, std::int32_t tokens, cudaStream_t stream) const {
  if (ranks_ == 1 || site < 0) {
    kernels::add_and_norm(norm(site, weight), tokens, stream);
  } else if (means_ == RankMeans::collectives) {
    by_collectives(rank_norm(site, weight), tokens, stream, [&](const kernels::RankNorm& args, std::int32_t count) {
      kernels::add_and_norm_over_ranks(args, count, kernels::RankRoute::gathered, stream);
    });
  } else {
    kernels::add_and_norm_over_ranks(rank_norm(site, weight), tokens, kernels::route_of(tokens, config_.hidden, ranks_),
                                     stream);
  }
}

void Forward::enqueue(const StepShape& shape, const std::int32_t* before, const SampledRows& sampled, const StepTimer* timer,
                      cudaStream_t stream, bool capturing) const {
  const StepArrays arrays = inputs_.arrays(shape);
  const auto mark = [&](StepTimer::Mark at) {
    if (timer != nullptr) timer->record(at, stream, capturing);
  };
  mark(StepTimer::begin);
  begin_step(stream);
  run(StepKernel::embedding, 0, [&] {
    kernels::embed({weights_.embedding(), arrays.ids, before, residual_, config_.vocabulary, config_.hidden}, shape.tokens,
                   stream);
  });
  layers(shape, arrays, timer, stream, capturing);
  mark(StepTimer::head);
  logits_of(arrays.head_tokens, shape.head_rows, shape.tokens, stream);
  kernels::Sample sample{};
  sample.logits = logits_;
  sample.rows = arrays.sample;
  sample.masked_ids = inputs_.masked_ids();
  sample.seen = inputs_.seen();
  sample.stride = logit_stride(config_);
  sample.num_ids = num_ids_;
  sample.top_capacity = top_capacity_;
  sample.tokens = sampled.tokens;
  sample.logprobs = sampled.logprobs;
  sample.ranks = sampled.ranks;
  sample.top_tokens = sampled.top_tokens;
  sample.top_logprobs = sampled.top_logprobs;
  run(StepKernel::sampling, 0, [&] { kernels::sample(sample, shape.head_rows, stream); });
  mark(StepTimer::end);
}

void Forward::layers(const StepShape& shape, const StepArrays& arrays, const StepTimer* timer, cudaStream_t stream,
                     bool capturing) const {
  const std::size_t timed = weights_.layers().size() / 2;
  const std::int32_t tokens = shape.tokens;
  const std::int32_t rows = inputs_.attention_capacity(shape).rows;
  const bool fused = fuses(tokens);
  kernels::AttentionStep attention{};
  attention.work = arrays.attention;
  attention.tables = inputs_.tables();
  attention.table_stride = inputs_.table_stride();
  attention.partial_values = partial_values_;
  attention.partial_shares = partial_shares_;
  attention.tickets = tickets_;
  const kernels::ExpandedKv* const expanded = expanded_ && shape.expand_blocks <= expand_blocks_ ? &*expanded_ : nullptr;
  const kernels::KvShape& kv = cache_->shape();
  const std::int64_t kv_rows = std::int64_t{kv.blocks} * kv.kv_heads * kv.block_size;
  const std::int64_t plane = kv_rows * kv.head_dim * (kv.fp8 ? 1 : 2);  // bytes
  for (std::size_t i = 0; i < weights_.layers().size(); ++i) {
    const DeviceLayer& w = weights_.layers()[i];
    const auto index = static_cast<std::int32_t>(i);
    const auto mark = [&](StepTimer::Mark at) {
      if (timer != nullptr && i == timed) timer->record(at, stream, capturing);
    };
    const auto kernel = [&](StepKernel which, const auto& launch) { run(which, index, launch); };
    mark(StepTimer::layer);
    if (fused) {
      mark(StepTimer::norm);
      kernel(StepKernel::qkv, [&] {
        const auto multiply = shares_norms(tokens) ? kernels::skinny_gemm_of_norm : kernels::small_gemm_of_norm;
        multiply(w.qkv, norm(2 * index - 1, w.attention_norm), other_residual_, tokens, qkv_width(), qkv_, stream);
      });
    } else {
      kernel(StepKernel::norm, [&] { add_and_norm(2 * index - 1, w.attention_norm, tokens, stream); });
      mark(StepTimer::norm);
      kernel(StepKernel::qkv, [&] { gemms_[kQkv].run(w.qkv, normed_, qkv_, tokens, stream); });
    }
    mark(StepTimer::qkv);
    auto* const keys = reinterpret_cast<std::byte*>(cache_data_) + 2 * index * plane;
    std::uint8_t* const key_scales = kv.fp8 ? cache_scales_ + 2 * index * kv_rows : nullptr;
    kernel(StepKernel::heads, [&] {
      kernels::prepare_heads(
          {qkv_, w.qkv_bias, w.q_norm, w.k_norm, cosine_, sine_, arrays.positions, arrays.slots, q_,
           reinterpret_cast<Bf16*>(keys), reinterpret_cast<Bf16*>(keys + plane), config_.norm_epsilon, config_.num_heads,
           config_.num_kv_heads, config_.head_dim, kv.block_size, key_scales, kv.fp8 ? key_scales + kv_rows : nullptr},
          tokens, stream);
    });
    mark(StepTimer::heads);
    kernel(StepKernel::attention, [&] {
      if (shape.prefill) {
        kernels::mixed_attention(*cache_, index, config_.group(), attention, rows, shape.reads, q_, attended_, stream,
                                 expanded);
      } else {
        kernels::decode_attention(*cache_, index, config_.group(), attention, rows, q_, attended_, stream);
      }
    });
    mark(StepTimer::attention);
    kernel(StepKernel::o, [&] { gemms_[kO].run(w.o, attended_, partial_[0], tokens, stream); });
    mark(StepTimer::o);
    if (!fused) kernel(StepKernel::mlp_norm, [&] { add_and_norm(2 * index, w.mlp_norm, tokens, stream); });
    mark(StepTimer::mlp_norm);
    kernel(StepKernel::gate_up, [&] {
      if (fused) {
        kernels::Norm between = norm(2 * index, w.mlp_norm);
        between.residual = other_residual_;
        kernels::skinny_gemm_gated_of_norm(w.gate_up, between, residual_, tokens, 2 * config_.intermediate, gated_, stream);
      } else if (gates(tokens)) {
        kernels::skinny_gemm_gated(w.gate_up, normed_, tokens, 2 * config_.intermediate, config_.hidden, gated_, stream);
      } else {
        gemms_[kGateUp].run(w.gate_up, normed_, gate_up_, tokens, stream);
      }
    });
    mark(StepTimer::gate_up);
    if (!gates(tokens)) {
      kernel(StepKernel::swiglu, [&] { kernels::swiglu(gate_up_, tokens, config_.intermediate, gated_, stream); });
    }
    mark(StepTimer::swiglu);
    kernel(StepKernel::down, [&] { gemms_[kDown].run(w.down, gated_, partial_[1], tokens, stream); });
    mark(StepTimer::down);
  }
}

bool Forward::gates(std::int32_t tokens) const { return gemms_[kGateUp].skinny_is_near(tokens); }

bool Forward::shares_norms(std::int32_t tokens) const {
  return kernels::card().clusters && tokens > kernels::kSkinnyGemmUnshared;
}

bool Forward::fuses(std::int32_t tokens) const {
  if (ranks_ > 1 || !gates(tokens)) return false;
  const std::int32_t h = config_.hidden;
  if (!kernels::fits_skinny_gemm_of_norm(tokens, 2 * config_.intermediate, h)) return false;
  if (shares_norms(tokens)) {
    return tokens <= kFusedTokens && gemms_[kQkv].skinny_is_near(tokens) &&
           kernels::fits_skinny_gemm_of_norm(tokens, qkv_width(), h);
  }
  return tokens <= kFusedTokensAlone && gemms_[kQkv].small_is_near(tokens) && kernels::fits_small_gemm_of_norm(tokens, h);
}

std::int32_t Forward::qkv_width() const { return (config_.num_heads + 2 * config_.num_kv_heads) * config_.head_dim; }

const Bf16* Forward::logits_of(const std::int32_t* head_tokens, std::int32_t rows, std::int32_t tokens,
                               cudaStream_t stream) const {
  const std::int32_t site = sites_ - 2;  // after the last layer's down
  if (ranks_ == 1) {
    kernels::Norm last = norm(site, weights_.final_norm());
    last.out = head_in_;
    run(StepKernel::last_norm, 0, [&] { kernels::gather_and_norm(last, head_tokens, rows, stream); });
    run(StepKernel::head, 0, [&] { gemms_[kHead].run(weights_.head(), head_in_, logits_, rows, stream); });
    return logits_;
  }
  kernels::RankNorm last = rank_norm(site, weights_.final_norm());
  last.norm.out = head_in_;
  kernels::RankLogits logits{};
  for (std::size_t r = 0; r < linked_.size(); ++r) {
    last.out[r] = linked_[r].head_in;
    logits.shares[r] = linked_[r].logits;
  }
  const bool here = means_ == RankMeans::collectives;
  if (here) {
    by_collectives(last, tokens, stream, [&](const kernels::RankNorm& args, std::int32_t count) {
      kernels::gather_and_norm_over_ranks(args, head_tokens, rows, count, kernels::RankRoute::gathered, stream);
    });
  } else {
    const kernels::RankRoute way = kernels::route_of(tokens, config_.hidden, ranks_);
    const bool shares = way == kernels::RankRoute::two_shot;  // of the residual
    kernels::gather_and_norm_over_ranks(last, head_tokens, rows, tokens,
                                        shares ? way : kernels::route_of(rows, config_.hidden, ranks_), stream);
  }
  gemms_[kHead].run(weights_.head(), head_in_, share_logits_, rows, stream);
  if (here) {
    const std::int64_t share = std::int64_t{rows} * weights_.head_rows();
    gather(share_logits_, 2 * share, stream);
    for (std::int32_t r = 0; r < ranks_; ++r) logits.shares[r] = reinterpret_cast<const Bf16*>(gathered_) + r * share;
  }
  logits.share = weights_.head_tokens();
  logits.share_stride = weights_.head_rows();
  logits.out = logits_;
  logits.stride = logit_stride(config_);
  logits.links = links_;
  logits.site = sites_ - 1;
  kernels::gather_logits(logits, rows, here, stream);
  return logits_;
}

}  // namespace tokenyard::cuda
