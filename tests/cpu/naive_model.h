// The decoder once more, in double and as plainly as can be: what the backend's logits are compared with.
#pragma once

#include <cmath>
#include <vector>

#include "backends/model/weights.h"

namespace tokenyard::test {

using Doubles = std::vector<double>;

class NaiveModel {
 public:
  explicit NaiveModel(const Weights& weights) : config_(weights.config().shape), w_(weights.whole()) {}

  // The logits after each of `ids`.
  std::vector<Doubles> logits(const std::vector<Token>& ids) const {
    std::vector<Doubles> x;
    for (const Token id : ids) x.push_back(row(w_.embedding, id));
    for (const LayerWeights& layer : w_.layers) {
      std::vector<Doubles> k;
      std::vector<Doubles> v;
      for (std::size_t p = 0; p < x.size(); ++p) {
        const Doubles in = norm(x[p], layer.attention_norm);
        k.push_back(heads(times(layer.k, in), layer.k_bias, layer.k_norm, p));
        v.push_back(plus(times(layer.v, in), layer.v_bias));
      }
      for (std::size_t p = 0; p < x.size(); ++p) {
        const Doubles q = heads(times(layer.q, norm(x[p], layer.attention_norm)), layer.q_bias, layer.q_norm, p);
        accumulate(x[p], times(layer.o, attend(q, k, v, p)));
      }
      for (Doubles& token : x) {
        const Doubles in = norm(token, layer.mlp_norm);
        Doubles gate = times(layer.gate, in);
        const Doubles up = times(layer.up, in);
        for (std::size_t i = 0; i < gate.size(); ++i) gate[i] = gate[i] / (1 + std::exp(-gate[i])) * up[i];
        accumulate(token, times(layer.down, gate));
      }
    }
    for (Doubles& token : x) token = times(w_.head, norm(token, w_.final_norm));
    return x;
  }

 private:
  static Doubles row(const Matrix& matrix, std::int64_t r) {
    std::vector<float> out(static_cast<std::size_t>(matrix.columns));
    to_floats(matrix.dtype, matrix.row(r), matrix.columns, out.data());
    return {out.begin(), out.end()};
  }
  static Doubles times(const Matrix& matrix, const Doubles& x) {
    Doubles out;
    for (std::int64_t r = 0; r < matrix.rows; ++r) {
      const Doubles weights = row(matrix, r);
      double sum = 0;
      for (std::size_t i = 0; i < x.size(); ++i) sum += weights[i] * x[i];
      out.push_back(sum);
    }
    return out;
  }
  static Doubles plus(Doubles x, const Vector& bias) {
    if (!bias) return x;
    const std::vector<float> b = to_floats(bias);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += b[i];
    return x;
  }
  static void accumulate(Doubles& to, const Doubles& what) {
    for (std::size_t i = 0; i < to.size(); ++i) to[i] += what[i];
  }
  Doubles norm(Doubles x, const Vector& weight) const {
    const std::vector<float> w = to_floats(weight);
    double sum = 0;
    for (const double e : x) sum += e * e;
    const double root = std::sqrt(sum / static_cast<double>(x.size()) + static_cast<double>(config_.norm_epsilon));
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = x[i] / root * w[i];
    return x;
  }
  // Bias, norm and rotation of every head in `all`.
  Doubles heads(Doubles all, const Vector& bias, const Vector& head_norm, std::size_t position) const {
    all = plus(std::move(all), bias);
    const auto d = static_cast<std::size_t>(config_.head_dim);
    for (std::size_t first = 0; first < all.size(); first += d) {
      Doubles head(all.begin() + static_cast<std::ptrdiff_t>(first), all.begin() + static_cast<std::ptrdiff_t>(first + d));
      if (head_norm) head = norm(std::move(head), head_norm);
      for (std::size_t i = 0; i < d / 2; ++i) {
        double frequency = std::pow(config_.rope_theta, -2.0 * static_cast<double>(i) / static_cast<double>(d));
        if (config_.rope_scaling) {
          const RopeScaling& s = *config_.rope_scaling;
          const double turns = s.original_context * frequency / (2 * 3.14159265358979323846);
          double kept = 0;
          if (s.kind == RopeScaling::Kind::llama3)
            kept = (turns - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
          if (s.kind == RopeScaling::Kind::yarn) {  // along the pairs, that is, along the logarithm of the turns
            const auto pair_of = [&](double n) {
              return static_cast<double>(d) / 2 * std::log(s.original_context / (n * 2 * 3.14159265358979323846)) /
                     std::log(config_.rope_theta);
            };
            const double from = std::fmax(0, std::floor(pair_of(s.beta_fast)));
            const double to = std::ceil(pair_of(s.beta_slow));
            kept = 1 - (static_cast<double>(i) - from) / (to - from);
            head[i] *= s.attention_factor;
            head[i + d / 2] *= s.attention_factor;
          }
          kept = std::fmin(1, std::fmax(0, kept));
          frequency *= kept + (1 - kept) / s.factor;
        }
        const double angle = static_cast<double>(position) * frequency;
        all[first + i] = head[i] * std::cos(angle) - head[i + d / 2] * std::sin(angle);
        all[first + i + d / 2] = head[i + d / 2] * std::cos(angle) + head[i] * std::sin(angle);
      }
    }
    return all;
  }
  Doubles attend(const Doubles& q, const std::vector<Doubles>& k, const std::vector<Doubles>& v, std::size_t position) const {
    const auto d = static_cast<std::size_t>(config_.head_dim);
    const auto group = static_cast<std::size_t>(config_.group());
    Doubles out(q.size(), 0);
    for (std::size_t head = 0; head * d < q.size(); ++head) {
      const std::size_t kv = head / group * d;
      Doubles weights;
      double total = 0;
      for (std::size_t p = 0; p <= position; ++p) {
        double score = 0;
        for (std::size_t e = 0; e < d; ++e) score += q[head * d + e] * k[p][kv + e];
        weights.push_back(std::exp(score / std::sqrt(static_cast<double>(d))));
        total += weights.back();
      }
      for (std::size_t p = 0; p <= position; ++p) {
        for (std::size_t e = 0; e < d; ++e) out[head * d + e] += weights[p] / total * v[p][kv + e];
      }
    }
    return out;
  }

  const ModelShape& config_;
  const WeightView& w_;
};

}  // namespace tokenyard::test
