#include "backends/cpu/rank.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "backends/cpu/attention.h"
#include "backends/cpu/linear.h"
#include "core/base/exact_math.h"
#include "core/base/fp8.h"

namespace tokenyard {
namespace {

// The products that sum over what is divided among ranks (o, down) are sums of so many parts of it, whatever the number of
// ranks: so it divides them, and the bits are the same with 1, 2, 4 or 8.
constexpr std::int32_t kSumParts = kMostRanks;

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

CpuRank::CpuRank(const Weights& weights, std::int32_t rank, RankExchange& exchange, std::int32_t num_blocks,
                 std::int32_t block_size, std::int32_t positions, std::int32_t threads, KvDtype kv_dtype)
    : rank_(rank),
      exchange_(exchange),
      config_(shape_of(weights.config().shape, share_of(weights.config().shape, rank, exchange.team.ranks()))),
      weights_(weights.slice(rank, exchange.team.ranks())),
      final_norm_(to_floats(weights_.final_norm)),
      rope_(make_rope_table(config_, positions)),
      cache_(config_, num_blocks, block_size),
      kv_dtype_(kv_dtype),
      pool_(threads) {
  for (const LayerWeights& layer : weights_.layers) {
    vectors_.push_back({to_floats(layer.attention_norm), to_floats(layer.q_bias), to_floats(layer.k_bias),
                        to_floats(layer.v_bias), to_floats(layer.q_norm), to_floats(layer.k_norm), to_floats(layer.mlp_norm)});
  }
}

void CpuRank::copy_blocks(std::span<const BlockCopy> copies) {
  for (const BlockCopy& copy : copies) cache_.copy_block(copy.from, copy.to);
}

void CpuRank::run(std::span<const TokenWork> tokens) {
  const auto count = static_cast<std::int64_t>(tokens.size());
  parts_ = {};
  {
    const Timed timed(parts_.elementwise);
    residual_.assign(size_of(count, config_.hidden), 0);
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      if (tokens[t].request == nullptr) continue;
      const Matrix& embedding = weights_.embedding;
      to_floats(embedding.dtype, embedding.row(tokens[t].token), embedding.columns,
                residual_.data() + t * static_cast<std::size_t>(config_.hidden));
    }
  }
  for (std::int32_t layer = 0; layer < config_.num_layers; ++layer) {
    attention_block(layer, tokens);
    mlp_block(layer, count);
  }
}

void CpuRank::attention_block(std::int32_t layer, std::span<const TokenWork> tokens) {
  const auto count = static_cast<std::int64_t>(tokens.size());
  const LayerWeights& w = weights_.layers[static_cast<std::size_t>(layer)];
  const std::int64_t d = config_.head_dim;
  {
    const Timed timed(parts_.elementwise);
    normalize(vectors_[static_cast<std::size_t>(layer)].attention_norm, residual_, normed_, count);
  }
  {
    const Timed timed(parts_.gemm);
    q_.resize(size_of(count, w.q.rows));
    k_.resize(size_of(count, w.k.rows));
    v_.resize(size_of(count, w.v.rows));
    multiply(w.q, normed_.data(), count, q_.data(), w.q.rows, pool_);
    multiply(w.k, normed_.data(), count, k_.data(), w.k.rows, pool_);
    multiply(w.v, normed_.data(), count, v_.data(), w.v.rows, pool_);
  }
  {
    const Timed timed(parts_.elementwise);
    prepare_heads(layer, tokens);
  }
  {
    const Timed timed(parts_.attention);
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
  add_product(w.o, q_, count);
}

// Biases, norms and rotation of queries and keys; K and V go to their slots.
void CpuRank::prepare_heads(std::int32_t layer, std::span<const TokenWork> tokens) {
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
        if (kv_dtype_ == KvDtype::fp8) {
          fp8::round(k + head * d, config_.head_dim);
          fp8::round(v + head * d, config_.head_dim);
        }
        std::copy_n(k + head * d, d, cache_.key(layer, block, head, slot));
        std::copy_n(v + head * d, d, cache_.value(layer, block, head, slot));
      }
    }
  });
}

void CpuRank::rotate(float* head, const std::vector<float>& norm, std::int32_t position) const {
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

void CpuRank::mlp_block(std::int32_t layer, std::int64_t tokens) {
  const LayerWeights& w = weights_.layers[static_cast<std::size_t>(layer)];
  {
    const Timed timed(parts_.elementwise);
    normalize(vectors_[static_cast<std::size_t>(layer)].mlp_norm, residual_, normed_, tokens);
  }
  {
    const Timed timed(parts_.gemm);
    gate_.resize(size_of(tokens, config_.intermediate));
    up_.resize(gate_.size());
    multiply(w.gate, normed_.data(), tokens, gate_.data(), w.gate.rows, pool_);
    multiply(w.up, normed_.data(), tokens, up_.data(), w.up.rows, pool_);
  }
  {
    const Timed timed(parts_.elementwise);
    const auto elements = static_cast<std::int64_t>(gate_.size());
    pool_.for_range(elements, elements * 10, [&](std::int64_t begin, std::int64_t end) {
      for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) gate_[i] = silu(gate_[i]) * up_[i];
    });
  }
  add_product(w.down, gate_, tokens);
}

// residual += w x, of which every rank has a range of w's columns and of x.
void CpuRank::add_product(const Matrix& w, const Rows& x, std::int64_t tokens) {
  const std::int32_t ranks = exchange_.team.ranks();
  Rows& mine = partial_[turn_];
  std::vector<const float*>& partial = exchange_.partial[turn_];
  turn_ = 1 - turn_;
  {
    const Timed timed(parts_.gemm);
    mine.resize(size_of(tokens, config_.hidden));
    multiply_in_parts(w, x.data(), tokens, kSumParts / ranks, mine.data(), pool_);
  }
  {
    const Timed timed(parts_.communication);
    partial[static_cast<std::size_t>(rank_)] = mine.data();
    exchange_.team.meet(rank_);
  }
  const Timed timed(parts_.elementwise);
  const auto elements = static_cast<std::int64_t>(residual_.size());
  pool_.for_range(elements, elements * ranks, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      float sums[kMostRanks] = {};
      for (std::int32_t r = 0; r < ranks; ++r) sums[r] = partial[static_cast<std::size_t>(r)][i];
      residual_[static_cast<std::size_t>(i)] += sum_as_tree(sums, ranks);
    }
  });
}

void CpuRank::normalize(const std::vector<float>& weight, const Rows& in, Rows& out, std::int64_t tokens) {
  const auto width = static_cast<std::int64_t>(weight.size());
  out.resize(size_of(tokens, width));
  pool_.for_range(tokens, tokens * width * 2, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) {
      rms_norm(in.data() + t * width, weight, config_.norm_epsilon, out.data() + t * width);
    }
  });
}

void CpuRank::logits(std::span<const std::int32_t> indices) {
  const std::int64_t hidden = config_.hidden;
  head_in_.resize(indices.size() * static_cast<std::size_t>(hidden));
  for (std::size_t i = 0; i < indices.size(); ++i) {
    rms_norm(residual_.data() + indices[i] * hidden, final_norm_, config_.norm_epsilon,
             head_in_.data() + static_cast<std::int64_t>(i) * hidden);
  }
  multiply(weights_.head, head_in_.data(), std::ssize(indices), exchange_.logits.data() + weights_.first_head_row,
           config_.vocabulary, pool_);
}

}  // namespace tokenyard
