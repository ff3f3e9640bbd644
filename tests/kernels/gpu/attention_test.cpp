#include "kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "catch.h"
#include "core/base/fp8.h"
#include "kernels/card.h"
#include "tests/kernels/gpu/support/attention_problem.h"

namespace {

using namespace tokenyard;
using gpu::AttentionProblem;
using gpu::AttentionRequest;
using gpu::Bf16;
using kernels::AttentionRow;
using kernels::DecodeSplit;
using kernels::KvShape;

class Dice {
 public:
  explicit Dice(std::uint32_t seed) : dice_(seed) {}
  std::int32_t between(std::int32_t low, std::int32_t high) {
    return low + static_cast<std::int32_t>(dice_() % static_cast<std::uint32_t>(high - low + 1));
  }
  std::uint32_t word() { return static_cast<std::uint32_t>(dice_()); }

 private:
  std::mt19937 dice_;
};

constexpr std::int32_t kBlockSizes[] = {16, 32, 48, 64, 80, 128, 240, 256};

// A length near what is special: one, a granule, a tile, a chunk, or anything.
std::int32_t some_length(Dice& dice, std::int32_t most) {
  const std::int32_t around[] = {1, 16, 48, 64, 128, 256, 512, 768, 1024};
  const std::int32_t length =
      dice.between(0, 2) == 0 ? dice.between(1, most) : around[dice.between(0, 8)] + dice.between(-1, 1);
  return std::clamp(length, 1, most);
}

// Rows that compute the last positions of each request, `decode` of ten of them one token.
std::vector<AttentionRow> some_rows(Dice& dice, const std::vector<AttentionRequest>& requests, std::int32_t decode) {
  std::vector<AttentionRow> rows;
  for (std::int32_t r = 0; r < static_cast<std::int32_t>(requests.size()); ++r) {
    const std::int32_t context = requests[static_cast<std::size_t>(r)].context;
    const std::int32_t count = dice.between(1, 10) <= decode ? 1 : some_length(dice, context);
    rows.push_back({r, 0, context - count, count});
  }
  return rows;
}

std::string differing(const std::vector<Bf16>& a, const std::vector<Bf16>& b, std::size_t token_size) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::memcmp(&a[i], &b[i], sizeof(Bf16)) != 0) {
      return "token " + std::to_string(i / token_size) + " number " + std::to_string(i % token_size) + ": " +
             std::to_string(static_cast<double>(__bfloat162float(a[i]))) + ", " +
             std::to_string(static_cast<double>(__bfloat162float(b[i])));
    }
  }
  return a.size() == b.size() ? "" : "sizes";
}

}  // namespace

TEST_CASE("attention agrees with double precision on random shapes") {
  Dice dice(1);
  double worst = 0;
  for (int i = 0; i < 120; ++i) {
    const std::int32_t head_dim = i % 2 == 0 ? 128 : 64;
    const std::int32_t group = 1 + i / 2 % 8;
    const KvShape shape{2, 0, dice.between(1, 4), kBlockSizes[dice.between(0, 7)], head_dim};
    std::vector<AttentionRequest> requests;
    const std::int32_t count = dice.between(1, 6);
    std::int32_t tokens = 0;
    for (std::int32_t r = 0; r < count; ++r) {
      requests.push_back({dice.word(), some_length(dice, 1100)});
      tokens += requests.back().context;
    }
    AttentionProblem problem(shape, group, requests, tokens, dice.word());
    problem.plan(some_rows(dice, requests, dice.between(0, 10)));
    const std::vector<double> reference = problem.reference(1);
    for (const DecodeSplit split : {DecodeSplit::warps, DecodeSplit::teams}) {
      const std::vector<Bf16> out = problem.attend(1, split);
      const std::size_t size = problem.token_size();
      for (std::size_t t = 0; t < static_cast<std::size_t>(problem.num_tokens()); ++t) {
        const double error =
            gpu::relative_l2(std::span(out).subspan(t * size, size), std::span(reference).subspan(t * size, size));
        if (!(error < 8e-3)) {
          INFO("case " << i << " head_dim " << head_dim << " group " << group << " kv_heads " << shape.kv_heads
                       << " block_size " << shape.block_size << " requests " << count << " token " << t << " of "
                       << problem.num_tokens() << " teams " << (split == DecodeSplit::teams) << " error " << error);
          REQUIRE(error < 8e-3);
        }
        worst = std::max(worst, error);
      }
    }
  }
  CHECK(worst > 1e-4);  // bf16 output alone errs by 1e-3
  WARN("largest relative L2 of a token: " << worst);
}

TEST_CASE("attention gives the same bits however its work is cut") {
  Dice dice(2);
  for (int i = 0; i < 48; ++i) {
    const std::int32_t head_dim = i % 2 == 0 ? 128 : 64;
    const std::int32_t group = 1 + i / 2 % 8;
    const KvShape shape{1, 0, 2, kBlockSizes[dice.between(0, 7)], head_dim};
    const AttentionRequest request{dice.word(), some_length(dice, 1000)};
    const std::int32_t context = request.context;
    INFO("case " << i << " head_dim " << head_dim << " group " << group << " block_size " << shape.block_size << " context "
                 << context);

    // Every position by a decode of its own.
    AttentionProblem alone(shape, group, {request}, context, dice.word());
    std::vector<AttentionRow> rows;
    for (std::int32_t p = 0; p < context; ++p) rows.push_back({0, 0, p, 1});
    alone.plan(rows);
    const std::vector<Bf16> expected = alone.attend(0, DecodeSplit::warps);
    const std::size_t size = alone.token_size();
    REQUIRE(differing(expected, alone.attend(0, DecodeSplit::teams), size) == "");

    // In chunks of every kind: a row each, all in one step.
    for (int cut = 0; cut < 6; ++cut) {
      rows.clear();
      for (std::int32_t p = 0; p < context;) {
        const std::int32_t count = cut == 0 ? context : std::min(context - p, some_length(dice, 300));
        rows.push_back({0, 0, p, count});
        p += count;
      }
      alone.plan(rows);
      INFO("cut " << cut);
      REQUIRE(differing(expected, alone.attend(0), size) == "");
    }

    // Among companions, in other blocks, of another size.
    std::vector<AttentionRequest> requests;
    std::int32_t tokens = context;
    for (std::int32_t r = dice.between(1, 20); r > 0; --r) {
      requests.push_back({dice.word(), some_length(dice, 600)});
      tokens += requests.back().context;
    }
    const auto at = static_cast<std::size_t>(dice.between(0, static_cast<std::int32_t>(requests.size())));
    requests.insert(requests.begin() + static_cast<std::ptrdiff_t>(at), request);
    KvShape other = shape;
    other.block_size = kBlockSizes[dice.between(0, 7)];
    AttentionProblem batch(other, group, requests, tokens, dice.word());
    for (const std::int32_t count : {1, some_length(dice, context)}) {
      rows = some_rows(dice, requests, 7);
      rows[at] = {static_cast<std::int32_t>(at), 0, context - count, count};
      batch.plan(rows);
      std::int32_t before = 0;
      for (std::size_t r = 0; r < at; ++r) before += rows[r].count;
      const std::vector<Bf16> out = batch.attend(0);
      const auto cut = [&](const std::vector<Bf16>& from, std::int32_t first) {
        const auto begin = from.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(first) * size);
        return std::vector<Bf16>(begin, begin + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(count) * size));
      };
      REQUIRE(differing(cut(expected, context - count), cut(out, before), size) == "");
    }
  }
}

TEST_CASE("every fp8 code is read as the CPU reads it, at every scale") {
  for (std::int32_t exponent = fp8::kLeastExponent; exponent <= fp8::kMostExponent; ++exponent) {
    const std::vector<Bf16> got = gpu::fp8_as_bf16(exponent);
    for (int code = 0; code < 256; ++code) {
      INFO("code " << code << " exponent " << exponent);
      REQUIRE(static_cast<float>(got[static_cast<std::size_t>(code)]) ==
              fp8::decode(static_cast<std::uint8_t>(code), exponent));
    }
  }
}

TEST_CASE("attention over fp8 has the bits of attention over the same numbers in bf16") {
  Dice dice(3);
  for (int i = 0; i < 64; ++i) {
    const std::int32_t head_dim = i % 2 == 0 ? 128 : 64;
    const std::int32_t group = 1 + i / 2 % 8;
    const KvShape shape{2, 0, dice.between(1, 4), kBlockSizes[dice.between(0, 7)], head_dim, true};
    std::vector<AttentionRequest> requests;
    std::vector<AttentionRow> rows;
    std::int32_t tokens = 0;
    for (std::int32_t r = 0; r < 6; ++r) {
      requests.push_back({dice.word(), some_length(dice, 900)});
      const std::int32_t context = requests.back().context;
      const std::int32_t count = r % 2 == 0 ? 1 : dice.between(1, context);
      rows.push_back({r, 0, context - count, count});
      tokens += count;
    }
    INFO("case " << i << " head_dim " << head_dim << " group " << group << " block_size " << shape.block_size);
    AttentionProblem problem(shape, group, requests, tokens, dice.word());
    problem.plan(rows);
    for (const DecodeSplit split : {DecodeSplit::warps, DecodeSplit::teams}) {
      const std::vector<Bf16> expected = problem.attend_in_bf16(1, split);
      REQUIRE(differing(expected, problem.attend(1, split), problem.token_size()) == "");
      REQUIRE(differing(expected, problem.attend_unexpanded(1), problem.token_size()) == "");
      kernels::Card older = kernels::card();  // one without Hopper's warp-group products
      older.capability = 89;
      const kernels::PretendedCard pretended(older);
      REQUIRE(differing(expected, problem.attend_in_bf16(1, split), problem.token_size()) == "");
      REQUIRE(differing(expected, problem.attend(1, split), problem.token_size()) == "");
    }
  }
}

// Few new tokens and many old ones: Hopper's blocks are teams and hand a row's chunks to each other.
TEST_CASE("prefill behind a long context has the same bits on every card") {
  Dice dice(4);
  for (int i = 0; i < 16; ++i) {
    const std::int32_t head_dim = i % 2 == 0 ? 128 : 64;
    const std::int32_t group = dice.between(1, 8);
    const std::int32_t context = dice.between(1500, 5000);
    const std::int32_t count = dice.between(2, 300);
    const KvShape shape{1, 0, dice.between(1, 8), kBlockSizes[dice.between(0, 7)], head_dim, i / 2 % 2 == 0};
    INFO("case " << i << " head_dim " << head_dim << " group " << group << " kv_heads " << shape.kv_heads << " block_size "
                 << shape.block_size << " context " << context << " count " << count << " fp8 " << shape.fp8);
    AttentionProblem problem(shape, group, {{dice.word(), context}, {dice.word(), 700}}, count + 20, dice.word());
    problem.plan({{0, 0, context - count, count}, {1, 0, 680, 20}});
    const std::vector<Bf16> out = problem.attend(0);
    REQUIRE(differing(problem.attend_in_turn(0), out, problem.token_size()) == "");
    kernels::Card older = kernels::card();
    older.capability = 89;
    const kernels::PretendedCard pretended(older);
    REQUIRE(differing(problem.attend(0), out, problem.token_size()) == "");
  }
}

// As many decodes as fill a card several times, beside prefill that does likewise: blocks of both come and go.
TEST_CASE("decode and prefill at once have the bits of one after the other") {
  Dice dice(6);
  for (int i = 0; i < 8; ++i) {
    const std::int32_t head_dim = i % 2 == 0 ? 128 : 64;
    const std::int32_t group = dice.between(1, 4);
    const KvShape shape{1, 0, 8, 16, head_dim, i / 2 % 2 == 0};
    std::vector<AttentionRequest> requests;
    std::vector<AttentionRow> rows;
    std::int32_t tokens = 0;
    for (std::int32_t r = 0; r < 60; ++r) {
      requests.push_back({dice.word(), dice.between(1, 2500)});
      const std::int32_t context = requests.back().context;
      const std::int32_t count = r % 10 == 0 ? std::min(context, 700) : 1;
      rows.push_back({r, 0, context - count, count});
      tokens += count;
    }
    INFO("case " << i << " head_dim " << head_dim << " group " << group << " fp8 " << shape.fp8);
    AttentionProblem problem(shape, group, requests, tokens, dice.word());
    problem.plan(rows);
    const std::vector<Bf16> expected = problem.attend_in_turn(0);
    for (int times = 0; times < 3; ++times) REQUIRE(differing(expected, problem.attend(0), problem.token_size()) == "");
  }
}

TEST_CASE("the simple attention agrees with double precision") {
  for (const std::int32_t head_dim : {64, 128}) {
    AttentionProblem problem({1, 0, 2, 48, head_dim}, 3, {{1, 300}, {2, 77}, {3, 1}}, 3, 5);
    problem.plan({{0, 0, 299, 1}, {1, 0, 76, 1}, {2, 0, 0, 1}});
    REQUIRE(gpu::relative_l2(problem.attend_simply(0), problem.reference(0)) < 4e-3);
  }
}

// A captured graph has a fixed grid and reads the number of items on the device: one step's graph serves the next.
TEST_CASE("one captured decode serves every context and number of rows") {
  const std::vector<AttentionRequest> requests = {{1, 2000}, {2, 900}, {3, 1}, {4, 513}};
  AttentionProblem problem({1, 0, 2, 16, 128}, 2, requests, 4, 5);
  const std::vector<std::vector<AttentionRow>> steps = {
      {{0, 0, 1999, 1}, {1, 0, 899, 1}, {2, 0, 0, 1}, {3, 0, 512, 1}}, {{3, 0, 0, 1}}, {{0, 0, 255, 1}, {1, 0, 256, 1}}};
  problem.plan(steps[0]);
  gpu::CapturedGraph graph([&](kernels::Stream stream) { problem.launch_decode(0, DecodeSplit::automatic, stream); });
  for (const std::vector<AttentionRow>& rows : steps) {
    problem.plan(rows);
    const std::vector<Bf16> expected = problem.attend(0);
    REQUIRE(differing(expected, problem.attend_by(graph), problem.token_size()) == "");
  }
}

// Small: for compute-sanitizer, whose tools slow it a hundredfold.
TEST_CASE("attention of a small step", "[small]") {
  for (const std::int32_t head_dim : {64, 128}) {
    const std::vector<AttentionRequest> requests = {{1, 300}, {2, 77}, {3, 1}, {4, 530}};
    AttentionProblem problem({1, 0, 2, 16, head_dim}, 3, requests, 300, 5);
    problem.plan({{0, 0, 299, 1}, {1, 0, 7, 70}, {2, 0, 0, 1}, {3, 0, 500, 30}, {3, 0, 400, 1}});
    const std::vector<double> reference = problem.reference(0);
    for (const DecodeSplit split : {DecodeSplit::warps, DecodeSplit::teams}) {
      REQUIRE(gpu::relative_l2(problem.attend(0, split), reference) < 4e-3);
    }
  }
}
