#include "core/base/model_shape.h"

#include <algorithm>
#include <vector>

#include "catch.h"
#include "core/base/input_error.h"
#include "core/base/model_json.h"

using namespace tokenyard;

TEST_CASE("parameters are those the models' cards name") {
  // Within 0.1 %: norm weights are left out.
  const auto billions = [](const char* name) { return static_cast<double>(find_model(name).parameters()) / 1e9; };
  CHECK(billions("llama-3.1-8b") == Approx(8.030).epsilon(0.001));
  CHECK(billions("llama-3.1-70b") == Approx(70.554).epsilon(0.001));
  CHECK(billions("qwen3-0.6b") == Approx(0.596).epsilon(0.001));
  CHECK(billions("qwen3-4b") == Approx(4.022).epsilon(0.001));
  CHECK(billions("qwen3-8b") == Approx(8.191).epsilon(0.001));
  CHECK(billions("qwen3-14b") == Approx(14.768).epsilon(0.001));
  CHECK(billions("qwen3-32b") == Approx(32.762).epsilon(0.001));
  CHECK(billions("smollm2-135m") == Approx(0.1345).epsilon(0.001));
}

TEST_CASE("K/V bytes of a token") {
  CHECK(find_model("qwen3-0.6b").kv_bytes_per_token() == 114688);
  CHECK(find_model("llama-3.1-8b").kv_bytes_per_token() == 131072);
  CHECK(find_model("llama-3.1-70b").kv_bytes_per_token(4) == 2 * 80 * 2 * 128 * 2);
  CHECK(find_model("llama-3.1-70b").kv_bytes_per_token(16) == 2 * 80 * 1 * 128 * 2);  // K/V heads are copied
}

TEST_CASE("weights are split over ranks, but for copied K/V projections") {
  const ModelShape m = find_model("llama-3.1-70b");
  CHECK(m.weight_bytes(1) == 2 * m.parameters());
  CHECK(m.weight_bytes(8) * 8 == m.weight_bytes(1));
  const std::int64_t copied = 2 * std::int64_t{8192} * 128 * 8 * 80 * 2;  // each of 16 ranks keeps one of 8 heads' K and V
  CHECK(m.weight_bytes(16) * 16 == m.weight_bytes(1) + copied);
}

TEST_CASE("every part of a model has its ranks, in order") {
  const ModelShape m = find_model("qwen3-32b");  // 64 query and 8 K/V heads
  for (const std::int32_t ranks : {1, 2, 4, 8, 16, 64}) {
    std::int32_t heads = 0, intermediate = 0, vocabulary = 0;
    std::vector<std::int32_t> holders(8);
    for (std::int32_t rank = 0; rank < ranks; ++rank) {
      const RankShare share = share_of(m, rank, ranks);
      CHECK(share.heads.first == heads);
      CHECK(share.intermediate.first == intermediate);
      CHECK(share.vocabulary.first == vocabulary);
      heads += share.heads.count;
      intermediate += share.intermediate.count;
      vocabulary += share.vocabulary.count;
      for (std::int32_t h = 0; h < share.kv_heads.count; ++h) ++holders.at(static_cast<std::size_t>(share.kv_heads.first + h));
      // A rank has the K/V heads of its query heads, and no others.
      CHECK(share.heads.first / m.group() == share.kv_heads.first);
      const std::int32_t last_head = share.heads.first + share.heads.count - 1;
      CHECK(last_head / m.group() == share.kv_heads.first + share.kv_heads.count - 1);
    }
    CHECK(heads == m.num_heads);
    CHECK(intermediate == m.intermediate);
    CHECK(vocabulary == m.vocabulary);
    CHECK(holders == std::vector<std::int32_t>(8, std::max(1, ranks / 8)));
  }
}

TEST_CASE("what ranks do not divide is refused with the numbers") {
  const auto error = [](const ModelShape& model, std::int32_t ranks) -> std::string {
    try {
      share_of(model, 0, ranks);
    } catch (const InputError& e) {
      return e.what();
    }
    return "accepted";
  };
  const ModelShape good = find_model("llama-3.1-8b");
  CHECK(error(good, 32) == "accepted");
  CHECK(error(good, 3) == "tensor_parallel: 3 ranks do not divide the model's 32 query heads");
  CHECK(error(good, 64) == "tensor_parallel: 64 ranks do not divide the model's 32 query heads");
  ModelShape odd = good;
  odd.num_heads = 12;
  odd.num_kv_heads = 6;
  CHECK(error(odd, 4) == "tensor_parallel: 4 ranks neither divide the model's 6 K/V heads nor are a multiple of them");
  odd = good;
  odd.intermediate = 1001;
  CHECK(error(odd, 2) == "tensor_parallel: 2 ranks do not divide the model's intermediate size of 1001");
  odd = good;
  odd.vocabulary = 32003;
  CHECK(error(odd, 2) == "tensor_parallel: 2 ranks do not divide the model's vocabulary of 32003");
}

TEST_CASE("experts count as parameters, and their width is split") {
  ModelShape mixtral;  // 8x7B
  mixtral.num_layers = 32;
  mixtral.hidden = 4096;
  mixtral.num_heads = 32;
  mixtral.num_kv_heads = 8;
  mixtral.head_dim = 128;
  mixtral.intermediate = 14336;
  mixtral.experts = Experts{8, 2, 14336};
  mixtral.vocabulary = 32000;
  CHECK(static_cast<double>(mixtral.parameters()) / 1e9 == Approx(46.703).epsilon(0.001));
  CHECK(share_of(mixtral, 1, 4).intermediate.first == 3584);
  const std::int64_t routers = std::int64_t{32} * 8 * 4096 * 2;  // whole on both ranks
  CHECK(mixtral.weight_bytes(2) * 2 == mixtral.weight_bytes(1) + routers);
}
