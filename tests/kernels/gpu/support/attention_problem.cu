#include "tests/kernels/gpu/support/attention_problem.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <random>
#include <utility>

#include "kernels/fp8.cuh"
#include "kernels/simple/simple.h"

namespace tokenyard::gpu {
namespace {

using kernels::AttentionRow;
using kernels::KvShape;

__device__ std::uint32_t mixed(std::uint32_t x, std::uint32_t y) {
  x = (x ^ y * 0x9e3779b9u) * 0x7feb352du;
  x = (x ^ x >> 15) * 0x846ca68bu;
  return x ^ x >> 16;
}
// Nearly normal, standard deviation 1.
__device__ Bf16 random_number(std::uint32_t content, std::uint32_t what, std::uint32_t head, std::uint32_t position,
                              std::uint32_t d) {
  const std::uint32_t a = mixed(mixed(mixed(mixed(content, what), head), position), d);
  const std::uint32_t b = mixed(a, 1);
  const float sum = static_cast<float>((a & 0xffff) + (a >> 16) + (b & 0xffff) + (b >> 16)) / 65536.0f;
  return __float2bfloat16((sum - 2.0f) * 1.7320508f);
}

__device__ std::int64_t kv_index(const KvShape& s, std::int64_t layer_and_which, std::int64_t block, int head, int slot) {
  return (((layer_and_which * s.blocks + block) * s.kv_heads + head) * s.block_size + slot) * s.head_dim;
}

// Grid: (positions, requests), threads: dimensions.
__global__ void fill_kv(Bf16* kv, KvShape s, const std::int32_t* tables, int stride, const AttentionRequest* requests) {
  const AttentionRequest request = requests[blockIdx.y];
  const auto position = static_cast<int>(blockIdx.x);
  if (position >= request.context) return;
  const int block = tables[static_cast<std::int64_t>(blockIdx.y) * stride + position / s.block_size];
  for (int which = 0; which < 2 * s.layers; ++which) {
    for (int head = 0; head < s.kv_heads; ++head) {
      kv[kv_index(s, which, block, head, position % s.block_size) + threadIdx.x] = random_number(
          request.content, static_cast<std::uint32_t>(which), static_cast<std::uint32_t>(head), blockIdx.x, threadIdx.x);
    }
  }
}

// Writes the codes and scales of what fill_kv wrote, and rounds that. The same grid; one thread does a vector.
__global__ void round_kv(Bf16* kv, std::uint8_t* codes, std::uint8_t* scales, KvShape s, const std::int32_t* tables, int stride,
                         const AttentionRequest* requests) {
  const auto position = static_cast<int>(blockIdx.x);
  if (position >= requests[blockIdx.y].context) return;
  const int block = tables[static_cast<std::int64_t>(blockIdx.y) * stride + position / s.block_size];
  for (int i = static_cast<int>(threadIdx.x); i < 2 * s.layers * s.kv_heads; i += static_cast<int>(blockDim.x)) {
    const std::int64_t at = kv_index(s, i / s.kv_heads, block, i % s.kv_heads, position % s.block_size);
    // Vectors of all sizes.
    const float size = fp8::power_of_two(static_cast<int>(mixed(blockIdx.x, static_cast<std::uint32_t>(i)) % 8) - 5);
    float greatest = 0;
    for (int d = 0; d < s.head_dim; ++d) greatest = fmaxf(greatest, fabsf(__bfloat162float(kv[at + d]) * size));
    const std::int32_t exponent = fp8::exponent_for(greatest);
    for (int d = 0; d < s.head_dim; ++d) {
      const std::uint8_t code = fp8::encode(__bfloat162float(kv[at + d]) * size, exponent);
      codes[at + kernels::fp8_place(d)] = code;
      kv[at + d] = __float2bfloat16(fp8::decode(code, exponent));
    }
    scales[at / s.head_dim] = fp8::stored_scale(exponent);
  }
}

// Grid: (heads, rows).
__global__ void fill_q(Bf16* q, const AttentionRow* rows, const AttentionRequest* requests) {
  const AttentionRow row = rows[blockIdx.y];
  for (int i = 0; i < row.count; ++i) {
    q[(static_cast<std::int64_t>(row.token + i) * gridDim.x + blockIdx.x) * blockDim.x + threadIdx.x] = random_number(
        requests[row.table].content, 1u << 16, blockIdx.x, static_cast<std::uint32_t>(row.first + i), threadIdx.x);
  }
}

// Grid: (heads, tokens). scores: [tokens][heads][max_context].
__global__ void reference_kernel(const Bf16* q, const Bf16* kv, KvShape s, int layer, int group, const std::int32_t* tables,
                                 int stride, const AttentionRow* tokens, double* scores, int max_context, double* out) {
  const AttentionRow token = tokens[blockIdx.y];
  const int head = static_cast<int>(blockIdx.x) / group;
  const int context = token.first + 1;
  const std::int64_t row = static_cast<std::int64_t>(token.token) * gridDim.x + blockIdx.x;
  double* const score = scores + (static_cast<std::int64_t>(blockIdx.y) * gridDim.x + blockIdx.x) * max_context;
  const auto at = [&](int which, int position) {
    const int block = tables[static_cast<std::int64_t>(token.table) * stride + position / s.block_size];
    return kv + kv_index(s, layer * 2 + which, block, head, position % s.block_size);
  };
  __shared__ double greatest[128];
  double most = -1e300;
  for (int t = static_cast<int>(threadIdx.x); t < context; t += static_cast<int>(blockDim.x)) {
    const Bf16* const k = at(0, t);
    double sum = 0;
    for (int d = 0; d < s.head_dim; ++d) {
      sum += static_cast<double>(__bfloat162float(q[row * s.head_dim + d])) * static_cast<double>(__bfloat162float(k[d]));
    }
    score[t] = sum / sqrt(static_cast<double>(s.head_dim));
    most = fmax(most, score[t]);
  }
  greatest[threadIdx.x] = most;
  __syncthreads();
  for (unsigned i = 0; i < blockDim.x; ++i) most = fmax(most, greatest[i]);
  for (int t = static_cast<int>(threadIdx.x); t < context; t += static_cast<int>(blockDim.x)) score[t] = exp(score[t] - most);
  __syncthreads();
  double total = 0;
  double value = 0;
  for (int t = 0; t < context; ++t) {
    total += score[t];
    value += score[t] * static_cast<double>(__bfloat162float(at(1, t)[threadIdx.x]));
  }
  out[row * s.head_dim + threadIdx.x] = value / total;
}

// Thread t has codes 4 t .. 4 t + 3.
__global__ void read_codes(std::uint32_t factor, std::uint32_t* even, std::uint32_t* odd) {
  const std::uint32_t codes = threadIdx.x * 0x04040404u + 0x03020100u;
  even[threadIdx.x] = kernels::fp8_even(codes, factor);
  odd[threadIdx.x] = kernels::fp8_odd(codes, factor);
}

std::int32_t max_context(std::span<const AttentionRequest> requests) {
  std::int32_t most = 1;
  for (const AttentionRequest& request : requests) most = std::max(most, request.context);
  return most;
}

std::size_t size_of(const KvShape& s) {
  return static_cast<std::size_t>(s.layers) * 2 * static_cast<std::size_t>(s.blocks) * static_cast<std::size_t>(s.kv_heads) *
         static_cast<std::size_t>(s.block_size) * static_cast<std::size_t>(s.head_dim);
}

KvShape as_bf16(KvShape shape) {
  shape.fp8 = false;
  return shape;
}

// `shape` with as many blocks as the requests need.
KvShape with_blocks(KvShape shape, std::span<const AttentionRequest> requests) {
  shape.blocks = 1;  // one that nobody has
  for (const AttentionRequest& request : requests) shape.blocks += (request.context + shape.block_size - 1) / shape.block_size;
  return shape;
}

// Room for all that the requests have.
KvShape expanded(const KvShape& shape, std::span<const AttentionRequest> requests) {
  KvShape out{1, 0, shape.kv_heads, kernels::kAttentionChunk, shape.head_dim};
  for (const AttentionRequest& request : requests) out.blocks += kernels::blocks_to_expand(request.context);
  return out;
}

}  // namespace

std::vector<Bf16> fp8_as_bf16(std::int32_t exponent) {
  const std::uint32_t scale = fp8::stored_scale(exponent);
  const DeviceArray<std::uint32_t> even(64);
  const DeviceArray<std::uint32_t> odd(64);
  read_codes<<<1, 64>>>(scale << 7 | scale << 23, even.data(), odd.data());
  synchronize();
  const std::vector<std::uint32_t> pairs[] = {even.download(), odd.download()};
  std::vector<Bf16> out(256);
  for (std::size_t code = 0; code < 256; ++code) {
    out[code] = __ushort_as_bfloat16(static_cast<unsigned short>(pairs[code % 2][code / 4] >> (code % 4 / 2 * 16)));
  }
  return out;
}

AttentionProblem::AttentionProblem(const KvShape& shape, std::int32_t group, std::vector<AttentionRequest> requests,
                                   std::int32_t max_tokens, std::uint32_t seed)
    : shape_(with_blocks(shape, requests)),
      group_(group),
      requests_(std::move(requests)),
      table_stride_((max_context(requests_) + shape_.block_size - 1) / shape_.block_size),
      capacity_(kernels::AttentionCapacity::of(max_tokens, max_tokens, max_context(requests_), group)),
      tables_(requests_.size() * static_cast<std::size_t>(table_stride_)),
      kv_(size_of(shape_)),
      codes_(shape_.fp8 ? kv_.size() : 1),
      scales_(shape_.fp8 ? kv_.size() / static_cast<std::size_t>(shape_.head_dim) : 1),
      bf16_(kv_.data(), as_bf16(shape_)),
      cache_(shape_.fp8 ? kernels::AttentionCache(reinterpret_cast<Bf16*>(codes_.data()), shape_, scales_.data()) : bf16_),
      expand_blocks_(expanded(shape_, requests_).blocks),
      expanded_kv_(shape_.fp8 ? size_of(expanded(shape_, requests_)) : 1),
      expanded_tables_(static_cast<std::size_t>(expand_blocks_) * static_cast<std::size_t>(expand_stride())),
      expanded_{kernels::AttentionCache(expanded_kv_.data(), expanded(shape_, requests_)), expanded_tables_.data(),
                expand_stride()},
      q_(static_cast<std::size_t>(max_tokens) * token_size()),
      out_(q_.size()),
      work_(kernels::AttentionWork::bytes(capacity_)),
      values_(static_cast<std::size_t>(capacity_.decode_items) * token_size()),
      shares_(static_cast<std::size_t>(capacity_.decode_items) * static_cast<std::size_t>(2 * shape_.kv_heads * group_)),
      tickets_(std::vector<std::int32_t>{0, 0}),
      rows_on_device_(static_cast<std::size_t>(max_tokens)) {
  std::vector<std::int32_t> ids(static_cast<std::size_t>(shape_.blocks));
  std::iota(ids.begin(), ids.end(), 0);
  std::mt19937 dice(seed);
  std::shuffle(ids.begin(), ids.end(), dice);
  std::vector<std::int32_t> tables(tables_.size(), 1 << 30);  // an access would fault
  std::size_t next = 0;
  for (std::size_t r = 0; r < requests_.size(); ++r) {
    for (std::int32_t i = 0; i < (requests_[r].context + shape_.block_size - 1) / shape_.block_size; ++i) {
      tables[r * static_cast<std::size_t>(table_stride_) + static_cast<std::size_t>(i)] = ids[next++];
    }
  }
  tables_.upload(tables);
  const DeviceArray<AttentionRequest> on_device(requests_);
  fill_kv<<<dim3(static_cast<unsigned>(max_context(requests_)), static_cast<unsigned>(requests_.size())),
            static_cast<unsigned>(shape_.head_dim)>>>(kv_.data(), shape_, tables_.data(), table_stride_, on_device.data());
  if (shape_.fp8) {
    round_kv<<<dim3(static_cast<unsigned>(max_context(requests_)), static_cast<unsigned>(requests_.size())), 32>>>(
        kv_.data(), codes_.data(), scales_.data(), shape_, tables_.data(), table_stride_, on_device.data());
  }
  synchronize();
}

void AttentionProblem::plan(std::vector<AttentionRow> rows) {
  rows_ = std::move(rows);
  num_tokens_ = 0;
  needed_ = 0;
  reads_ = {};
  for (AttentionRow& row : rows_) {
    row.token = num_tokens_;
    num_tokens_ += row.count;
    reads_.add(row.first, row.count, group_);
    if (row.count > 1) needed_ += kernels::blocks_to_expand(row.first + row.count);
  }
  std::vector<std::byte> memory(work_.size() + 16);
  void* aligned = memory.data();
  std::size_t room = memory.size();
  std::align(16, work_.size(), aligned, room);
  const kernels::AttentionWork work = kernels::AttentionWork::in(aligned, capacity_);
  kernels::plan_attention(rows_, group_, work);
  work_.poison();
  work_.upload({static_cast<const std::byte*>(aligned), kernels::AttentionWork::bytes(capacity_, work.counts->decode)});
  rows_on_device_.upload(rows_);
  const DeviceArray<AttentionRequest> requests(requests_);
  q_.poison();
  fill_q<<<dim3(static_cast<unsigned>(shape_.kv_heads * group_), static_cast<unsigned>(rows_.size())),
           static_cast<unsigned>(shape_.head_dim)>>>(q_.data(), rows_on_device_.data(), requests.data());
  synchronize();
}

std::int64_t AttentionProblem::kv_bytes() const {
  std::int64_t tokens = 0;
  for (const AttentionRow& row : rows_) tokens += row.count == 1 ? row.first + 1 : 0;
  return tokens * shape_.kv_heads * 2 * (shape_.fp8 ? shape_.head_dim + 1 : shape_.head_dim * 2);
}

kernels::AttentionStep AttentionProblem::step() const {
  return {kernels::AttentionWork::in(work_.data(), capacity_),
          tables_.data(),
          table_stride_,
          values_.data(),
          shares_.data(),
          tickets_.data()};
}

void AttentionProblem::launch_decode(std::int32_t layer, kernels::DecodeSplit split, kernels::Stream stream) const {
  kernels::decode_attention(cache_, layer, group_, step(), static_cast<std::int32_t>(rows_.size()), q_.data(), out_.data(),
                            stream, split);
}

void AttentionProblem::launch_prefill(std::int32_t layer, kernels::Stream stream) const {
  kernels::prefill_attention(cache_, layer, group_, step(), q_.data(), out_.data(), stream);
}

void AttentionProblem::launch_mixed(std::int32_t layer, kernels::DecodeSplit split, kernels::Stream stream) const {
  kernels::mixed_attention(cache_, layer, group_, step(), static_cast<std::int32_t>(rows_.size()), reads_, q_.data(),
                           out_.data(), stream, shape_.fp8 && needed_ <= expand_blocks_ ? &expanded_ : nullptr, split);
}

void AttentionProblem::launch_simple(std::int32_t layer, kernels::Stream stream) const {
  kernels::simple::attention({q_.data(), kv_.data(), shape_, layer, group_, tables_.data(), table_stride_,
                              rows_on_device_.data(), static_cast<std::int32_t>(rows_.size()), out_.data()},
                             stream);
}

std::vector<Bf16> AttentionProblem::attend(std::int32_t layer, kernels::DecodeSplit split) {
  out_.poison();
  values_.poison();
  shares_.poison();
  expanded_kv_.poison();
  expanded_tables_.poison();
  launch_mixed(layer, split, nullptr);
  synchronize();
  return result();
}

std::vector<Bf16> AttentionProblem::attend_unexpanded(std::int32_t layer) {
  const std::int32_t room = std::exchange(expand_blocks_, -1);
  std::vector<Bf16> out = attend(layer);
  expand_blocks_ = room;
  return out;
}

std::vector<Bf16> AttentionProblem::attend_in_turn(std::int32_t layer) {
  out_.poison();
  values_.poison();
  shares_.poison();
  launch_decode(layer, kernels::DecodeSplit::automatic, nullptr);
  launch_prefill(layer, nullptr);
  synchronize();
  return result();
}

std::vector<Bf16> AttentionProblem::attend_in_bf16(std::int32_t layer, kernels::DecodeSplit split) {
  const kernels::AttentionCache fp8 = std::exchange(cache_, bf16_);
  std::vector<Bf16> out = attend(layer, split);  // whose cache is not fp8: nothing is expanded
  cache_ = fp8;
  return out;
}

std::vector<Bf16> AttentionProblem::attend_simply(std::int32_t layer) {
  out_.poison();
  launch_simple(layer, nullptr);
  synchronize();
  return result();
}

std::vector<Bf16> AttentionProblem::attend_by(const CapturedGraph& graph) {
  out_.poison();
  values_.poison();
  shares_.poison();
  graph.launch(nullptr);
  synchronize();
  return result();
}

std::vector<Bf16> AttentionProblem::result() const {
  std::vector<Bf16> out = out_.download();
  out.resize(static_cast<std::size_t>(num_tokens_) * token_size());
  return out;
}

std::vector<double> AttentionProblem::reference(std::int32_t layer) const {
  std::vector<AttentionRow> tokens;
  for (const AttentionRow& row : rows_) {
    for (std::int32_t i = 0; i < row.count; ++i) tokens.push_back({row.table, row.token + i, row.first + i, 1});
  }
  const DeviceArray<AttentionRow> on_device(tokens);
  const std::int32_t most = max_context(requests_);
  DeviceArray<double> scores(tokens.size() * static_cast<std::size_t>(shape_.kv_heads * group_ * most));
  DeviceArray<double> out(tokens.size() * token_size());
  reference_kernel<<<dim3(static_cast<unsigned>(shape_.kv_heads * group_), static_cast<unsigned>(tokens.size())),
                     static_cast<unsigned>(shape_.head_dim)>>>(q_.data(), kv_.data(), shape_, layer, group_, tables_.data(),
                                                               table_stride_, on_device.data(), scores.data(), most,
                                                               out.data());
  synchronize();
  return out.download();
}

}  // namespace tokenyard::gpu
