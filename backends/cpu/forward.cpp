#include "backends/cpu/forward.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "backends/cpu/attention.h"
#include "backends/cpu/linear.h"
#include "core/base/exact_math.h"

namespace tokenyard {
namespace {

constexpr std::size_t kLogitRows = 32;  // computed at a time, which bounds their memory

// Adds the time it lives to one part of a step.
class Timed {
 public:
  explicit Timed(TimeNs& part) : part_(part) {}
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;
  ~Timed() { part_ += std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  TimeNs& part_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

std::size_t size_of(std::int64_t a, std::int64_t b) { return static_cast<std::size_t>(a * b); }

// x / sqrt(mean(x^2) + epsilon) * weight
void rms_norm(const float* in, const std::vector<float>& weight, float epsilon, float* out) {
  const auto n = static_cast<std::int64_t>(weight.size());
  const float mean = dot(in, in, n) / static_cast<float>(n);
  const float factor = 1 / std::sqrt(mean + epsilon);
  for (std::size_t i = 0; i < weight.size(); ++i) out[i] = in[i] * factor * weight[i];
}

void add_bias(float* row, const std::vector<float>& bias) {
  for (std::size_t i = 0; i < bias.size(); ++i) row[i] += bias[i];
}

// x / (1 + e^-x), by an exponential that cannot overflow.
float silu(float x) {
  const float e = exact::exp_of_negative(-std::fabs(x));
  return x * ((x >= 0 ? 1 : e) / (1 + e));
}

}  // namespace

Forward::Forward(const Weights& weights, std::int32_t num_blocks, std::int32_t block_size, std::int32_t positions,
                 std::int32_t threads)
    : config_(weights.config().shape),
      weights_(weights.whole()),
      final_norm_(to_floats(weights_.final_norm)),
      rope_(make_rope_table(config_, positions)),
      cache_(config_, num_blocks, block_size),
      pool_(threads) {
  for (const LayerWeights& layer : weights_.layers) {
    vectors_.push_back({to_floats(layer.attention_norm), to_floats(layer.q_bias), to_floats(layer.k_bias),
                        to_floats(layer.v_bias), to_floats(layer.q_norm), to_floats(layer.k_norm), to_floats(layer.mlp_norm)});
  }
}

void Forward::copy_blocks(std::span<const BlockCopy> copies) {
  for (const BlockCopy& copy : copies) cache_.copy_block(copy.from, copy.to);
}

void Forward::run(std::span<const TokenWork> tokens, StepParts& parts) {
  const auto count = static_cast<std::int64_t>(tokens.size());
  {
    const Timed timed(parts.elementwise);
    residual_.assign(size_of(count, config_.hidden), 0);
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      if (tokens[t].request == nullptr) continue;
      const Matrix& embedding = weights_.embedding;
      to_floats(embedding.dtype, embedding.row(tokens[t].token), embedding.columns,
                residual_.data() + t * static_cast<std::size_t>(config_.hidden));
    }
  }
  for (std::int32_t layer = 0; layer < config_.num_layers; ++layer) {
    attention_block(layer, tokens, parts);
    mlp_block(layer, count, parts);
  }
}

void Forward::attention_block(std::int32_t layer, std::span<const TokenWork> tokens, StepParts& parts) {
  const auto count = static_cast<std::int64_t>(tokens.size());
  const LayerWeights& w = weights_.layers[static_cast<std::size_t>(layer)];
  const std::int64_t d = config_.head_dim;
  {
    const Timed timed(parts.elementwise);
    normalize(vectors_[static_cast<std::size_t>(layer)].attention_norm, residual_, normed_, count);
  }
  {
    const Timed timed(parts.gemm);
    q_.resize(size_of(count, w.q.rows));
    k_.resize(size_of(count, w.k.rows));
    v_.resize(size_of(count, w.v.rows));
    multiply(w.q, normed_.data(), count, q_.data(), pool_);
    multiply(w.k, normed_.data(), count, k_.data(), pool_);
    multiply(w.v, normed_.data(), count, v_.data(), pool_);
  }
  {
    const Timed timed(parts.elementwise);
    prepare_heads(layer, tokens);
  }
  {
    const Timed timed(parts.attention);
    std::int64_t positions = 0;
    for (const TokenWork& token : tokens) positions += token.request != nullptr ? token.position + 1 : 0;
    // A head's query is read before its output takes its place.
    pool_.for_range(count * config_.num_heads, positions * config_.num_heads * d * 2,
                    [&](std::int64_t begin, std::int64_t end) {
                      for (std::int64_t i = begin; i < end; ++i) {
                        const TokenWork& token = tokens[static_cast<std::size_t>(i / config_.num_heads)];
                        if (token.request == nullptr) continue;
                        const auto head = static_cast<std::int32_t>(i % config_.num_heads);
                        float* const query = q_.data() + i * d;
                        attend(cache_, layer, head / config_.group(), token.request->blocks, token.position + 1, query,
                               config_.head_dim, query);
                      }
                    });
  }
  {
    const Timed timed(parts.gemm);
    branch_.resize(size_of(count, config_.hidden));
    multiply(w.o, q_.data(), count, branch_.data(), pool_);
  }
  const Timed timed(parts.elementwise);
  add(residual_, branch_);
}

// Biases, norms and rotation of queries and keys; K and V go to their slots.
void Forward::prepare_heads(std::int32_t layer, std::span<const TokenWork> tokens) {
  const LayerVectors& vectors = vectors_[static_cast<std::size_t>(layer)];
  const std::int64_t d = config_.head_dim;
  const std::int64_t q_width = config_.num_heads * d;
  const std::int64_t kv_width = config_.num_kv_heads * d;
  const auto count = static_cast<std::int64_t>(tokens.size());
  pool_.for_range(count, count * (q_width + 2 * kv_width), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) {
      const TokenWork& token = tokens[static_cast<std::size_t>(t)];
      if (token.request == nullptr) continue;
      float* const q = q_.data() + t * q_width;
      float* const k = k_.data() + t * kv_width;
      float* const v = v_.data() + t * kv_width;
      add_bias(q, vectors.q_bias);
      add_bias(k, vectors.k_bias);
      add_bias(v, vectors.v_bias);
      for (std::int32_t head = 0; head < config_.num_heads; ++head) rotate(q + head * d, vectors.q_norm, token.position);
      const BlockId block = token.request->blocks[static_cast<std::size_t>(token.position / cache_.block_size())];
      const std::int32_t slot = token.position % cache_.block_size();
      for (std::int32_t head = 0; head < config_.num_kv_heads; ++head) {
        rotate(k + head * d, vectors.k_norm, token.position);
        std::copy_n(k + head * d, d, cache_.key(layer, block, head, slot));
        std::copy_n(v + head * d, d, cache_.value(layer, block, head, slot));
      }
    }
  });
}

void Forward::rotate(float* head, const std::vector<float>& norm, std::int32_t position) const {
  if (!norm.empty()) rms_norm(head, norm, config_.norm_epsilon, head);
  const std::int32_t half = rope_.half;
  const float* const cosine = rope_.cos.data() + std::int64_t{position} * half;
  const float* const sine = rope_.sin.data() + std::int64_t{position} * half;
  for (std::int32_t i = 0; i < half; ++i) {
    const float a = head[i];
    const float b = head[i + half];
    head[i] = a * cosine[i] - b * sine[i];
    head[i + half] = b * cosine[i] + a * sine[i];
  }
}

void Forward::mlp_block(std::int32_t layer, std::int64_t tokens, StepParts& parts) {
  const LayerWeights& w = weights_.layers[static_cast<std::size_t>(layer)];
  {
    const Timed timed(parts.elementwise);
    normalize(vectors_[static_cast<std::size_t>(layer)].mlp_norm, residual_, normed_, tokens);
  }
  {
    const Timed timed(parts.gemm);
    gate_.resize(size_of(tokens, config_.intermediate));
    up_.resize(gate_.size());
    multiply(w.gate, normed_.data(), tokens, gate_.data(), pool_);
    multiply(w.up, normed_.data(), tokens, up_.data(), pool_);
  }
  {
    const Timed timed(parts.elementwise);
    const auto elements = static_cast<std::int64_t>(gate_.size());
    pool_.for_range(elements, elements * 10, [&](std::int64_t begin, std::int64_t end) {
      for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) gate_[i] = silu(gate_[i]) * up_[i];
    });
  }
  {
    const Timed timed(parts.gemm);
    multiply(w.down, gate_.data(), tokens, branch_.data(), pool_);
  }
  const Timed timed(parts.elementwise);
  add(residual_, branch_);
}

void Forward::normalize(const std::vector<float>& weight, const Rows& in, Rows& out, std::int64_t tokens) {
  const auto width = static_cast<std::int64_t>(weight.size());
  out.resize(size_of(tokens, width));
  pool_.for_range(tokens, tokens * width * 2, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) {
      rms_norm(in.data() + t * width, weight, config_.norm_epsilon, out.data() + t * width);
    }
  });
}

void Forward::add(Rows& to, const Rows& what) {
  for (std::size_t i = 0; i < to.size(); ++i) to[i] += what[i];
}

void Forward::logits(std::span<const std::int32_t> indices,
                     const std::function<void(std::size_t, std::span<const float>)>& use) {
  const std::int64_t hidden = config_.hidden;
  const auto vocabulary = static_cast<std::size_t>(config_.vocabulary);
  for (std::size_t first = 0; first < indices.size(); first += kLogitRows) {
    const std::size_t count = std::min(kLogitRows, indices.size() - first);
    head_in_.resize(count * static_cast<std::size_t>(hidden));
    head_out_.resize(count * vocabulary);
    for (std::size_t i = 0; i < count; ++i) {
      rms_norm(residual_.data() + indices[first + i] * hidden, final_norm_, config_.norm_epsilon,
               head_in_.data() + static_cast<std::int64_t>(i) * hidden);
    }
    multiply(weights_.head, head_in_.data(), static_cast<std::int64_t>(count), head_out_.data(), pool_);
    for (std::size_t i = 0; i < count; ++i) use(first + i, std::span(head_out_).subspan(i * vocabulary, vocabulary));
  }
}

}  // namespace tokenyard
