// Norms over ranks: what one card computes from the sum of all partial results, bit by bit, whichever route they take, also in
// a graph that is replayed; and the end of waiting for a rank that does not come. Ranks for which there is no card share one.
#include "kernels/rank_norm.h"

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstring>
#include <random>
#include <thread>

#include "catch.h"
#include "kernels/simple/simple.h"
#include "tests/kernels/gpu/support/ranks.h"

namespace tokenyard {
namespace {

using gpu::DeviceArray;
using kernels::Bf16;
using kernels::RankRoute;

std::vector<float> some_floats(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> out(n);
  for (float& x : out) x = static_cast<float>(random() >> 8) / (1 << 22) - 2;
  return out;
}

struct Case {
  std::int32_t ranks, rows, hidden;
  RankRoute route;
};

std::vector<std::uint16_t> bits(const DeviceArray<Bf16>& array) {
  const std::vector<Bf16> values = array.download();
  std::vector<std::uint16_t> out(values.size());
  std::memcpy(out.data(), values.data(), 2 * values.size());
  return out;
}

// Twice two norms, so that buffers and flags are used again, in a graph, three times.
void check_case(const Case& c) {
  const std::size_t n = static_cast<std::size_t>(c.rows) * static_cast<std::size_t>(c.hidden);
  const std::vector<std::int32_t> tokens_of = {c.rows - 1, 0, -1, c.rows / 2};
  const std::vector<Bf16> weight_values(static_cast<std::size_t>(c.hidden), __float2bfloat16(0.75f));
  const std::vector<float> start = some_floats(n, 99);
  std::vector<std::vector<float>> parts;
  for (int i = 0; i < 2 * c.ranks; ++i) parts.push_back(some_floats(n, static_cast<unsigned>(i)));
  const auto part = [&](int site, std::int32_t rank) { return parts[static_cast<std::size_t>(site % 2 * c.ranks + rank)]; };

  // One card, from all partial results.
  gpu::check(cudaSetDevice(0), "cudaSetDevice");
  std::vector<std::uint16_t> expected;
  std::vector<std::uint16_t> expected_rows;
  {
    DeviceArray<float> residual(start);
    const DeviceArray<Bf16> weight(weight_values);
    const DeviceArray<Bf16> out(n);
    const DeviceArray<Bf16> rows(4 * static_cast<std::size_t>(c.hidden));
    const DeviceArray<std::int32_t> device_tokens_of(tokens_of);
    std::vector<std::vector<DeviceArray<float>>> on_card(2);
    for (int site = 0; site < 2; ++site) {
      for (std::int32_t r = 0; r < c.ranks; ++r) on_card[static_cast<std::size_t>(site)].emplace_back(part(site, r));
    }
    kernels::RankNorm args{};
    args.norm = {residual.data(), {nullptr, nullptr}, weight.data(), 1e-5f, c.hidden, out.data()};
    args.links.ranks = c.ranks;
    const DeviceArray<float> sum(n);
    const DeviceArray<float> zeros(std::vector<float>(n, 0.0f));
    kernels::Norm norm = args.norm;
    norm.partial[0] = sum.data();
    norm.partial[1] = zeros.data();
    const auto add = [&](int site) {
      for (std::int32_t r = 0; r < c.ranks; ++r) {
        args.partial[r] = on_card[static_cast<std::size_t>(site % 2)][static_cast<std::size_t>(r)].data();
      }
      kernels::simple::sum_over_ranks(args, c.rows, sum.data(), nullptr);
    };
    for (int site = 0; site < 4; ++site) {
      add(site);
      kernels::add_and_norm(norm, c.rows, nullptr);
    }
    add(4);
    norm.out = rows.data();
    kernels::gather_and_norm(norm, device_tokens_of.data(), 4, nullptr);
    gpu::synchronize();
    expected = bits(out);
    expected_rows = bits(rows);
  }

  gpu::LinkedCards cards(c.ranks, 5);
  struct Card {
    std::unique_ptr<DeviceArray<float>> residual, start, partial[2];
    std::vector<DeviceArray<float>> here[2];  // all ranks' partial results, where they are gathered
    std::unique_ptr<DeviceArray<Bf16>> weight, out, rows;
    std::unique_ptr<DeviceArray<std::int32_t>> tokens_of;
  };
  std::vector<Card> all(static_cast<std::size_t>(c.ranks));
  gpu::on_ranks(c.ranks, [&](std::int32_t r) {
    Card& card = all[static_cast<std::size_t>(r)];
    card.residual = std::make_unique<DeviceArray<float>>(start);
    card.start = std::make_unique<DeviceArray<float>>(start);
    for (int site = 0; site < 2; ++site) {
      card.partial[site] = std::make_unique<DeviceArray<float>>(part(site, r));
      for (std::int32_t q = 0; q < (c.route == RankRoute::gathered ? c.ranks : 0); ++q)
        card.here[site].emplace_back(part(site, q));
    }
    card.weight = std::make_unique<DeviceArray<Bf16>>(weight_values);
    card.out = std::make_unique<DeviceArray<Bf16>>(n);
    card.rows = std::make_unique<DeviceArray<Bf16>>(4 * static_cast<std::size_t>(c.hidden));
    card.tokens_of = std::make_unique<DeviceArray<std::int32_t>>(tokens_of);
    gpu::synchronize();
  });
  std::vector<std::vector<std::uint16_t>> out(all.size());
  std::vector<std::vector<std::uint16_t>> rows(all.size());
  std::barrier together(c.ranks);
  gpu::on_ranks(c.ranks, [&](std::int32_t r) {
    Card& card = all[static_cast<std::size_t>(r)];
    kernels::RankNorm args{};
    args.norm = {card.residual->data(), {nullptr, nullptr}, card.weight->data(), 1e-5f, c.hidden, card.out->data()};
    args.links = cards.links(r);
    // In two pieces what is gathered, else at once.
    const auto in_pieces = [&](int site, const auto& run) {
      if (c.route != RankRoute::gathered) return run(args, c.rows);
      kernels::RankNorm piece = args;
      for (const std::int32_t end : {c.rows / 2, c.rows}) {
        for (std::size_t q = 0; q < all.size(); ++q) {
          piece.partial[q] = card.here[site % 2][q].data() + std::int64_t{piece.first} * c.hidden;
        }
        if (end > piece.first) run(piece, end - piece.first);
        piece.first = end;
      }
    };
    const auto launch = [&](kernels::Stream stream) {
      kernels::next_step(args.links, stream);
      for (int site = 0; site < 4; ++site) {
        args.site = site;
        args.norm.out = card.out->data();
        for (std::size_t q = 0; q < all.size(); ++q) {
          args.partial[q] = all[q].partial[site % 2]->data();
          args.out[q] = all[q].out->data();
        }
        in_pieces(site, [&](const kernels::RankNorm& piece, std::int32_t count) {
          kernels::add_and_norm_over_ranks(piece, count, c.route, stream);
        });
      }
      args.site = 4;
      for (std::size_t q = 0; q < all.size(); ++q) args.partial[q] = all[q].partial[0]->data();
      args.norm.out = card.rows->data();
      for (std::size_t q = 0; q < all.size(); ++q) args.out[q] = all[q].rows->data();
      in_pieces(0, [&](const kernels::RankNorm& piece, std::int32_t count) {
        kernels::gather_and_norm_over_ranks(piece, card.tokens_of->data(), 4, count, c.route, stream);
      });
    };
    cudaStream_t stream = nullptr;
    gpu::check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
    const gpu::CapturedGraph graph(launch);
    // At first nobody waits: a launch that takes memory would wait for ranks that wait on the same card.
    if (r == 0) cards.set_failed(1);
    together.arrive_and_wait();
    for (int replay = 0; replay < 4; ++replay) {
      gpu::check(cudaMemcpyAsync(card.residual->data(), card.start->data(), n * 4, cudaMemcpyDeviceToDevice, stream),
                 "copying");
      graph.launch(stream);
      if (replay > 0) continue;
      gpu::check(cudaStreamSynchronize(stream), "running");
      together.arrive_and_wait();
      if (r == 0) cards.set_failed(0);
      together.arrive_and_wait();
    }
    gpu::check(cudaStreamSynchronize(stream), "running");
    cudaStreamDestroy(stream);
    out[static_cast<std::size_t>(r)] = bits(*card.out);
    rows[static_cast<std::size_t>(r)] = bits(*card.rows);
  });
  CHECK(cards.late() == 0);
  for (std::size_t r = 0; r < all.size(); ++r) {
    INFO("rank " << r);
    CHECK(out[r] == expected);
    CHECK(rows[r] == expected_rows);
  }
  gpu::check(cudaSetDevice(0), "cudaSetDevice");
}

TEST_CASE("norms over ranks: one card's bits by every route") {
  for (const std::int32_t ranks : {1, 2, 4, 8}) {
    const gpu::CardsFor cards(ranks);
    for (const std::int32_t hidden : {8, 576, 1024, 4096, 8192}) {
      for (const std::int32_t rows : {1, 3, 8, 37, 300}) {
        for (const RankRoute route : {RankRoute::packets, RankRoute::one_shot, RankRoute::two_shot, RankRoute::gathered}) {
          if (!cards.have_room(rows, std::max(32, hidden / 8))) continue;
          // Four rows are gathered at the end.
          if (route == RankRoute::packets && std::int64_t{std::max(4, rows)} * hidden > kernels::kMostPacketNumbers) continue;
          if (route == RankRoute::two_shot && rows < ranks) continue;
          INFO(ranks << " ranks, " << rows << " x " << hidden << ", route " << static_cast<int>(route));
          check_case({ranks, rows, hidden, route});
        }
      }
    }
  }
}

TEST_CASE("logits of all ranks' shares, aligned or not") {
  for (const std::int32_t ranks : {1, 2, 4, 8}) {
    const gpu::CardsFor enough(ranks);
    for (const std::int32_t share : {3, 50, 64, 4000}) {
      const std::int32_t share_stride = (share + 7) / 8 * 8;
      const std::int32_t stride = (ranks * share + 7) / 8 * 8;
      const std::int32_t rows = 5;
      gpu::LinkedCards cards(ranks, 1);
      std::vector<std::unique_ptr<DeviceArray<Bf16>>> shares(static_cast<std::size_t>(ranks));
      gpu::on_ranks(ranks, [&](std::int32_t r) {
        std::vector<Bf16> values;
        for (std::int32_t i = 0; i < rows * share_stride; ++i) {
          values.push_back(__float2bfloat16(static_cast<float>(r * 29 + i / share_stride * 5 + i % share_stride % 29)));
        }
        shares[static_cast<std::size_t>(r)] = std::make_unique<DeviceArray<Bf16>>(values);
      });
      std::vector<int> wrong(shares.size());
      std::barrier together(ranks);
      gpu::on_ranks(ranks, [&](std::int32_t r) {
        const DeviceArray<Bf16> out(static_cast<std::size_t>(rows * stride));
        kernels::RankLogits args{};
        for (std::size_t q = 0; q < shares.size(); ++q) args.shares[q] = shares[q]->data();
        args.share = share;
        args.share_stride = share_stride;
        args.out = out.data();
        args.stride = stride;
        args.links = cards.links(r);
        cudaStream_t stream = nullptr;
        gpu::check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
        for (const std::uint32_t failed : {1u, 0u}) {  // once without waiting, as above
          if (r == 0) cards.set_failed(failed);
          together.arrive_and_wait();
          kernels::next_step(args.links, stream);
          kernels::gather_logits(args, rows, false, stream);
          gpu::check(cudaStreamSynchronize(stream), "running");
          together.arrive_and_wait();
        }
        cudaStreamDestroy(stream);
        const std::vector<Bf16> found = out.download();
        for (std::int32_t row = 0; row < rows; ++row) {
          for (std::int32_t t = 0; t < ranks * share; ++t) {
            const float want = static_cast<float>(t / share * 29 + row * 5 + t % share % 29);
            wrong[static_cast<std::size_t>(r)] += __bfloat162float(found[static_cast<std::size_t>(row * stride + t)]) != want;
          }
        }
      });
      CHECK(std::all_of(wrong.begin(), wrong.end(), [](int n) { return n == 0; }));
    }
  }
  gpu::check(cudaSetDevice(0), "cudaSetDevice");
}

TEST_CASE("norms over ranks: a rank that does not come is named, again and again until the waiting is ended") {
  const gpu::CardsFor enough(2);
  for (const RankRoute route : {RankRoute::packets, RankRoute::one_shot, RankRoute::two_shot}) {
    gpu::LinkedCards cards(2, 2);
    gpu::check(cudaSetDevice(0), "cudaSetDevice");
    DeviceArray<float> residual(std::vector<float>(8 * 1024));
    DeviceArray<float> partial(std::vector<float>(8 * 1024));
    const DeviceArray<Bf16> weight(std::vector<Bf16>(1024));
    const DeviceArray<Bf16> out(8 * 1024);
    kernels::RankNorm args{};
    args.norm = {residual.data(), {nullptr, nullptr}, weight.data(), 1e-5f, 1024, out.data()};
    args.links = cards.links(0);
    for (int q = 0; q < 2; ++q) {
      args.partial[q] = partial.data();
      args.out[q] = out.data();
    }
    const auto start = std::chrono::steady_clock::now();
    kernels::next_step(args.links, nullptr);
    for (args.site = 0; args.site < 2; ++args.site) kernels::add_and_norm_over_ranks(args, 8, route, nullptr);
    for (int times = 1; times <= (route == RankRoute::packets ? 2 : 1); ++times) {
      while (cards.late() == 0 && std::chrono::steady_clock::now() - start < std::chrono::seconds(10)) {
      }
      CHECK(cards.late() == 2);
      const auto waited = std::chrono::steady_clock::now() - start;
      CHECK(waited > times * std::chrono::milliseconds(4300));
      CHECK(waited < times * std::chrono::milliseconds(4900));
      std::this_thread::sleep_for(std::chrono::milliseconds(50));  // every block that waits says so
      cards.set_late(0);
    }
    const auto told = std::chrono::steady_clock::now();
    cards.set_failed(1);
    gpu::synchronize();
    CHECK(std::chrono::steady_clock::now() - told < std::chrono::milliseconds(100));
  }
}

}  // namespace
}  // namespace tokenyard
