#include "backends/cpu/cpu_backend.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "backends/cpu/forward.h"
#include "backends/cpu/linear.h"
#include "backends/model/rank_team.h"
#include "backends/model/sampler.h"

namespace tokenyard {

// What a plan becomes: tokens for the decoder, and which of their logits are wanted.
class CpuBackend::Steps {
 public:
  Steps(const Weights& weights, const EngineConfig& config, CpuOptions options, std::int32_t num_ids, std::int32_t positions,
        std::int32_t threads)
      : vocabulary_(weights.config().shape.vocabulary),
        eos_token_id_(config.eos_token_id),
        options_(std::move(options)),
        forward_(weights, config.num_blocks, config.block_size, positions, threads, options_.tensor_parallel, options_.kv_dtype,
                 options_.on_rank),
        sampler_(vocabulary_, num_ids) {}

  void carry_out(const StepPlan& plan, StepResult& result) {
    gather(plan);
    forward_.copy_blocks(plan.copies);
    forward_.run(tokens_, result.parts);
    const auto start = std::chrono::steady_clock::now();
    forward_.logits(wanted_, [&](std::size_t i, std::span<const float> logits) {
      const TokenWork& token = tokens_[static_cast<std::size_t>(wanted_[i])];
      if (options_.on_logits) options_.on_logits(*token.request, token.position, logits);
      if (samples_[i]) sample(*token.request, logits, result);
    });
    for (const std::size_t i : dropped_) {
      result.tokens.insert(result.tokens.begin() + static_cast<std::ptrdiff_t>(i), kUnnamedToken);
      if (wants_logprobs_) result.logprobs.insert(result.logprobs.begin() + static_cast<std::ptrdiff_t>(i), TokenLogprobs{});
    }
    result.parts.head = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start).count();
  }

  bool lost() const { return forward_.lost(); }

 private:
  void gather(const StepPlan& plan) {
    tokens_.clear();
    wanted_.clear();
    samples_.clear();
    dropped_.clear();
    wants_logprobs_ = false;
    const bool all = options_.every_position && options_.on_logits;
    std::size_t sampled = 0;
    for (const Row& row : plan.rows) {
      // Its request has ended since the row was planned, and the blocks are others' now.
      const bool dropped = row.count > 0 && row.request->finish_reason != FinishReason::none;
      if (dropped && row.sample) dropped_.push_back(sampled);
      sampled += row.sample;
      if (dropped) continue;
      for (std::int32_t p = row.first; p < row.first + row.count; ++p) {
        const Token token = row.request->tokens.at(p, vocabulary_);
        if (token < 0 || token >= vocabulary_) {
          throw BackendError("request " + row.request->spec.id + " has token id " + std::to_string(token) + " at position " +
                             std::to_string(p) + "; the model's vocabulary is 0 to " + std::to_string(vocabulary_ - 1));
        }
        const bool last = row.sample && p + 1 == row.first + row.count;
        if (all || last) {
          wanted_.push_back(static_cast<std::int32_t>(tokens_.size()));
          samples_.push_back(last);
        }
        tokens_.push_back({row.request, p, token});
      }
      tokens_.insert(tokens_.end(), static_cast<std::size_t>(row.padding), {nullptr, 0, 0});
      wants_logprobs_ = wants_logprobs_ || (row.sample && row.request->spec.sampling.logprobs >= 0);
    }
  }

  void sample(const Request& request, std::span<const float> logits, StepResult& result) {
    const auto token = sampler_.sample(logits, request, eos_token_id_);
    if (!token) {
      throw BackendError("request " + request.spec.id + " at position " + std::to_string(request.num_tokens) +
                         ": none of the logits that may be sampled is finite");
    }
    result.tokens.push_back(*token);
    if (!wants_logprobs_) return;
    const std::int32_t top = request.spec.sampling.logprobs;
    result.logprobs.push_back(top >= 0 ? sampler_.logprobs(logits, *token, top) : TokenLogprobs{});
  }

  std::int32_t vocabulary_;
  Token eos_token_id_;
  CpuOptions options_;
  Forward forward_;
  Sampler sampler_;
  std::vector<TokenWork> tokens_;
  std::vector<std::int32_t> wanted_;  // indices into tokens_
  std::vector<bool> samples_;         // of wanted_: whether the next token is sampled from it
  std::vector<std::size_t> dropped_;  // sampled tokens of the step that nobody wants any more
  bool wants_logprobs_ = false;
};

CpuBackend::CpuBackend(const Weights& weights, const EngineConfig& config, CpuOptions options) {
  if (const auto wrong = validate(config)) throw std::invalid_argument(*wrong);
  const ModelShape& model = weights.config().shape;
  if (options.threads < 0 || options.threads > 1024) {
    throw std::invalid_argument("threads is " + std::to_string(options.threads) + "; it must be between 0 and 1024");
  }
  if (options.num_ids < 0 || options.num_ids > model.vocabulary) {
    throw std::invalid_argument("the tokenizer knows " + std::to_string(options.num_ids) +
                                " token ids, more than the model's vocabulary of " + std::to_string(model.vocabulary));
  }
  check_ranks(options.tensor_parallel, model);
  const std::int32_t threads =
      options.threads > 0 ? options.threads : static_cast<std::int32_t>(std::max(1u, std::thread::hardware_concurrency()));
  const std::int32_t num_ids = options.num_ids > 0 ? options.num_ids : model.vocabulary;
  // The engine takes over the limits, so it never asks for a position beyond the rotation's table.
  limits_ = {model.max_context, config.num_blocks, true};
  if (config.max_model_len > 0) limits_.max_context = std::min(limits_.max_context, config.max_model_len);
  const std::int64_t positions =
      std::min<std::int64_t>(limits_.max_context, std::int64_t{config.num_blocks} * config.block_size);
  steps_ = std::make_unique<Steps>(weights, config, std::move(options), num_ids, static_cast<std::int32_t>(positions), threads);
}

CpuBackend::~CpuBackend() {
  if (steps_->lost()) keep_until_exit(steps_.release());
}

BackendLimits CpuBackend::limits() const { return limits_; }

// At once: a plan made before collect() may take the blocks that this one reads.
void CpuBackend::submit(const StepPlan& plan) {
  const TimeNs start = now();
  result_.tokens.clear();
  result_.logprobs.clear();
  result_.parts = {};
  steps_->carry_out(plan, result_);
  result_.duration = now() - start;
  result_.parts.host += result_.duration - result_.parts.total();
}

}  // namespace tokenyard
