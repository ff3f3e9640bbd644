#include "sim/cost_model.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "core/base/input_error.h"

namespace tokenyard {
namespace {

constexpr double kNsPerUs = 1e3;
constexpr double kElementwiseKernels = 5;  // a layer: two norms, rotary embedding, activation, K/V write
constexpr double kNorms = 2;
constexpr std::int64_t kTileRows = 256;   // at most, of a product's tile
constexpr double kMostGraphTokens = 512;  // larger steps are not captured; the GPU is busy long enough to hide launches
constexpr double kLongestNs = 9007199254740992.0;  // 2^53 ns, 104 days

TimeNs whole_ns(double ns) { return static_cast<TimeNs>(std::floor(std::min(ns, kLongestNs) + 0.5)); }

std::string text(std::int64_t n) { return std::to_string(n); }

}  // namespace

namespace {

double share_of_t0(std::int64_t rows, double growth, double one_row) {
  if (rows <= 1) return one_row;
  rows = std::min(rows, kTileRows);
  const auto whole = static_cast<int>(std::bit_width(static_cast<std::uint64_t>(rows))) - 1;
  const std::int64_t power = std::int64_t{1} << whole;
  return 1 + growth * (whole + static_cast<double>(rows - power) / static_cast<double>(power));
}

const HardwareSpec::AllReduce& all_reduce_of(const HardwareSpec& hardware, std::int32_t p) {
  std::string known = "1";
  for (const HardwareSpec::AllReduce& a : hardware.all_reduce) {
    if (a.tensor_parallel == p) return a;
    known += ", " + text(a.tensor_parallel);
  }
  throw InputError("tensor_parallel: expected a size that hardware " + hardware.name + " has all-reduce times for (" + known +
                   "), found " + text(p));
}

}  // namespace

double t0_share(std::int64_t rows, const HardwareSpec& h) { return share_of_t0(rows, h.t0_growth, h.t0_one_row); }
double CostModel::t0_share(std::int64_t rows) const { return share_of_t0(rows, t0_growth_, t0_one_row_); }

CostModel::Gemm CostModel::gemm(double n, double k, const HardwareSpec& hardware, double bytes_per_element) const {
  const double flops_per_ns = hardware.gemm.flops_efficiency * hardware.bf16_tflops * 1e3;
  const double bytes_per_ns = hardware.gemm.bandwidth_efficiency * hardware.memory_gb_per_s;
  return {2 * n * k / flops_per_ns, {n * k * bytes_per_element / bytes_per_ns, (n + k) * bytes_per_element / bytes_per_ns}};
}

CostModel::CostModel(const ModelShape& model, const HardwareSpec& hardware, const Execution& execution) {
  if (model.experts) throw InputError(model.name + " is a mixture of experts, whose times the cost model does not know");
  const std::int32_t p = execution.tensor_parallel;
  const RankShare share = share_of(model, 0, p);
  const double s = model.bytes_per_element;
  const double h = model.hidden;
  const double q = static_cast<double>(share.heads.count) * model.head_dim;
  const double kv = static_cast<double>(share.kv_heads.count) * model.head_dim;
  const auto kv_bytes = static_cast<double>(share.kv_heads.count * model.kv_vector_bytes(execution.kv_dtype));
  const double f = share.intermediate.count;
  const double flops_per_ns = hardware.bf16_tflops * 1e3;
  const double bytes_per_ns = hardware.memory_gb_per_s;

  layers_ = model.num_layers;
  t0_growth_ = hardware.t0_growth;
  t0_one_row_ = hardware.t0_one_row;
  gemm_t0_ = hardware.gemm.t0_us * kNsPerUs;
  qkv_ = gemm(q + 2 * kv, h, hardware, s);
  out_ = gemm(h, q, hardware, s);
  gate_up_ = gemm(2 * f, h, hardware, s);
  down_ = gemm(h, f, hardware, s);
  throttle_ = hardware.throttle;
  peak_per_token_ = layers_ * 2 * ((q + 2 * kv) * h + h * q + 3 * f * h) / flops_per_ns;
  peak_per_pair_ = layers_ * 4 * q / flops_per_ns;
  lm_head_ = gemm(share.vocabulary.count, h, hardware, s);

  const auto& decode = hardware.decode_attention;
  decode_t0_ = decode.t0_us * kNsPerUs;
  decode_per_row_ = decode.per_sequence_us * kNsPerUs;
  decode_per_longest_ = decode.merge_us_per_1000 * kNsPerUs / 1000;
  decode_per_kv_ = 2 * kv_bytes / (decode.bandwidth_efficiency * bytes_per_ns);

  one_kernel_ = hardware.mixed_attention.has_value();
  if (one_kernel_) {
    const auto& mixed = *hardware.mixed_attention;
    mixed_per_row_ = share.heads.count * mixed.per_row_us * kNsPerUs;
    mixed_per_kv_ = 2 * kv_bytes * (q / kv) / (mixed.read_efficiency * bytes_per_ns);
  }

  const auto& prefill = hardware.prefill_attention;
  prefill_t0_ = prefill.t0_us * kNsPerUs;
  prefill_per_pair_ = 4 * q / (prefill.flops_efficiency * flops_per_ns);
  prefill_per_kv_ = 2 * kv_bytes / (prefill.io_efficiency * bytes_per_ns);
  prefill_per_token_ = 2 * q * s / (prefill.io_efficiency * bytes_per_ns);

  // Elements moved per position: a norm reads and writes the hidden and the residual stream, rotary embedding turns Q and K
  // in place, the activation reads gate and up, K and V are read and written.
  const HardwareSpec::AllReduce* const all_reduce = p > 1 ? &all_reduce_of(hardware, p) : nullptr;
  const double norms = all_reduce != nullptr && all_reduce->norms ? 0 : kNorms;
  elementwise_kernels_ = kElementwiseKernels - kNorms + norms;
  const double layer_elements = norms * 4 * h + 2 * (q + kv) + 3 * f + 4 * kv;
  const double other_elements = 2 * h + 4 * h;
  elementwise_t0_ = (layers_ * elementwise_kernels_ + 2) * hardware.elementwise.t0_us * kNsPerUs;
  elementwise_least_tokens_ = hardware.elementwise.rows_at_once;
  elementwise_per_token_ =
      (layers_ * layer_elements + other_elements) * s / (hardware.elementwise.bandwidth_efficiency * bytes_per_ns);
  sampler_ = {hardware.sampler.t0_us * kNsPerUs, hardware.sampler.per_sequence_us * kNsPerUs};

  parallel_ = p > 1;
  if (parallel_) {
    all_reduce_ = {2 * all_reduce->latency_us * kNsPerUs,
                   2 * (2.0 * (p - 1) / p) * h * s / (all_reduce->link_efficiency * hardware.link_gb_per_s)};
  }
  // Read and written.
  per_copied_block_ =
      2 * static_cast<double>(model.kv_bytes_per_token(p, execution.kv_dtype)) * execution.block_size / bytes_per_ns;
  host_ = {hardware.host.step_us * kNsPerUs, hardware.host.row_us * kNsPerUs};
  launch_ = hardware.host.launch_us * kNsPerUs;
  pieces_ = layers_ * hardware.host.piece_us * kNsPerUs;
  cuda_graphs_ = execution.cuda_graphs;
}

StepParts CostModel::cost(const StepPlan& plan, bool ahead) const {
  StepLoad load;
  load.ahead = ahead;
  for (const Row& row : plan.rows) load.add(row);
  load.copied_blocks = static_cast<std::int64_t>(plan.copies.size());
  return cost(load);
}

StepParts CostModel::cost(const StepLoad& load) const {
  StepParts parts;
  if (constant_time_) {
    parts.gemm = constant_.per_token * load.positions;
    parts.host = constant_.per_step;
    return parts;
  }
  const auto tokens = static_cast<double>(load.positions);
  const double t0_share = this->t0_share(load.positions);
  const double gemm =
      layers_ * (4 * gemm_t0_ * t0_share + qkv_.at(tokens) + out_.at(tokens) + gate_up_.at(tokens) + down_.at(tokens));
  double layer_attention = 0;
  double attention_kernels = 0;
  const bool prefills = load.positions > load.decode_rows;
  if (load.decode_rows > 0 && prefills && one_kernel_) {
    layer_attention +=
        mixed_per_row_ * static_cast<double>(load.decode_rows) + mixed_per_kv_ * static_cast<double>(load.decode_kv);
  } else if (load.decode_rows > 0) {
    layer_attention += decode_t0_ + decode_per_row_ * static_cast<double>(load.decode_rows) +
                       decode_per_longest_ * static_cast<double>(load.longest_decode) +
                       decode_per_kv_ * static_cast<double>(load.decode_kv);
    ++attention_kernels;
  }
  if (prefills) {
    layer_attention += prefill_t0_ + prefill_per_pair_ * load.pairs + prefill_per_kv_ * static_cast<double>(load.prefill_kv) +
                       prefill_per_token_ * static_cast<double>(load.positions - load.decode_rows);
    ++attention_kernels;
  }
  const double attention = layers_ * layer_attention;
  const double elementwise = elementwise_t0_ * t0_share + elementwise_per_token_ * std::max(tokens, elementwise_least_tokens_) +
                             per_copied_block_ * static_cast<double>(load.copied_blocks);
  double head = 0;
  if (load.sampled > 0) {
    const auto rows = static_cast<double>(load.sampled);
    head = gemm_t0_ * this->t0_share(load.sampled) + lm_head_.at(rows) + sampler_.at(rows);
  }
  // A card waits for the other's product as well, whose t0 it is.
  const double communication = parallel_ ? layers_ * (all_reduce_.fixed * t0_share + all_reduce_.per_token * tokens) : 0;
  double gpu = gemm + attention + elementwise + head + communication;
  double slower = 1;
  if (throttle_ > 0) {
    const double rate = throttle_ * (peak_per_token_ * tokens + peak_per_pair_ * load.pairs) / gpu;
    slower = std::sqrt(std::sqrt(1 + rate * rate * rate * rate));
    gpu *= slower;
  }
  double host = host_.at(static_cast<double>(load.rows));
  if (load.ahead) host = std::max(0.0, host - gpu);
  if (!cuda_graphs_ || tokens > kMostGraphTokens) {
    const double kernels = layers_ * (4 + elementwise_kernels_ + attention_kernels + (parallel_ ? 2 : 0)) + 5;
    host += std::max(0.0, kernels * launch_ - gpu);
  } else if (prefills) {
    host += std::max(0.0, pieces_ - gpu);
  }
  parts.gemm = whole_ns(gemm * slower);
  parts.attention = whole_ns(attention * slower);
  parts.elementwise = whole_ns(elementwise * slower);
  parts.head = whole_ns(head * slower);
  parts.communication = whole_ns(communication * slower);
  parts.host = whole_ns(host);
  return parts;
}

std::int32_t kv_blocks(const ModelShape& model, const HardwareSpec& hardware, const Execution& execution, double utilization,
                       std::int32_t max_num_batched_tokens, std::int32_t max_num_seqs) {
  const std::int32_t p = execution.tensor_parallel;
  const auto usable = static_cast<std::int64_t>(static_cast<double>(hardware.memory_bytes) * utilization);
  const std::int64_t weights = model.weight_bytes(p);
  const std::int64_t activations =
      std::int64_t{max_num_batched_tokens} * model.bytes_per_element *
      (4 * std::int64_t{model.hidden} + 3 * std::int64_t{share_of(model, 0, p).intermediate.count});
  const std::int64_t logits = std::int64_t{max_num_seqs} * model.vocabulary * 12;
  const std::int64_t fixed = 644245094;  // 0.6 GiB
  const std::int64_t block = model.kv_bytes_per_token(p, execution.kv_dtype) * execution.block_size;
  const std::int64_t left = usable - weights - fixed - activations - logits;
  if (left < block) {
    const auto gb = [](std::int64_t bytes) {
      const std::int64_t tenths = (bytes + 50'000'000) / 100'000'000;
      return text(tenths / 10) + "." + text(tenths % 10) + " GB";
    };
    throw InputError(model.name + " does not fit " + hardware.name + " (tensor_parallel " + text(p) + "): weights " +
                     gb(weights) + ", activations and workspaces " + gb(fixed + activations + logits) + ", a block of K/V " +
                     gb(block) + "; usable are " + gb(usable));
  }
  const std::int64_t most = ((std::int64_t{1} << 31) - 2) / execution.block_size;  // what a pool can address
  return static_cast<std::int32_t>(std::min({left / block, most, std::int64_t{1} << 30}));
}

}  // namespace tokenyard
