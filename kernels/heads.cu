#include "kernels/heads.h"

#include <stdexcept>

#include "kernels/fp8.cuh"
#include "kernels/launch.cuh"

namespace tokenyard::kernels {
namespace {

constexpr int kThreads = 128;

__device__ float2 load_pair(const Bf16* from) { return __bfloat1622float2(*reinterpret_cast<const __nv_bfloat162*>(from)); }
__device__ void store_pair(Bf16* to, float2 x) { *reinterpret_cast<__nv_bfloat162*>(to) = __floats2bfloat162_rn(x.x, x.y); }

// A head's vector in fp8, by its HeadDim / 4 lanes. A lane and the one four further on have eight neighbours of a half each and
// put theirs together: four bytes for one of them in each half.
template <int HeadDim>
__device__ void store_fp8(std::uint8_t* to, std::uint8_t* scale, int low, float2 a, float2 b) {
  constexpr int kLanes = HeadDim / 4;
  const unsigned mine = HeadDim == 128 ? ~0u : 0xffffu << threadIdx.x % 32 / kLanes * kLanes;
  float greatest = fmaxf(fmaxf(fabsf(a.x), fabsf(a.y)), fmaxf(fabsf(b.x), fabsf(b.y)));
  for (int distance = kLanes / 2; distance > 0; distance /= 2) {
    greatest = fmaxf(greatest, __shfl_xor_sync(mine, greatest, distance));
  }
  const std::int32_t exponent = fp8::exponent_for(greatest);
  const auto pair = [&](float2 x) {
    return std::uint32_t{fp8::encode(x.x, exponent)} | std::uint32_t{fp8::encode(x.y, exponent)} << 16;
  };
  const std::uint32_t codes_a = pair(a);
  const std::uint32_t codes_b = pair(b);
  const bool upper = low % 16 >= 8;
  const std::uint32_t theirs = __shfl_xor_sync(mine, upper ? codes_a : codes_b, 4);
  const std::uint32_t word = upper ? theirs | codes_b << 8 : codes_a | theirs << 8;
  *reinterpret_cast<std::uint32_t*>(to + fp8_place(upper ? low - 8 + HeadDim / 2 : low)) = word;
  if (low == 0) *scale = fp8::stored_scale(exponent);
}

// HeadDim / 4 lanes a head. Each holds two neighbours of the lower half and their partners in the upper half, so the rotation
// needs no exchange.
template <int HeadDim>
__global__ void prepare_heads_kernel(Heads args) {
  constexpr int kHalf = HeadDim / 2;
  constexpr int kLanes = HeadDim / 4;
  const int head = static_cast<int>((blockIdx.y * kThreads + threadIdx.x) / kLanes);
  const int low = static_cast<int>(threadIdx.x) % kLanes * 2;
  const int high = low + kHalf;
  const std::int64_t token = blockIdx.x;
  const int heads = args.num_heads + 2 * args.num_kv_heads;
  const bool is_query = head < args.num_heads;
  const bool is_value = head >= args.num_heads + args.num_kv_heads;
  const bool inside = head < heads;
  // What no kernel of a step writes is read while the product before still runs.
  const std::int32_t slot = args.slots[token];
  const Bf16* const norm = is_value ? nullptr : is_query ? args.q_norm : args.k_norm;
  float2 bias_a{}, bias_b{}, weight_a{}, weight_b{}, cosine{}, sine{};
  if (inside) {  // a padded token's position is 0
    if (args.bias != nullptr) {
      bias_a = load_pair(args.bias + head * HeadDim + low);
      bias_b = load_pair(args.bias + head * HeadDim + high);
    }
    if (norm != nullptr) {
      weight_a = load_pair(norm + low);
      weight_b = load_pair(norm + high);
    }
    if (!is_value) {
      const std::int64_t angle = std::int64_t{args.positions[token]} * kHalf + low;
      cosine = *reinterpret_cast<const float2*>(args.cosine + angle);
      sine = *reinterpret_cast<const float2*>(args.sine + angle);
    }
  }
  wait_for_predecessor();
  let_successor_start();
  if (slot < 0) return;  // the whole block

  float2 a{};
  float2 b{};
  if (inside) {
    const Bf16* const from = args.qkv + (token * heads + head) * HeadDim;
    a = load_pair(from + low);
    b = load_pair(from + high);
    if (args.bias != nullptr) {
      a = {a.x + bias_a.x, a.y + bias_a.y};
      b = {b.x + bias_b.x, b.y + bias_b.y};
    }
  }
  // Every lane takes part in the sum, whether its head has a norm or not.
  float squares = a.x * a.x + a.y * a.y + b.x * b.x + b.y * b.y;
  for (int distance = kLanes / 2; distance > 0; distance /= 2) squares += __shfl_xor_sync(~0u, squares, distance);
  if (!inside) return;
  if (norm != nullptr) {
    const float factor = 1.0f / sqrtf(squares / HeadDim + args.epsilon);
    a = {a.x * factor * weight_a.x, a.y * factor * weight_a.y};
    b = {b.x * factor * weight_b.x, b.y * factor * weight_b.y};
  }
  if (!is_value) {
    const float2 turned = {a.x * cosine.x - b.x * sine.x, a.y * cosine.y - b.y * sine.y};
    b = {b.x * cosine.x + a.x * sine.x, b.y * cosine.y + a.y * sine.y};
    a = turned;
  }
  Bf16* to;
  if (is_query) {
    to = args.q + (token * args.num_heads + head) * HeadDim;
  } else {
    const int kv_head = (head - args.num_heads) % args.num_kv_heads;
    const std::int64_t block = slot / args.block_size;
    const std::int64_t row = (block * args.num_kv_heads + kv_head) * args.block_size + slot % args.block_size;
    to = is_value ? args.values : args.keys;
    if (args.key_scales != nullptr) {
      store_fp8<HeadDim>(reinterpret_cast<std::uint8_t*>(to) + row * HeadDim,
                         (is_value ? args.value_scales : args.key_scales) + row, low, a, b);
      return;
    }
    to += row * HeadDim;
  }
  store_pair(to + low, a);
  store_pair(to + high, b);
}

}  // namespace

void prepare_heads(const Heads& args, std::int32_t tokens, Stream stream) {
  if (args.head_dim != 64 && args.head_dim != 128) throw std::invalid_argument("head_dim must be 64 or 128");
  const std::int32_t heads_a_block = kThreads / (args.head_dim / 4);
  const std::int32_t heads = args.num_heads + 2 * args.num_kv_heads;
  const dim3 grid(static_cast<unsigned>(tokens), static_cast<unsigned>((heads + heads_a_block - 1) / heads_a_block));
  launch("prepare_heads", args.head_dim == 64 ? prepare_heads_kernel<64> : prepare_heads_kernel<128>, grid, dim3(kThreads), 0,
         stream, args);
}

}  // namespace tokenyard::kernels
