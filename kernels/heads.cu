#include "kernels/heads.h"

#include <stdexcept>

#include "kernels/fp8.cuh"
#include "kernels/launch.cuh"
#include "kernels/mma.cuh"

namespace tokenyard::kernels {
namespace {

constexpr int kThreads = 128;

// Four neighbours of a half of a head's vector.
struct Four {
  float2 pair[2];
};
__device__ Four load_four(const Bf16* from) {
  const uint2 bits = *reinterpret_cast<const uint2*>(from);
  return {{__bfloat1622float2(*reinterpret_cast<const __nv_bfloat162*>(&bits.x)),
           __bfloat1622float2(*reinterpret_cast<const __nv_bfloat162*>(&bits.y))}};
}
__device__ Four load_four(const float* from) {
  const float4 x = *reinterpret_cast<const float4*>(from);
  return {{{x.x, x.y}, {x.z, x.w}}};
}
__device__ void store_four(Bf16* to, const Four& x) {
  *reinterpret_cast<uint2*>(to) = make_uint2(pack(x.pair[0].x, x.pair[0].y), pack(x.pair[1].x, x.pair[1].y));
}

// a c + b d. Which of the products is rounded by itself is not left to the compiler.
__device__ float turned_by(float a, float c, float b, float d) { return fmaf(a, c, __fmul_rn(b, d)); }

// A head's vector in fp8, by its HeadDim / 8 lanes. A lane and the one two further on have eight neighbours of a half each and
// put theirs together: eight bytes for one of them in each half.
template <int HeadDim>
__device__ void store_fp8(std::uint8_t* to, std::uint8_t* scale, int low, const Four& a, const Four& b) {
  constexpr int kLanes = HeadDim / 8;
  const unsigned mine = ((1u << kLanes) - 1) << threadIdx.x % 32 / kLanes * kLanes;
  float greatest = 0;
  for (const Four* each : {&a, &b}) {
    for (const float2& pair : each->pair) greatest = fmaxf(greatest, fmaxf(fabsf(pair.x), fabsf(pair.y)));
  }
  for (int distance = kLanes / 2; distance > 0; distance /= 2) {
    greatest = fmaxf(greatest, __shfl_xor_sync(mine, greatest, distance));
  }
  const std::int32_t exponent = fp8::exponent_for(greatest);
  const auto codes = [&](float2 x) {
    return std::uint32_t{fp8::encode(x.x, exponent)} | std::uint32_t{fp8::encode(x.y, exponent)} << 16;
  };
  const bool upper = low % 16 >= 8;
  std::uint32_t words[2];
  for (int i = 0; i < 2; ++i) {
    const std::uint32_t codes_a = codes(a.pair[i]);
    const std::uint32_t codes_b = codes(b.pair[i]);
    const std::uint32_t theirs = __shfl_xor_sync(mine, upper ? codes_a : codes_b, 2);
    words[i] = upper ? theirs | codes_b << 8 : codes_a | theirs << 8;
  }
  *reinterpret_cast<uint2*>(to + fp8_place(upper ? low - 8 + HeadDim / 2 : low)) = make_uint2(words[0], words[1]);
  if (low == 0) *scale = fp8::stored_scale(exponent);
}

// HeadDim / 8 lanes a head. Each holds four neighbours of the lower half and their partners in the upper half, so the rotation
// needs no exchange.
template <int HeadDim>
__global__ void prepare_heads_kernel(Heads args) {
  constexpr int kHalf = HeadDim / 2;
  constexpr int kLanes = HeadDim / 8;
  const int head = static_cast<int>((blockIdx.y * kThreads + threadIdx.x) / kLanes);
  const int low = static_cast<int>(threadIdx.x) % kLanes * 4;
  const int high = low + kHalf;
  const std::int64_t token = blockIdx.x;
  const int heads = args.num_heads + 2 * args.num_kv_heads;
  const bool is_query = head < args.num_heads;
  const bool is_value = head >= args.num_heads + args.num_kv_heads;
  const bool inside = head < heads;
  // What no kernel of a step writes is read while the product before still runs.
  const std::int32_t slot = args.slots[token];
  const Bf16* const norm = is_value ? nullptr : is_query ? args.q_norm : args.k_norm;
  Four bias_a{}, bias_b{}, weight_a{}, weight_b{}, cosine{}, sine{};
  if (inside) {  // a padded token's position is 0
    if (args.bias != nullptr) {
      bias_a = load_four(args.bias + head * HeadDim + low);
      bias_b = load_four(args.bias + head * HeadDim + high);
    }
    if (norm != nullptr) {
      weight_a = load_four(norm + low);
      weight_b = load_four(norm + high);
    }
    if (!is_value) {
      const std::int64_t angle = std::int64_t{args.positions[token]} * kHalf + low;
      cosine = load_four(args.cosine + angle);
      sine = load_four(args.sine + angle);
    }
  }
  wait_for_predecessor();
  let_successor_start();
  if (slot < 0) return;  // the whole block

  Four all_a{};
  Four all_b{};
  float squares[2];  // of either pair: summed apart over the lanes first, whose order of sums is that of single pairs a lane
  if (inside) {
    const Bf16* const from = args.qkv + (token * heads + head) * HeadDim;
    all_a = load_four(from + low);
    all_b = load_four(from + high);
  }
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    float2& a = all_a.pair[i];
    float2& b = all_b.pair[i];
    if (args.bias != nullptr) {
      a = {a.x + bias_a.pair[i].x, a.y + bias_a.pair[i].y};
      b = {b.x + bias_b.pair[i].x, b.y + bias_b.pair[i].y};
    }
    squares[i] = a.x * a.x + a.y * a.y + b.x * b.x + b.y * b.y;
  }
  // Every lane takes part in the sum, whether its head has a norm or not.
#pragma unroll
  for (int distance = kLanes / 2; distance > 0; distance /= 2) {
    for (float& each : squares) each += __shfl_xor_sync(~0u, each, distance);
  }
  if (!inside) return;
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    float2& a = all_a.pair[i];
    float2& b = all_b.pair[i];
    if (norm != nullptr) {
      const float factor = 1.0f / sqrtf((squares[0] + squares[1]) / HeadDim + args.epsilon);
      a = {a.x * factor * weight_a.pair[i].x, a.y * factor * weight_a.pair[i].y};
      b = {b.x * factor * weight_b.pair[i].x, b.y * factor * weight_b.pair[i].y};
    }
    if (!is_value) {
      const float2 cos = cosine.pair[i];
      const float2 sin = sine.pair[i];
      const float2 turned = {turned_by(a.x, cos.x, -b.x, sin.x), turned_by(a.y, cos.y, -b.y, sin.y)};
      b = {turned_by(a.x, sin.x, b.x, cos.x), turned_by(a.y, sin.y, b.y, cos.y)};
      a = turned;
    }
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
                         (is_value ? args.value_scales : args.key_scales) + row, low, all_a, all_b);
      return;
    }
    to += row * HeadDim;
  }
  store_four(to + low, all_a);
  store_four(to + high, all_b);
}

}  // namespace

void prepare_heads(const Heads& args, std::int32_t tokens, Stream stream) {
  if (args.head_dim != 64 && args.head_dim != 128) throw std::invalid_argument("head_dim must be 64 or 128");
  const std::int32_t heads_a_block = kThreads / (args.head_dim / 8);
  const std::int32_t heads = args.num_heads + 2 * args.num_kv_heads;
  const dim3 grid(static_cast<unsigned>(tokens), static_cast<unsigned>((heads + heads_a_block - 1) / heads_a_block));
  launch("prepare_heads", args.head_dim == 64 ? prepare_heads_kernel<64> : prepare_heads_kernel<128>, grid, dim3(kThreads), 0,
         stream, args);
}

}  // namespace tokenyard::kernels
