// The operations of kernels/ as anyone would write them first; their pages in docs/kernels/ begin with these. Parameters and
// results are those of the fast ones, but the last bits may differ. Only tests and benchmarks are built with them.
#pragma once

#include "kernels/attention.h"
#include "kernels/heads.h"
#include "kernels/norm.h"
#include "kernels/rank_norm.h"
#include "kernels/sample.h"

namespace tokenyard::kernels::simple {

void add_and_norm(const Norm& args, std::int32_t tokens, Stream stream);
void gather_and_norm(const Norm& args, const std::int32_t* tokens_of, std::int32_t rows, Stream stream);
// Only the sum of args.partial, [tokens, hidden], all of it in memory of this card.
void sum_over_ranks(const RankNorm& args, std::int32_t tokens, float* sum, Stream stream);
void prepare_heads(const Heads& args, std::int32_t tokens, Stream stream);
void swiglu(const Bf16* gate_up, std::int32_t tokens, std::int32_t intermediate, Bf16* out, Stream stream);
void small_gemm(const Bf16* weight, const Bf16* x, std::int32_t tokens, std::int32_t rows, std::int32_t columns, Bf16* out,
                Stream stream);

// Decode attention. REQUIRES: contexts below 50,000, whose scores find room in shared memory.
struct Attention {
  const Bf16* q;   // [tokens][heads][head_dim]
  const Bf16* kv;  // a cache of `shape`
  KvShape shape;
  std::int32_t layer;
  std::int32_t group;          // query heads of one K/V head
  const std::int32_t* tables;  // [..][table_stride] block ids
  std::int32_t table_stride;
  const AttentionRow* rows;  // [num_rows] on the device, of one token each
  std::int32_t num_rows;
  Bf16* out;  // [tokens][heads][head_dim], written
};
void attention(const Attention& args, Stream stream);

// The same tokens, bit by bit, but no log probabilities.
void sample(const Sample& args, std::int32_t rows, Stream stream);

}  // namespace tokenyard::kernels::simple
