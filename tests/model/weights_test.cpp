#include "backends/model/weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "backends/model/rope.h"
#include "catch.h"
#include "core/base/input_error.h"
#include "tiny_model.h"

namespace tokenyard {
namespace {

using test::TempFolder;
using test::TinyModel;
using test::TinyTensor;

std::string loading_error(const TinyModel& tiny, const std::vector<TinyTensor>& tensors) {
  const TempFolder folder;
  folder.write("config.json", tiny.config());
  folder.write("model.safetensors", test::safetensors(tensors));
  try {
    const Weights weights(folder.path());
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

std::vector<float> row_of(const Matrix& matrix, std::int64_t r) {
  std::vector<float> out(static_cast<std::size_t>(matrix.columns));
  to_floats(matrix.dtype, matrix.row(r), matrix.columns, out.data());
  return out;
}

TEST_CASE("weights: every family loads, and counts its parameters") {
  const ModelFamily family = GENERATE(ModelFamily::llama, ModelFamily::qwen2, ModelFamily::qwen3);
  const bool tied = GENERATE(false, true);
  const TinyModel tiny{.family = family, .dtype = DType::bf16, .tied = tied};
  const TempFolder folder;
  tiny.write(folder);
  const Weights weights(folder.path());
  std::int64_t bytes = 0;
  for (const TinyTensor& tensor : tiny.tensors()) bytes += static_cast<std::int64_t>(tensor.bytes.size());
  CHECK(weights.num_bytes() == bytes);
  CHECK(weights.num_parameters() == bytes / 2);
  CHECK((weights.whole().head.data == weights.whole().embedding.data) == tied);
  CHECK(bool(weights.whole().layers[1].q_bias) == (family == ModelFamily::qwen2));
  CHECK(bool(weights.whole().layers[1].k_norm) == (family == ModelFamily::qwen3));
}

TEST_CASE("weights: a tensor that is missing, besides, or of another shape is named") {
  const TinyModel tiny{.family = ModelFamily::qwen2};
  const auto good = tiny.tensors();
  CHECK(loading_error(tiny, good) == "accepted");
  for (std::size_t i = 0; i < good.size(); ++i) {
    auto missing = good;
    missing.erase(missing.begin() + static_cast<std::ptrdiff_t>(i));
    CHECK_THAT(loading_error(tiny, missing), has_text("model.safetensors: " + good[i].name + ": expected a tensor of shape ["));
    auto misshaped = good;
    misshaped[i].shape.push_back(1);
    CHECK_THAT(loading_error(tiny, misshaped), has_text("model.safetensors: " + good[i].name + ": expected shape ["));
  }
  auto more = good;
  more.push_back({"model.layers.2.mlp.up_proj.weight", "F32", {1}, "abcd"});
  CHECK_THAT(loading_error(tiny, more), has_text("model.layers.2.mlp.up_proj.weight: expected no such tensor in this model"));
  auto normed = good;
  normed.push_back({"model.layers.0.self_attn.q_norm.weight", "F32", {1}, "abcd"});
  CHECK_THAT(loading_error(tiny, normed), has_text("model.layers.0.self_attn.q_norm.weight: expected no such tensor"));
}

TEST_CASE("weights: a truncated file") {
  const TinyModel tiny;
  const TempFolder folder;
  folder.write("config.json", tiny.config());
  const std::string whole = test::safetensors(tiny.tensors());
  for (const std::size_t bytes : {whole.size() - 1, whole.size() / 2, std::size_t{100}, std::size_t{8}, std::size_t{0}}) {
    folder.write("model.safetensors", whole.substr(0, bytes));
    CHECK_THROWS_AS(Weights(folder.path()), InputError);
  }
}

TEST_CASE("weights: a tied model's own head counts where it is not the embedding") {
  const TinyModel tied{.tied = true};
  auto tensors = TinyModel{}.tensors();
  const TempFolder folder;
  folder.write("config.json", tied.config());
  folder.write("model.safetensors", test::safetensors(tensors));
  const Weights different(folder.path());
  CHECK_FALSE(different.config().shape.tied_head);
  REQUIRE(different.notes().size() == 1);
  CHECK_THAT(different.notes()[0], has_text("model.safetensors: lm_head.weight: differs from the embedding and is the head"));
  CHECK(row_of(different.whole().head, 7) != row_of(different.whole().embedding, 7));
  tensors.back().bytes = tensors.front().bytes;
  const TempFolder same;
  same.write("config.json", tied.config());
  same.write("model.safetensors", test::safetensors(tensors));
  const Weights equal(same.path());
  CHECK(equal.config().shape.tied_head);
  CHECK(equal.notes().empty());
  CHECK(equal.whole().head.data == equal.whole().embedding.data);
  CHECK(equal.num_parameters() == different.num_parameters() - 100 * 32);
  tensors.back().shape = {tensors.back().shape[1], tensors.back().shape[0]};
  CHECK_THAT(loading_error(tied, tensors), has_text("lm_head.weight: expected shape [100, 32], found [32, 100]"));
}

TEST_CASE("weights: buffers saved beside them are passed over with a note, biases and other tensors are not") {
  const TinyModel tiny;
  auto tensors = tiny.tensors();
  tensors.insert(tensors.begin(), {"model.layers.0.self_attn.rotary_emb.inv_freq", "F32", {1}, "abcd"});
  tensors.push_back({"model.layers.0.self_attn.masked_bias", "F32", {}, "abcd"});
  tensors.push_back({"model.layers.0.self_attn.bias", "BOOL", {1, 1, 3}, "abc"});
  tensors.push_back({"model.position_ids", "I64", {2}, "0123456789abcdef"});
  const TempFolder folder;
  folder.write("config.json", tiny.config());
  folder.write("model.safetensors", test::safetensors(tensors));
  const Weights weights(folder.path());
  REQUIRE(weights.notes().size() == 1);
  CHECK_THAT(weights.notes()[0], has_text("rotary_emb.inv_freq and 3 more: passed over, as they are no weights"));
  const TempFolder plain;
  tiny.write(plain);
  CHECK(row_of(weights.whole().head, 7) == row_of(Weights(plain.path()).whole().head, 7));
  CHECK(weights.num_parameters() == Weights(plain.path()).num_parameters());
  tensors.push_back({"model.layers.0.self_attn.q_proj.bias", "F32", {1}, "abcd"});
  CHECK_THAT(loading_error(tiny, tensors), has_text("q_proj.bias: expected no such tensor"));
  tensors.back() = {"model.layers.0.self_attn.masked_bias.scale", "I64", {1}, "01234567"};
  CHECK_THAT(loading_error(tiny, tensors), has_text("/dtype: expected BF16, F16 or F32, found \"I64\""));
}

TEST_CASE("weights: the slices of two ranks are the whole") {
  const TinyModel tiny{.family = ModelFamily::qwen2};
  const TempFolder folder;
  tiny.write(folder);
  const Weights weights(folder.path());
  const WeightView& whole = weights.whole();
  const WeightView slices[2] = {weights.slice(0, 2), weights.slice(1, 2)};
  const LayerWeights& layer = whole.layers[1];
  const auto joined_rows = [&](auto member, const Matrix& matrix) {
    for (std::int64_t r = 0; r < matrix.rows; ++r) {
      const Matrix& half = slices[r * 2 / matrix.rows].layers[1].*member;
      REQUIRE(half.rows * 2 == matrix.rows);
      CHECK(row_of(half, r % half.rows) == row_of(matrix, r));
    }
  };
  joined_rows(&LayerWeights::q, layer.q);
  joined_rows(&LayerWeights::k, layer.k);
  joined_rows(&LayerWeights::v, layer.v);
  joined_rows(&LayerWeights::gate, layer.gate);
  joined_rows(&LayerWeights::up, layer.up);
  const auto joined_columns = [&](auto member, const Matrix& matrix) {
    for (std::int64_t r = 0; r < matrix.rows; ++r) {
      auto row = row_of(slices[0].layers[1].*member, r);
      const auto second = row_of(slices[1].layers[1].*member, r);
      row.insert(row.end(), second.begin(), second.end());
      CHECK(row == row_of(matrix, r));
    }
  };
  joined_columns(&LayerWeights::o, layer.o);
  joined_columns(&LayerWeights::down, layer.down);
  auto bias = to_floats(slices[0].layers[1].k_bias);
  const auto second = to_floats(slices[1].layers[1].k_bias);
  bias.insert(bias.end(), second.begin(), second.end());
  CHECK(bias == to_floats(layer.k_bias));
  CHECK(slices[1].first_head_row == 50);
  CHECK(row_of(slices[1].head, 3) == row_of(whole.head, 53));
  CHECK(slices[1].embedding.rows == 100);
  CHECK_THROWS_WITH(weights.slice(0, 3), has_text("3 ranks do not divide the model's 4 query heads"));
}

TEST_CASE("weights: with fewer K/V heads than ranks each is held by the ranks of its query heads") {
  const TinyModel tiny{.family = ModelFamily::qwen2};  // 4 query and 2 K/V heads of 8
  const TempFolder folder;
  tiny.write(folder);
  const Weights weights(folder.path());
  const LayerWeights& whole = weights.whole().layers[0];
  const std::vector<float> bias = to_floats(whole.v_bias);
  for (std::int32_t rank = 0; rank < 4; ++rank) {
    const WeightView view = weights.slice(rank, 4);
    const LayerWeights& layer = view.layers[0];
    const std::int64_t first = rank / 2 * 8;
    REQUIRE(layer.q.rows == 8);
    REQUIRE(layer.k.rows == 8);
    CHECK(row_of(layer.q, 3) == row_of(whole.q, rank * 8 + 3));
    CHECK(row_of(layer.k, 3) == row_of(whole.k, first + 3));
    CHECK(row_of(layer.v, 7) == row_of(whole.v, first + 7));
    CHECK(to_floats(layer.v_bias) == std::vector<float>(bias.begin() + first, bias.begin() + first + 8));
    CHECK(view.first_head_row == 25 * rank);
  }
}

TEST_CASE("weights: stored numbers become the floats they are") {
  const auto one = [](DType dtype, std::uint32_t bits) {
    float out = 0;
    std::byte bytes[5];
    std::memcpy(bytes + 1, &bits, 4);  // unaligned
    to_floats(dtype, bytes + 1, 1, &out);
    return out;
  };
  CHECK(one(DType::bf16, 0x3f80) == 1);
  CHECK(one(DType::bf16, 0xc049) == -3.140625f);
  CHECK(one(DType::f32, 0x40490fdb) == 3.14159274f);
  CHECK(std::isinf(one(DType::f16, 0xfc00)));
  CHECK(std::isnan(one(DType::f16, 0x7e00)));
  for (std::uint32_t bits = 0; bits < 0x7c00; ++bits) {  // all finite fp16
    const std::uint32_t exponent = bits >> 10;
    const double value =
        exponent == 0 ? std::ldexp(bits & 0x3ff, -24) : std::ldexp((bits & 0x3ff) + 1024, static_cast<int>(exponent) - 25);
    REQUIRE(one(DType::f16, bits) == value);
    REQUIRE(one(DType::f16, bits | 0x8000) == -value);
  }
}

TEST_CASE("rope: angles agree with the C library's, also with Llama 3's scaling") {
  const bool scaled = GENERATE(false, true);
  const TinyModel tiny{.head_dim = 64,
                       .rope_scaling = scaled ? R"({"rope_type":"llama3","factor":8,"low_freq_factor":1,"high_freq_factor":4,)"
                                                R"("original_max_position_embeddings":1024})"
                                              : "null"};
  const ModelShape shape = parse_model_config(tiny.config(), "config.json").shape;
  const auto frequencies = rope_frequencies(shape);
  REQUIRE(frequencies.size() == 32);
  int kept = 0;
  int divided = 0;
  for (std::size_t i = 0; i < 32; ++i) {
    const double plain = std::pow(10000.0, -2.0 * static_cast<double>(i) / 64);
    const double wavelength = 2 * 3.14159265358979 / plain;
    double expected = plain;
    if (scaled) {
      const double smooth = (1024 / wavelength - 1) / 3;
      expected = wavelength < 256 ? plain : wavelength > 1024 ? plain / 8 : (1 - smooth) * plain / 8 + smooth * plain;
    }
    kept += expected == plain;
    divided += expected == plain / 8;
    CHECK(frequencies[i] == Approx(expected).epsilon(5e-7));
  }
  CHECK(kept > 0);
  CHECK((!scaled || (divided > 0 && kept + divided < 32)));
  const RopeTable table = make_rope_table(shape, 20000);
  float worst = 0;
  for (std::size_t p = 0; p < 20000; ++p) {
    for (std::size_t i = 0; i < 32; ++i) {
      const double angle = static_cast<float>(p) * frequencies[i];
      worst = std::max(worst, std::fabs(table.cos[p * 32 + i] - static_cast<float>(std::cos(angle))));
      worst = std::max(worst, std::fabs(table.sin[p * 32 + i] - static_cast<float>(std::sin(angle))));
    }
  }
  CHECK(worst <= 6e-8f);  // a last bit, where the two round differently
}

TEST_CASE("rope: frequencies are bit for bit those of transformers") {
  // inv_freq of transformers 5.24 for Llama 3.2's scaling at head_dim 64: high, middle and low ones.
  const TinyModel tiny{.head_dim = 64,
                       .rope_scaling = R"({"rope_type":"llama3","rope_theta":500000,"factor":32,"low_freq_factor":1,)"
                                       R"("high_freq_factor":4,"original_max_position_embeddings":8192})"};
  std::string text = tiny.config();
  const std::string theta = R"("rope_theta":10000)";
  REQUIRE(text.find(theta) != std::string::npos);
  text.replace(text.find(theta), theta.size(), R"("rope_theta":500000)");
  const auto frequencies = rope_frequencies(parse_model_config(text, "config.json").shape);
  REQUIRE(frequencies.size() == 32);
  CHECK(frequencies[0] == 1);
  CHECK(frequencies[1] == 0x1.53c38cp-1f);
  CHECK(frequencies[14] == 0x1.a4ee40p-9f);
  CHECK(frequencies[15] == 0x1.524f36p-10f);
  CHECK(frequencies[16] == 0x1.c26c40p-12f);
  CHECK(frequencies[17] == 0x1.9731eep-14f);
  CHECK(frequencies[18] == 0x1.46831ap-16f);
  CHECK(frequencies[31] == 0x1.948360p-24f);
}

TEST_CASE("rope: yarn and linear scaling are bit for bit those of transformers") {
  // inv_freq and, at position 5,000, cos x attention_scaling of LlamaRotaryEmbedding in transformers 5.24.
  const auto shape_of = [](int head_dim, const std::string& theta, const std::string& scaling) {
    const TinyModel tiny{.head_dim = head_dim, .rope_scaling = "{" + scaling + ",\"rope_theta\":" + theta + "}"};
    return parse_model_config(tiny.config(), "config.json").shape;
  };
  const ModelShape qwen3 =
      shape_of(128, "1000000", R"("rope_type":"yarn","factor":4,"original_max_position_embeddings":32768)");
  auto frequencies = rope_frequencies(qwen3);
  CHECK(frequencies[8] == 0x1.6c310ep-3f);   // kept
  CHECK(frequencies[23] == 0x1.c9548cp-8f);  // the last of these
  CHECK(frequencies[24] == 0x1.6046eep-8f);  // blended
  CHECK(frequencies[31] == 0x1.a4fb70p-11f);
  CHECK(frequencies[39] == 0x1.103a14p-14f);  // the last of these
  CHECK(frequencies[40] == 0x1.74eea6p-15f);  // divided
  CHECK(frequencies[63] == 0x1.4d1c98p-22f);
  RopeTable table = make_rope_table(qwen3, 5001);
  CHECK(table.cos[5000 * 64] == 0x1.68ac5cp-3f);
  CHECK(table.cos[5000 * 64 + 1] == -0x1.13ecc6p-3f);

  const ModelShape parts = shape_of(64, "10000",
                                    R"("type":"yarn","factor":40,"original_max_position_embeddings":4096,"truncate":false,)"
                                    R"("mscale":1.0,"mscale_all_dim":0.707)");
  frequencies = rope_frequencies(parts);
  CHECK(frequencies[10] == 0x1.ccab84p-5f);
  CHECK(frequencies[11] == 0x1.4ab0f6p-5f);
  CHECK(frequencies[16] == 0x1.6a0664p-8f);
  CHECK(frequencies[22] == 0x1.f08dc4p-14f);
  CHECK(frequencies[31] == 0x1.bf749ep-19f);
  table = make_rope_table(parts, 5001);
  CHECK(table.cos[5000 * 32 + 2] == -0x1.15e57ap+0f);  // beyond 1, as it is multiplied

  frequencies = rope_frequencies(shape_of(64, "10000", R"("type":"linear","factor":3)"));
  CHECK(frequencies[0] == 0x1.555556p-2f);
  CHECK(frequencies[9] == 0x1.998acep-6f);
  CHECK(frequencies[31] == 0x1.74e130p-15f);
}

}  // namespace
}  // namespace tokenyard
