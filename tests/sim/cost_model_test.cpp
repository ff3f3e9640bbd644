#include "sim/cost_model.h"

#include <cmath>

#include "core/base/json_reader.h"
#include "core/base/model_json.h"
#include "support.h"

using namespace tokenyard;

namespace {

// Requests for plans that only the cost model looks at.
StepPlan plan_of(std::initializer_list<Row> rows) {
  StepPlan plan;
  plan.rows = rows;
  return plan;
}
Row decode(std::int32_t context) { return {nullptr, context, 1, 0, true}; }
Row prefill(std::int32_t first, std::int32_t count, bool sample = true) { return {nullptr, first, count, 0, sample}; }

StepPlan decodes(int count, std::int32_t context) {
  StepPlan plan;
  for (int i = 0; i < count; ++i) plan.rows.push_back(decode(context));
  return plan;
}

CostModel model_of(const char* model, const char* hardware, Execution execution = {}) {
  return CostModel(find_model(model), find_hardware(hardware), execution);
}

// A machine that is easy to compute with: 100 TFLOP/s, 1000 GB/s, everything reaches half of it, launches take 2 us.
HardwareSpec round_hardware() {
  HardwareSpec h;
  h.name = "round";
  h.bf16_tflops = 100;
  h.memory_gb_per_s = 1000;
  h.memory_bytes = 10'000'000'000;
  h.link_gb_per_s = 100;
  h.gemm = {2, 0.5, 0.5};
  h.decode_attention = {10, 0.1, 0.5};
  h.prefill_attention = {12, 0.5, 0.5};
  h.elementwise = {1, 0.5};
  h.sampler = {25, 1};
  h.host = {300, 5, 0, 0};
  h.all_reduce = {{2, 4, 0.5}};
  return h;
}

ModelShape round_model() {
  ModelShape m;
  m.name = "round";
  m.num_layers = 10;
  m.hidden = 1000;
  m.num_heads = 10;
  m.num_kv_heads = 5;
  m.head_dim = 100;
  m.intermediate = 2000;
  m.vocabulary = 10000;
  m.max_context = 100000;
  return m;
}

// Nanoseconds of [rows, k] x [k, n] on it, without t0: 5e4 flops and 500 bytes a nanosecond.
double product(double rows, double n, double k) {
  return std::hypot(2 * rows * n * k / 5e4, 2 * (n * k + rows * (n + k)) / 500);
}
double products(double rows) {
  return product(rows, 2000, 1000) + product(rows, 1000, 1000) + product(rows, 4000, 1000) + product(rows, 1000, 2000);
}

}  // namespace

TEST_CASE("a decode step by hand") {
  const StepParts parts = CostModel(round_model(), round_hardware(), {}).cost(plan_of({decode(999), decode(1999)}));
  // qkv [1000 x 2000], out [1000 x 1000], gate+up [1000 x 4000], down [2000 x 1000].
  CHECK(parts.gemm == std::llround(10 * (4 * 2000 + products(2))));
  // K and V of 1000 + 2000 positions, 5 heads x 100, 2 bytes; 10 us a kernel and 0.1 us a row.
  CHECK(parts.attention == std::llround(10 * (10000 + 2 * 100 + 3000 * 2 * 500 * 2 / 500.0)));
  // 8h + 2(q+kv) + 3f + 4kv = 8000 + 3000 + 6000 + 2000 a layer, 6h around them; 5 kernels a layer and 2.
  CHECK(parts.elementwise == std::llround((10 * 5 + 2) * 1000 + 2 * (10 * 19000.0 + 6000) * 2 / 500));
  CHECK(parts.head == std::llround(2000 + product(2, 10000, 1000) + 25000 + 2 * 1000));
  CHECK(parts.communication == 0);
  CHECK(parts.host == 300'000);
}

TEST_CASE("norms that are in the kernel of the sums are not counted twice") {
  HardwareSpec h = round_hardware();
  ModelShape model = round_model();
  model.num_kv_heads = 10;
  const auto of = [&] { return CostModel(model, h, {.tensor_parallel = 2}).cost(plan_of({decode(9)})); };
  const StepParts apart = of();
  h.all_reduce[0].norms = true;
  const StepParts together = of();
  CHECK(together.communication == apart.communication);
  // 2 of 5 kernels a layer of 1 us, and 8h of their elements at 500 bytes a nanosecond.
  CHECK(apart.elementwise - together.elementwise == std::llround(10 * (2 * 1000 + 8 * 1000.0 * 2 / 500)));
  CHECK(read_hardware(JsonValue::parse(to_json(h), "h")) == h);
}

TEST_CASE("the longest row's parts are merged one after the other") {
  HardwareSpec h = round_hardware();
  const auto attention = [&](const StepPlan& plan) { return CostModel(round_model(), h, {}).cost(plan).attention; };
  const TimeNs even = attention(plan_of({decode(1999), decode(1999)}));
  const TimeNs uneven = attention(plan_of({decode(3499), decode(499)}));
  CHECK(even == uneven);  // reading alone
  h.decode_attention.merge_us_per_1000 = 2;
  CHECK(attention(plan_of({decode(1999), decode(1999)})) == even + 10 * 2 * 2000);
  CHECK(attention(plan_of({decode(3499), decode(499)})) == even + 10 * 2 * 3500);
  CHECK(attention(plan_of({prefill(3499, 2)})) ==
        CostModel(round_model(), round_hardware(), {}).cost(plan_of({prefill(3499, 2)})).attention);
  CHECK(read_hardware(JsonValue::parse(to_json(h), "h")) == h);
}

TEST_CASE("a prefill step by hand") {
  const StepParts parts = CostModel(round_model(), round_hardware(), {}).cost(plan_of({prefill(500, 4000)}));
  CHECK(parts.gemm == std::llround(10 * (4 * 2000 + products(4000))));
  CHECK(product(4000, 4000, 1000) < 1.02 * 2 * 4000 * 4e6 / 5e4);  // bound by multiplying
  // Position i of the chunk attends to 500 + i keys: 4000 * (500 + 4001/2) pairs, 4 * 1000 flops each; K and V once, Q and O.
  const double pairs = 4000 * (500 + 4001 / 2.0);
  const double bytes = 2.0 * 500 * 2 * 4500 + 2.0 * 1000 * 2 * 4000;
  CHECK(parts.attention == std::llround(10 * (12000 + pairs * 4000 / 5e4 + bytes / 500)));
  CHECK(parts.host == 300'000);  // too large for a graph, and long enough to hide the launches
}

TEST_CASE("t0 grows with the doublings of the rows, and one row has its own") {
  HardwareSpec h = round_hardware();
  h.t0_growth = 0.5;
  h.t0_one_row = 0.25;
  CHECK(t0_share(1, h) == 0.25);
  CHECK(t0_share(2, h) == 1.5);
  CHECK(t0_share(3, h) == 1.75);
  CHECK(t0_share(256, h) == 5);
  CHECK(t0_share(1024, h) == 5);  // more tiles, but no larger ones
  const TimeNs before = CostModel(round_model(), round_hardware(), {}).cost(decodes(4, 10)).gemm;
  CHECK(CostModel(round_model(), h, {}).cost(decodes(4, 10)).gemm == before + 10 * 4 * 2000);  // twice t0
}

TEST_CASE("as many rows as there are multiprocessors take as long as one in element-wise kernels") {
  HardwareSpec h = round_hardware();
  h.elementwise.rows_at_once = 100;
  const auto elementwise = [&](std::int32_t rows) {
    return CostModel(round_model(), h, {}).cost(decodes(rows, 10)).elementwise;
  };
  CHECK(elementwise(1) == elementwise(100));
  CHECK(elementwise(1) > CostModel(round_model(), round_hardware(), {}).cost(decodes(1, 10)).elementwise);
  CHECK(elementwise(200) == CostModel(round_model(), round_hardware(), {}).cost(decodes(200, 10)).elementwise);
  CHECK(read_hardware(JsonValue::parse(to_json(h), "h")) == h);
}

TEST_CASE("a step that would multiply at full rate is slowed down, all its kernels alike") {
  HardwareSpec h = round_hardware();
  const StepPlan plan = plan_of({prefill(500, 4000)});
  const StepParts cool = CostModel(round_model(), h, {}).cost(plan);
  h.throttle = 1.5;
  const StepParts hot = CostModel(round_model(), h, {}).cost(plan);
  // 10 layers of 9 million weights, at 100 TFLOP/s, and 4 x 1000 flops a pair.
  const double flops = 10 * (2 * 4000.0 * 9e6 + 4000 * (500 + 4001 / 2.0) * 4000);
  const auto gpu = static_cast<double>(cool.total() - cool.host);
  const double rate = 1.5 * flops / 1e5 / gpu;
  CHECK(rate > 0.5);
  const double slower = std::sqrt(std::sqrt(1 + rate * rate * rate * rate));
  CHECK(static_cast<double>(hot.gemm) == Approx(slower * static_cast<double>(cool.gemm)).epsilon(1e-6));
  CHECK(static_cast<double>(hot.attention) == Approx(slower * static_cast<double>(cool.attention)).epsilon(1e-6));
  CHECK(hot.host == cool.host);
  CHECK(CostModel(round_model(), h, {}).cost(decodes(1, 10)).gemm ==
        CostModel(round_model(), round_hardware(), {}).cost(decodes(1, 10)).gemm);
  CHECK(read_hardware(JsonValue::parse(to_json(h), "h")) == h);
}

TEST_CASE("where graphs stop at each attention, a short prompt costs the host a launch a layer") {
  HardwareSpec h = round_hardware();
  h.host.piece_us = 200;
  const CostModel pieces(round_model(), h, {}), whole(round_model(), round_hardware(), {});
  const StepPlan prompt = plan_of({prefill(0, 100), decode(50)});
  const StepParts parts = pieces.cost(prompt);
  const TimeNs gpu = parts.total() - parts.host;
  CHECK(gpu < 2'000'000);
  CHECK(parts.host - whole.cost(prompt).host == 10 * 200'000 - gpu);
  CHECK(pieces.cost(decodes(8, 50)) == whole.cost(decodes(8, 50)));
  CHECK(pieces.cost(plan_of({prefill(0, 1000)})) == whole.cost(plan_of({prefill(0, 1000)})));  // launched kernel by kernel
  CHECK(read_hardware(JsonValue::parse(to_json(h), "h")) == h);
}

TEST_CASE("where decodes and chunks share a kernel, decodes read for each query head") {
  HardwareSpec h = round_hardware();
  const StepPlan mixed = plan_of({prefill(0, 100), decode(999), decode(1999)});
  const TimeNs chunk = CostModel(round_model(), h, {}).cost(plan_of({prefill(0, 100)})).attention;
  // A kernel each: both add up.
  CHECK(CostModel(round_model(), h, {}).cost(mixed).attention - chunk ==
        std::llround(10 * (10000 + 2 * 100 + 3000 * 2 * 500 * 2 / 500.0)));
  h.mixed_attention = {0.05, 2};
  // 10 query heads, 0.05 us a row and head; 10 x 100 numbers of K and of V a position, at 2 x 1000 GB/s.
  CHECK(CostModel(round_model(), h, {}).cost(mixed).attention - chunk ==
        std::llround(10 * (10 * 50 * 2 + 3000 * 2 * 1000 * 2 / 2000.0)));
  CHECK(CostModel(round_model(), h, {}).cost(decodes(3, 50)) ==
        CostModel(round_model(), round_hardware(), {}).cost(decodes(3, 50)));
}

TEST_CASE("the host's time grows with the rows, and a step ahead hides it behind the GPU's") {
  HardwareSpec h = round_hardware();
  h.host.row_us = 2;
  const CostModel model(round_model(), h, {});
  CHECK(model.cost(decodes(50, 100)).host == 400'000);
  h.host.step_us = 5000;
  const CostModel slow(round_model(), h, {});
  const StepParts ahead = slow.cost(decodes(50, 100), true);
  CHECK(std::abs(ahead.total() - 5'100'000) <= 3);
  CHECK(model.cost(decodes(50, 100), true).host == 0);
}

TEST_CASE("two GPUs share the work and pay for two all-reduces a layer") {
  const StepPlan plan = decodes(64, 1000);
  const StepParts one = CostModel(round_model(), round_hardware(), {}).cost(plan);
  ModelShape even = round_model();
  even.num_kv_heads = 2;  // 5 do not split
  CHECK_THROWS_AS(CostModel(round_model(), round_hardware(), {2, true, 16}), InputError);
  const StepParts two = CostModel(even, round_hardware(), {2, true, 16}).cost(plan);
  CHECK(two.gemm < one.gemm);
  CHECK(two.head < one.head);
  // 2 * (4 us + 2 * 1/2 * 64 * 1000 * 2 bytes / (0.5 * 100 GB/s)) a layer.
  CHECK(two.communication == std::llround(10 * 2 * (4000 + 64 * 1000 * 2 / 50.0)));
  CHECK_THAT(error_of([&] { CostModel(even, find_hardware("rtx-4090"), {2, true, 16}); }), has_text("all-reduce"));
}

TEST_CASE("K and V in fp8: less to read, more blocks, other parts as before") {
  const ModelShape qwen = find_model("qwen3-0.6b");
  Execution fp8;
  fp8.kv_dtype = KvDtype::fp8;
  CHECK(qwen.kv_bytes_per_token(1, KvDtype::fp8) == 2 * 28 * 8 * (128 + 1));
  CHECK(find_model("llama-3.1-70b").kv_bytes_per_token(4, KvDtype::fp8) == 2 * 80 * 2 * (128 + 1));
  HardwareSpec h100 = find_hardware("h100-sxm");
  h100.throttle = 0;  // by which faster attention slows everything a little
  const double more =
      static_cast<double>(kv_blocks(qwen, h100, fp8, 0.9, 2048, 256)) / kv_blocks(qwen, h100, {}, 0.9, 2048, 256);
  CHECK(more == Approx(256.0 / 129).epsilon(1e-4));
  const StepPlan plan = decodes(64, 1000);
  const StepParts bf16 = CostModel(qwen, h100, {}).cost(plan);
  const StepParts half = CostModel(qwen, h100, fp8).cost(plan);
  const auto read = 64 * 1001.0 * static_cast<double>(qwen.kv_bytes_per_token() - qwen.kv_bytes_per_token(1, KvDtype::fp8));
  const double ns = read / (h100.decode_attention.bandwidth_efficiency * h100.memory_gb_per_s);
  CHECK(static_cast<double>(bf16.attention - half.attention) == Approx(ns).epsilon(1e-6));
  CHECK(half.gemm == bf16.gemm);
  CHECK(half.elementwise == bf16.elementwise);
}

TEST_CASE("K/V heads fewer than GPUs are held by several of them") {
  ModelShape few = round_model();
  few.num_kv_heads = 1;
  HardwareSpec hardware = round_hardware();
  hardware.memory_bytes = 2'000'000'000;
  // A token's K and V take as much on each of two GPUs as on one; half the weights leave more room for them.
  CHECK(few.kv_bytes_per_token(2) == few.kv_bytes_per_token(1));
  CHECK(kv_blocks(few, hardware, {2, true, 16}, 0.9, 256, 8) > kv_blocks(few, hardware, {1, true, 16}, 0.9, 256, 8));
  const TimeNs one = CostModel(few, hardware, {}).cost(decodes(64, 1000)).attention;
  CHECK(CostModel(few, hardware, {2, true, 16}).cost(decodes(64, 1000)).attention == one);
}

TEST_CASE("a mixture of experts has no times yet") {
  ModelShape experts = round_model();
  experts.experts = Experts{8, 2, 500};
  CHECK_THAT(error_of([&] { CostModel(experts, round_hardware(), {}); }), has_text("round is a mixture of experts"));
}

TEST_CASE("more work takes more time") {
  const CostModel model = model_of("llama-3.1-8b", "a100-80gb");
  TimeNs previous = 0;
  for (const int rows : {1, 2, 8, 32, 128, 512}) {
    const TimeNs now = model.cost(decodes(rows, 1000)).total();
    CHECK(now > previous);
    previous = now;
  }
  previous = 0;
  for (const int context : {1, 100, 10'000, 100'000}) {
    const TimeNs now = model.cost(decodes(8, context)).total();
    CHECK(now > previous);
    previous = now;
  }
  previous = 0;
  for (const int chunk : {2, 100, 1000, 10'000, 100'000}) {
    const TimeNs now = model.cost(plan_of({prefill(0, chunk)})).total();
    CHECK(now > previous);
    previous = now;
  }
  // A whole prompt costs less than its chunks: weights are read once.
  const TimeNs chunks =
      model.cost(plan_of({prefill(0, 1000, false)})).total() + model.cost(plan_of({prefill(1000, 1000)})).total();
  CHECK(model.cost(plan_of({prefill(0, 2000)})).total() < chunks);
}

TEST_CASE("built-in hardware gives times in the range of published ones") {
  const auto ms = [](const CostModel& model, const StepPlan& plan) {
    return static_cast<double>(model.cost(plan).total()) / 1e6;
  };
  // Llama-3-8B on one A100: a prefill takes about 6 ms + 78 us a token; decoding it reads 15 GB of weights.
  const CostModel a100 = model_of("llama-3.1-8b", "a100-80gb");
  CHECK(ms(a100, plan_of({prefill(0, 2048)})) == Approx(6 + 0.078 * 2048).epsilon(0.2));
  CHECK(ms(a100, decodes(1, 1000)) > 15.0 / 2.039 / 1.0);
  CHECK(ms(a100, decodes(1, 1000)) < 15.0 / 2.039 * 2);
  // vLLM on one H100, Llama-3.1-8B's size: 7 to 7.5 ms a token in small batches.
  CHECK(ms(model_of("llama-3.1-8b", "h100-sxm-vllm"), decodes(8, 1000)) == Approx(7.2).epsilon(0.2));
  // Small models are bound by launches: reading Qwen3-0.6B's weights takes 0.36 ms of an H100's time.
  CHECK(ms(model_of("qwen3-0.6b", "h100-sxm-vllm"), decodes(1, 600)) > 3 * 0.36);
}

TEST_CASE("CUDA graphs save launches, but only where the GPU waits for them") {
  const auto host = [](const CostModel& model, const StepPlan& plan) { return model.cost(plan).host; };
  const CostModel with = model_of("qwen3-0.6b", "h100-sxm-vllm");
  const CostModel without = model_of("qwen3-0.6b", "h100-sxm-vllm", {1, false, 16});
  CHECK(host(with, decodes(1, 100)) == 300'000);
  CHECK(host(without, decodes(1, 100)) > 300'000);
  CHECK(with.cost(decodes(1, 100)).gemm == without.cost(decodes(1, 100)).gemm);
  // What the host adds is what the GPU does not cover.
  const StepParts parts = without.cost(decodes(1, 100));
  const TimeNs gpu = parts.total() - parts.host;
  CHECK(std::abs(parts.host - 300'000 + gpu - (28 * 10 + 5) * 8000) <= 3);
  const CostModel large = model_of("qwen3-32b", "h100-sxm-vllm", {1, false, 16});
  CHECK(host(large, decodes(1, 100)) == 300'000);
}

TEST_CASE("padding costs what computing costs") {
  const CostModel model = model_of("llama-3.1-8b", "a100-80gb");
  // A prompt of 300 padded to 1000 is a prompt of 1000.
  CHECK(model.cost(plan_of({{nullptr, 0, 300, 700, true}})) == model.cost(plan_of({prefill(0, 1000)})));
  // A row whose request has ended decodes for nobody.
  CHECK(model.cost(plan_of({decode(500), {nullptr, 800, 0, 1, false}})) == model.cost(plan_of({decode(500), decode(800)})));
}

TEST_CASE("copied blocks are read and written") {
  const CostModel model(round_model(), round_hardware(), {});
  StepPlan plan = decodes(1, 10);
  const TimeNs before = model.cost(plan).elementwise;
  plan.copies = {{1, 2}, {2, 3}};
  // 2 blocks of 16 tokens, 2 * 10 layers * 500 * 2 bytes each, twice, at 1000 GB/s.
  CHECK(model.cost(plan).elementwise - before == 2 * 16 * 20000 * 2 / 1000);
}

TEST_CASE("constant steps") {
  const CostModel model(ConstantTime{1000, 10});
  const StepParts parts = model.cost(plan_of({decode(5), prefill(0, 20), {nullptr, 0, 3, 4, true}}));
  CHECK(parts.total() == 1000 + 10 * (1 + 20 + 7));
}

TEST_CASE("blocks from memory") {
  const ModelShape model = find_model("llama-3.1-8b");
  const HardwareSpec card = find_hardware("rtx-4090");
  // vLLM 0.19 found 2,588 blocks there.
  CHECK(kv_blocks(model, card, {}, 0.9, 2048, 256) == Approx(2588).epsilon(0.01));
  CHECK(kv_blocks(model, card, {1, true, 32}, 0.9, 2048, 256) == kv_blocks(model, card, {}, 0.9, 2048, 256) / 2);
  CHECK(kv_blocks(model, find_hardware("a100-80gb"), {}, 0.9, 2048, 256) > kv_blocks(model, card, {}, 0.9, 2048, 256));
  const std::string error = error_of([&] { kv_blocks(find_model("qwen3-32b"), card, {}, 0.9, 2048, 256); });
  CHECK_THAT(error, has_text("qwen3-32b does not fit rtx-4090"));
  CHECK_THAT(error, has_text("65.5 GB"));
  CHECK_THROWS_AS(kv_blocks(model, card, {}, 0.5, 2048, 256), InputError);
}
