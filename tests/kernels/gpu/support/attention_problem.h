// Requests with K/V in a paged cache, for the tests and benchmarks of attention.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/attention.h"
#include "tests/kernels/gpu/support/device.h"

namespace tokenyard::gpu {

// K, V and queries are functions of (content, layer, head, position): equal contents are equal wherever their blocks lie.
struct AttentionRequest {
  std::uint32_t content;
  std::int32_t context;
};

// Every fp8 code with a scale of 2^exponent, as the kernels make bf16 of it. [256]
std::vector<Bf16> fp8_as_bf16(std::int32_t exponent);

class AttentionProblem {
 public:
  // shape.fp8: numbers are rounded to fp8; both forms of the cache hold the same. Blocks are shuffled; what belongs to no
  // position of a request is poisoned. `max_tokens`: of a step.
  AttentionProblem(const kernels::KvShape& shape, std::int32_t group, std::vector<AttentionRequest> requests,
                   std::int32_t max_tokens, std::uint32_t seed);

  // Makes `rows` the step; their tables are indices of requests, their tokens are set here, in order.
  void plan(std::vector<kernels::AttentionRow> rows);
  std::int32_t num_tokens() const { return num_tokens_; }
  std::int64_t kv_bytes() const;  // of one layer that the step's decoding rows read

  void launch_decode(std::int32_t layer, kernels::DecodeSplit split, kernels::Stream stream) const;
  void launch_prefill(std::int32_t layer, kernels::Stream stream) const;
  void launch_mixed(std::int32_t layer, kernels::DecodeSplit split, kernels::Stream stream) const;
  // A kernel anyone would write first. REQUIRES: rows of one token, contexts below 50,000.
  void launch_simple(std::int32_t layer, kernels::Stream stream) const;
  // Both at once, from poisoned buffers. [num_tokens][heads][head_dim]
  std::vector<Bf16> attend(std::int32_t layer, kernels::DecodeSplit split = kernels::DecodeSplit::automatic);
  // The same without room to expand fp8.
  std::vector<Bf16> attend_unexpanded(std::int32_t layer);
  // One after the other.
  std::vector<Bf16> attend_in_turn(std::int32_t layer);
  std::vector<Bf16> attend_simply(std::int32_t layer);
  // Both over a bf16 cache of the same numbers.
  std::vector<Bf16> attend_in_bf16(std::int32_t layer, kernels::DecodeSplit split);
  std::vector<Bf16> attend_by(const CapturedGraph& graph);
  // In double precision.
  std::vector<double> reference(std::int32_t layer) const;

  // Numbers of one token's output.
  std::size_t token_size() const { return static_cast<std::size_t>(shape_.kv_heads * group_ * shape_.head_dim); }

 private:
  kernels::AttentionStep step() const;
  std::vector<Bf16> result() const;

  kernels::KvShape shape_;
  std::int32_t group_;
  std::vector<AttentionRequest> requests_;
  std::int32_t table_stride_;
  kernels::AttentionCapacity capacity_;
  DeviceArray<std::int32_t> tables_;
  DeviceArray<Bf16> kv_;
  DeviceArray<std::uint8_t> codes_, scales_;  // of fp8
  kernels::AttentionCache bf16_;
  kernels::AttentionCache cache_;
  std::int32_t expand_stride() const { return kernels::blocks_to_expand(table_stride_ * shape_.block_size); }

  std::int32_t expand_blocks_;     // that there are
  std::int32_t needed_ = 0;        // that the step's rows take
  kernels::AttentionReads reads_;  // of the step
  DeviceArray<Bf16> expanded_kv_;  // of fp8
  DeviceArray<std::int32_t> expanded_tables_;
  kernels::ExpandedKv expanded_;
  DeviceArray<Bf16> q_;
  DeviceArray<Bf16> out_;
  DeviceArray<std::byte> work_;
  DeviceArray<float> values_;
  DeviceArray<float> shares_;
  DeviceArray<std::int32_t> tickets_;
  DeviceArray<kernels::AttentionRow> rows_on_device_;
  std::vector<kernels::AttentionRow> rows_;
  std::int32_t num_tokens_ = 0;
};

}  // namespace tokenyard::gpu
