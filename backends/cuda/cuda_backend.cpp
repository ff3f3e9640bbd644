#include "backends/cuda/cuda_backend.h"

#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <functional>
#include <memory>
#include <new>
#include <stdexcept>
#include <utility>
#include <vector>

#include "backends/cuda/card_watch.h"
#include "backends/cuda/collectives.h"
#include "backends/cuda/cuda_rank.h"
#include "backends/cuda/exit.h"
#include "backends/cuda/passes.h"
#include "backends/model/rank_team.h"
#include "core/base/live_clock.h"
#include "kernels/attention.h"
#include "kernels/card.h"
#include "kernels/norm.h"
#include "kernels/rank_norm.h"

namespace tokenyard {

using namespace cuda;

namespace {

constexpr std::int32_t kMostBlockSize = 256;
constexpr std::chrono::seconds kMostJoining{60};  // by NCCL, which also loads its kernels then

using WeightsOf = std::function<DeviceWeights(std::int32_t rank, std::int32_t ranks)>;

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
  check_ranks(tensor_parallel, model);
  if (std::string why = why_not_together(tensor_parallel); !why.empty()) return why;
  if (model.head_dim != 64 && model.head_dim != 128) {
    return fmt::format("head_dim is {}; the CUDA backend computes 64 and 128, --backend cpu any", model.head_dim);
  }
  if (model.group() > kernels::kMaxGroup) {
    return fmt::format("{} heads share a K/V head; the CUDA backend computes up to {}, --backend cpu any number", model.group(),
                       kernels::kMaxGroup);
  }
  const std::int32_t cut = 8 * std::max(kLeastSumParts, tensor_parallel);
  if (model.hidden % 8 != 0 || model.hidden > kernels::kMaxHidden || model.intermediate % cut != 0) {
    return fmt::format(
        "hidden size {} and intermediate size {}: the CUDA backend takes multiples of 8 up to {} and multiples of {}",
        model.hidden, model.intermediate, kernels::kMaxHidden, cut);
  }
  if (config.block_size % kernels::kGranule != 0 || config.block_size > kMostBlockSize) {
    return fmt::format("block_size is {}; the CUDA backend takes multiples of {} up to {}", config.block_size,
                       kernels::kGranule, kMostBlockSize);
  }
  return {};
}

class CudaBackend::Impl {
 public:
  Impl(const ModelShape& model, const WeightsOf& weights_of, const EngineConfig& config, GpuOptions options)
      : config_(config),
        options_(std::move(options)),
        model_(model),
        sizes_(model_, config_),
        team_(options_.tensor_parallel),
        watch_memory_(256),
        watch_(new (watch_memory_.data()) kernels::RankWatch{}),
        cards_(*watch_, options_.tensor_parallel),
        ranks_(static_cast<std::size_t>(options_.tensor_parallel)) {
    const std::int32_t n = options_.tensor_parallel;
    const RankMeans means = reach_each_other(n) ? RankMeans::peer_memory : RankMeans::collectives;
    std::vector<std::int32_t> blocks(ranks_.size());
    watch_->failed = 1;  // nobody waits until all are linked
    RankTeam::Watch start;
    start.patience = RankTeam::kPatienceAtStart;
    team_.run(
        [&](std::int32_t r) {
          Device device = open_device(kernels::device_of(r));
          on_device([&] {
            ranks_[static_cast<std::size_t>(r)] = std::make_unique<CudaRank>(CudaRank::Place{r, n, means}, std::move(device),
                                                                             weights_of(r, n), config_, options_, sizes_);
          });
          blocks[static_cast<std::size_t>(r)] = rank(r).blocks_that_fit();
        },
        start);
    num_blocks_ = *std::min_element(blocks.begin(), blocks.end());
    team_.run([&](std::int32_t r) { rank(r).take_cache(num_blocks_, watch_); }, start);
    if (means == RankMeans::peer_memory) {
      team_.run([&](std::int32_t r) { open_peers(r, n); }, start);
    } else {
      for (std::int32_t r = 0; r < n; ++r) devices_.push_back(kernels::device_of(r));
    }
    meet();
    if (!by_collectives()) capture();
    clock.restart();  // what came before is no request's time
  }

  // Stops the ranks. False when that is not possible, as one hangs: then this must not be freed.
  bool end() {
    try {
      drain();
    } catch (const BackendError&) {
    }
    return !team_.lost();
  }

  ~Impl() {
    // Nobody reaches into memory that is gone.
    for (auto& each : ranks_) each.reset();
  }

  BackendLimits limits() const { return {sizes_.max_context, num_blocks_, true, true}; }

  void submit(const StepPlan& plan) {
    if (failed_) {
      drain();
      meet();
      failed_ = false;
    }
    if (options_.on_logits && in_flight_ > 0) take_last(oldest());  // before this step overwrites the logits
    Slot& slot = slots_[next_];
    slot.submitted_at = clock.now();
    slot.follows = in_flight_ > 0;
    slot.result.tokens.clear();
    slot.result.logprobs.clear();
    slot.result.parts = {};
    slot.taken = false;
    slot.wants_logprobs = false;
    for (const Row& row : plan.rows) {
      slot.wants_logprobs = slot.wants_logprobs || (row.sample && row.request->spec.sampling.logprobs >= 0);
    }
    split_into_passes(plan, sizes_.tokens.back(), slot.passes);
    for (std::size_t i = 0; i < slot.passes.size(); ++i) {
      if (i > 0) take(slot.passes[i - 1], slot);
      on_all([&](std::int32_t r) {
        if (i == 0 && options_.on_rank) {
          options_.on_rank(r);
          team_.check();
        }
        if (i == 0) rank(r).begin(index_of(slot), plan);
        rank(r).start(index_of(slot), slot.passes[i]);
      });
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
    result.duration = slot.follows ? rank(0).time_of(index_of(slot)) : clock.now() - slot.submitted_at;
    result.parts.host = std::max<TimeNs>(0, result.duration - result.parts.total());
    result.duration = result.parts.total();  // the two clocks may differ by a microsecond
    return result;
  }

  // After a failure what is in flight will not be collected. The requests are told at once; the cards are made ready for the
  // next step when there is one.
  template <typename Do>
  void or_abandon(const Do& what) {
    try {
      on_device(what);
    } catch (const BackendError&) {
      stop_waiting();
      in_flight_ = 0;
      failed_ = true;
      if (team_.lost()) end_without_cleanup();
      throw;
    }
  }

  GpuFacts facts() const {
    GpuFacts facts;
    ranks_.front()->add_facts(facts);
    return facts;
  }

  double measure_read_bandwidth() { return rank(0).measure_read_bandwidth(); }

  StepProfile profile(const ProfiledStep& step) {
    if (options_.tensor_parallel > 1) throw BackendError("kernels are timed on one card; leave tensor_parallel at 1");
    return rank(0).profile(step);
  }

  LiveClock clock;

 private:
  // A step in flight, of which the ranks' slots of the same number have the rest. Two of them take turns.
  struct Slot {
    std::vector<Pass> passes;
    bool wants_logprobs = false;
    bool taken = false;    // its last pass
    bool follows = false;  // another step was in flight when it was submitted
    TimeNs submitted_at = 0;
    StepResult result;
  };

  std::int32_t num_ids() const { return options_.num_ids > 0 ? options_.num_ids : model_.vocabulary; }
  CudaRank& rank(std::int32_t r) { return *ranks_[static_cast<std::size_t>(r)]; }
  Slot& oldest() { return slots_[in_flight_ == 2 ? next_ : 1 - next_]; }
  int index_of(const Slot& slot) const { return static_cast<int>(&slot - slots_); }

  // Lets the ranks wait for each other, at first and after a failure. All are idle.
  void meet() {
    if (by_collectives()) {  // an aborted connection is of no use any more, nor what has captured it
      for (const auto& each : ranks_) each->forget_graphs();
      collectives_ = connect_by_nccl(devices_, kMostJoining);
    }
    std::vector<Forward::Shared> shared;
    for (const auto& each : ranks_) shared.push_back(each->shared());
    if (ranks_.size() > 1) {
      on_all(
          [&](std::int32_t r) {
            rank(r).forget_meetings();
            rank(r).link(shared, watch_, collectives_.get());
          },
          kMostJoining);
    }
    watch_->failed = 0;
    if (by_collectives()) capture();
  }
  void capture() {
    if (options_.graphs) on_all([&](std::int32_t r) { rank(r).capture(); }, kMostJoining);
  }
  bool by_collectives() const { return !devices_.empty(); }

  // Kernels that wait for another rank end, with worthless results.
  void stop_waiting() {
    std::atomic_ref(watch_->failed).store(1);
    if (collectives_) collectives_->abort();
  }
  // Waits until the cards have ended what they were given.
  void drain() {
    RunningTime time;
    for (std::int64_t looks = 0; looks * RankTeam::kLook < RankTeam::kPatience;) {
      const auto busy = std::find_if(ranks_.begin(), ranks_.end(), [](const auto& each) { return !each->idle(); });
      if (team_.lost() || busy == ranks_.end()) return;
      if (time.look() && ++looks * RankTeam::kLook >= RankTeam::kPatience) lose(busy - ranks_.begin());
    }
  }
  [[noreturn]] void lose(std::ptrdiff_t rank) {
    team_.lose(static_cast<std::int32_t>(rank), fmt::format("its GPU did not answer for {} s", RankTeam::kPatience.count()));
  }

  // Every rank does it on a thread of its own whose device is the rank's: a launch may wait for room in its card's queue, while
  // what the card computes waits for a rank that is to be launched.
  void on_all(const std::function<void(std::int32_t rank)>& task, std::chrono::seconds patience = RankTeam::kPatience) {
    RankTeam::Watch watch;
    watch.patience = patience;
    watch.on_failure = [this] { stop_waiting(); };
    if (patience == RankTeam::kPatience) watch.why_stuck = [this] { return cards_.why_stuck(by_collectives()); };
    cards_.begin();
    team_.run(
        [&](std::int32_t r) {
          if (options_.tensor_parallel > 1) check(cudaSetDevice(kernels::device_of(r)), "choosing the GPU");
          on_device([&] { task(r); });
        },
        watch);
  }

  void take_last(Slot& slot) {
    if (!std::exchange(slot.taken, true)) take(slot.passes.back(), slot);
  }

  void wait_for(int index) {
    if (ranks_.size() == 1) return ranks_[0]->wait(index);
    cards_.begin();
    RunningTime time;
    std::vector<bool> ended(ranks_.size());
    for (std::int64_t looks = 0;;) {  // at some that have ended, and some that have not
      for (std::size_t r = 0; r < ranks_.size(); ++r) {
        try {
          ended[r] = ranks_[r]->ended(index);
        } catch (const BackendError& error) {  // the others wait for it
          throw BackendError(fmt::format("rank {} of {}: {}", r, ranks_.size(), error.what()));
        }
      }
      const auto missing = std::find(ended.begin(), ended.end(), false);
      if (missing == ended.end()) return;
      if (!time.look()) continue;
      if (const std::string why = cards_.why_stuck(by_collectives()); !why.empty()) throw BackendError(why);
      looks += std::find(ended.begin(), ended.end(), true) != ended.end() ? 1 : 0;
      if (looks * RankTeam::kLook > RankTeam::kPatience) lose(missing - ended.begin());
    }
  }

  // Waits for a pass and takes what it sampled.
  void take(const Pass& pass, Slot& slot) {
    const int index = index_of(slot);
    wait_for(index);
    StepResult& result = slot.result;
    const SampledRows& sampled = rank(0).sampled(index);
    if (options_.time_parts) add_parts(index, result.parts);
    std::size_t head = 0;
    for (const Row& row : pass.plan.rows) {
      if (!row.sample) continue;
      const Token token = sampled.tokens[head];
      for (std::size_t r = 1; r < ranks_.size(); ++r) {
        if (ranks_[r]->sampled(index).tokens[head] == token) continue;
        throw BackendError(
            fmt::format("rank {} of {}: sampled another token than rank 0: its GPU miscomputes", r, ranks_.size()));
      }
      if (token < 0 && row.request->finish_reason == FinishReason::none) {
        throw BackendError("request " + row.request->spec.id + " at position " + std::to_string(row.first + row.count) +
                           ": none of the logits that may be sampled is finite");
      }
      result.tokens.push_back(token);
      if (slot.wants_logprobs) result.logprobs.push_back(logprobs(*row.request, sampled, head));
      ++head;
    }
    if (options_.on_logits) show_logits(pass);
  }

  // Of the slowest rank: the one that waits least for the others.
  void add_parts(int index, StepParts& to) {
    StepParts slowest;
    TimeNs most = -1;
    for (const auto& each : ranks_) {
      const StepParts parts = each->parts(index);
      const TimeNs own = parts.total() - parts.communication;
      if (own > most) slowest = parts;
      most = std::max(most, own);
    }
    to.gemm += slowest.gemm;
    to.attention += slowest.attention;
    to.elementwise += slowest.elementwise;
    to.head += slowest.head;
    to.communication += slowest.communication;
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

  void show_logits(const Pass& pass) {
    struct Wanted {
      const Request* request;
      std::int32_t position;
      std::int32_t token;
    };
    std::vector<Wanted> wanted;
    std::int32_t token = 0;
    for (const Row& row : pass.plan.rows) {
      for (std::int32_t p = row.first; p < row.first + row.count; ++p, ++token) {
        const bool last = row.sample && p + 1 == row.first + row.count;
        if (row.request->finish_reason != FinishReason::none) continue;  // noticed after the row was planned
        if (options_.every_position || last) wanted.push_back({row.request, p, token});
      }
    }
    const auto vocabulary = static_cast<std::size_t>(model_.vocabulary);
    const auto stride = static_cast<std::size_t>(logit_stride(model_));
    const auto most = static_cast<std::size_t>(sizes_.rows.back());
    std::vector<std::uint16_t> bits;
    std::vector<float> floats(vocabulary);
    for (std::size_t done = 0; done < wanted.size(); done += most) {
      const std::size_t count = std::min(wanted.size() - done, most);
      std::vector<std::int32_t> head_tokens(static_cast<std::size_t>(padded(sizes_.rows, static_cast<std::int32_t>(count))),
                                            -1);
      for (std::size_t i = 0; i < count; ++i) head_tokens[i] = wanted[done + i].token;
      on_all([&](std::int32_t r) { rank(r).logits(head_tokens, pass, bits); });
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
  ModelShape model_;  // the whole
  StepSizes sizes_;
  RankTeam team_;
  PinnedMemory watch_memory_;
  kernels::RankWatch* watch_;  // kernels::RankLinks::watch
  CardWatch cards_;
  std::vector<int> devices_;                  // by rank, where collectives are the means; else empty
  std::unique_ptr<Collectives> collectives_;  // outlives the ranks' graphs
  std::vector<std::unique_ptr<CudaRank>> ranks_;
  Slot slots_[2];
  int next_ = 0;         // the slot of the next step
  int in_flight_ = 0;    // steps, of which the later one is in slot 1 - next_
  bool failed_ = false;  // since the latest step
  std::int32_t num_blocks_ = 0;
};

CudaBackend::CudaBackend(const Weights& weights, const EngineConfig& config, GpuOptions options) {
  const ModelShape& model = weights.config().shape;
  check_config(model, config, options);
  on_device([&] {
    impl_ = std::make_unique<Impl>(
        model, [&](std::int32_t rank, std::int32_t ranks) { return DeviceWeights::upload(weights, rank, ranks); }, config,
        std::move(options));
  });
}

CudaBackend::CudaBackend(const ModelShape& model, std::uint32_t seed, const EngineConfig& config, GpuOptions options) {
  check_config(model, config, options);
  on_device([&] {
    impl_ = std::make_unique<Impl>(
        model, [&](std::int32_t rank, std::int32_t ranks) { return DeviceWeights::random(model, seed, rank, ranks); }, config,
        std::move(options));
  });
}

CudaBackend::~CudaBackend() {
  if (impl_->end()) return;
  end_without_cleanup();
  keep_until_exit(impl_.release());
}

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

StepProfile CudaBackend::profile(const ProfiledStep& step) {
  StepProfile profile;
  on_device([&] { profile = impl_->profile(step); });
  return profile;
}

}  // namespace tokenyard
