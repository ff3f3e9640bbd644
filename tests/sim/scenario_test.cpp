#include "sim/scenario.h"

#include "core/base/json_reader.h"
#include "core/metrics.h"
#include "core/policy.h"
#include "support.h"

using namespace tokenyard;

namespace {

const std::string kWorkload = R"({"type": "requests", "requests": [{"id": "a", "prompt_tokens": 10}]})";

std::string with_engine(const std::string& engine) {
  return R"({"tokenyard_scenario": 1, "name": "n", "model": "qwen3-0.6b", "hardware": "h100-sxm", "engine": )" + engine +
         R"(, "workload": [)" + kWorkload + "]}";
}

std::string engine_error(const std::string& engine) {
  return error_of([&] { scenario_of(with_engine(engine)); });
}

}  // namespace

TEST_CASE("every engine field can be set") {
  const EngineConfig c = scenario_of(with_engine(R"({"policy": "vllm_v1", "max_num_seqs": 7, "max_num_batched_tokens": 512,
      "max_model_len": 300, "block_size": 32, "num_blocks": 99, "enable_prefix_caching": false, "eos_token_id": 5,
      "enable_chunked_prefill": false, "queue_order": "priority", "free_order": "lru_all", "long_prefill_token_threshold": 64,
      "watermark": 0.05, "admission_gate": false, "batch_timeout_ms": 1.5, "delivery": "stream", "reservation": "pow2",
      "strict_peer": true})"))
                             .engine;
  CHECK(c.policy == Policy::vllm_v1);
  CHECK(c.max_num_seqs == 7);
  CHECK(c.max_num_batched_tokens == 512);
  CHECK(c.max_model_len == 300);
  CHECK(c.block_size == 32);
  CHECK(c.num_blocks == 99);
  CHECK_FALSE(c.enable_prefix_caching);
  CHECK(c.eos_token_id == 5);
  CHECK_FALSE(c.enable_chunked_prefill);
  CHECK(c.queue_order == QueueOrder::priority);
  CHECK(c.free_order == FreeOrder::lru_all);
  CHECK(c.long_prefill_token_threshold == 64);
  CHECK(c.watermark_blocks == 4);
  CHECK_FALSE(c.admission_gate);
  CHECK(c.batch_timeout == 1'500'000);
  CHECK(c.delivery == Delivery::stream);
  CHECK(c.reservation == Reservation::pow2);
  CHECK(c.strict_peer);
}

TEST_CASE("what a file leaves open is resolved to a valid configuration") {
  const Scenario s = scenario_of(with_engine("{}"));
  CHECK(s.engine.max_model_len == 40960);
  CHECK(s.engine.num_blocks == kv_blocks(*s.model, *s.hardware, s.execution, 0.9, 2048, 256));
  CHECK(scenario_of(with_engine(R"({"max_num_batched_tokens": 64})")).engine.max_num_seqs == 64);
  CHECK(scenario_of(with_engine(R"({"max_num_seqs": 4000})")).engine.max_num_batched_tokens == 4000);
  CHECK(scenario_of(with_engine(R"({"policy": "orca"})")).engine.max_num_batched_tokens == 40960);
  CHECK(scenario_of(with_engine(R"({"enable_chunked_prefill": false})")).engine.max_num_batched_tokens == 40960);
}

TEST_CASE("wrong configurations are named with their place") {
  CHECK_THAT(engine_error(R"({"max_num_seqs": 0})"), has_text("test.json: /engine/max_num_seqs: expected an integer"));
  CHECK_THAT(engine_error(R"({"num_blocks": 1})"), has_text("/engine: num_blocks is 1"));
  CHECK_THAT(engine_error(R"({"max_num_seqs": 9, "max_num_batched_tokens": 8})"),
             has_text("/engine: max_num_batched_tokens is 8"));
  CHECK_THAT(engine_error(R"({"max_model_len": 100000})"), has_text("40960"));
  CHECK_THAT(engine_error(R"({"policy": "vllm"})"), has_text("one of static, orca, nano_vllm, vllm_v1"));
  CHECK_THAT(engine_error(R"({"block_size": 16.5})"), has_text("/engine/block_size"));
  CHECK(engine_error(R"({"block_size": 16.0})").empty());
  CHECK_THAT(engine_error(R"({"num_blocks": 1073741824})"), has_text("token slots"));
  CHECK_THAT(engine_error(R"({"watermark": 2})"), has_text("/engine/watermark"));
  CHECK_THAT(engine_error(R"({"seats": 2})"), has_text("/engine: unknown key \"seats\""));
  CHECK_THAT(engine_error("3"), has_text("/engine: expected an object"));
}

TEST_CASE("hostile scenarios end in one line") {
  const auto error = [](const std::string& text) { return error_of([&] { scenario_of(text); }); };
  const auto with = [&](const std::string& key, const std::string& value) {
    return error(R"({"tokenyard_scenario": 1, "name": "n", "model": "qwen3-0.6b", "hardware": "h100-sxm", "workload": [)" +
                 kWorkload + R"(], ")" + key + "\": " + value + "}");
  };
  CHECK_THAT(error("[]"), has_text("expected a scenario"));
  CHECK_THAT(error("{}"), has_text("expected a scenario"));
  CHECK_THAT(error(""), has_text("expected JSON"));
  CHECK_THAT(error(R"({"tokenyard_scenario": 2})"), has_text("/tokenyard_scenario"));
  CHECK_THAT(error(R"({"tokenyard_scenario": 1, "name": "n", "workload": []})"), has_text("\"model\""));
  CHECK_THAT(error(std::string(100'000, '[')), has_text("nested more than"));
  CHECK_THAT(with("tensor_parallel", "3"), has_text("tensor_parallel"));
  CHECK_THAT(with("gpu_memory_utilization", "NaN"), has_text("expected JSON"));
  CHECK_THAT(with("gpu_memory_utilization", "0.01"), has_text("does not fit"));
  CHECK_THAT(with("gpu_memory_utilization", "1e999"), has_text("/gpu_memory_utilization: expected a number below"));
  CHECK_THAT(with("seed", "18446744073709551615"), has_text("/seed"));
  CHECK_THAT(with("name", "\"m\""), has_text("stands twice"));
  CHECK_THAT(with("extra", "1"), has_text("unknown key \"extra\""));
  CHECK_THAT(error(constant_scenario("")), has_text("1 to 26 workloads"));
  CHECK_THAT(error(constant_scenario("3")), has_text("/workload/0: expected an object"));
  CHECK_THAT(error(constant_scenario(R"({"type": "azure", "path": "nowhere.csv"})")), has_text("nowhere.csv: cannot be read"));
  CHECK_THAT(error(constant_scenario(R"({"type": "azure", "path": "."})")), has_text(".: cannot be read"));
  CHECK_THAT(error(constant_scenario(kWorkload, "{}")), has_text("num_blocks"));
  CHECK_THAT(error_of([] { load_scenario("nowhere.json"); }), has_text("nowhere.json: cannot be read"));
  CHECK_THAT(error_of([] { load_scenario("."); }), has_text("cannot be read"));
}

TEST_CASE("overrides reach every part of a scenario") {
  const std::string text = with_engine("{}");
  CHECK(scenario_of(text, {"engine.max_num_seqs=8"}).engine.max_num_seqs == 8);
  CHECK(scenario_of(text, {"engine.policy=static"}).engine.policy == Policy::static_batch);
  CHECK(scenario_of(text, {"model=llama-3.1-8b"}).model->name == "llama-3.1-8b");
  CHECK(scenario_of(text, {"model.layers=5"}).model->num_layers == 5);
  CHECK(scenario_of(text, {"hardware.gemm.t0_us=9.5"}).hardware->gemm.t0_us == 9.5);
  CHECK(scenario_of(text, {"step_time.per_step_us=7"}).step_time->per_step == 7000);
  CHECK(scenario_of(text, {"seed=3", "seed=4"}).seed == 4);
  CHECK(drain(*make_source(scenario_of(text, {"workload.0.requests.0.id=b"})))[0].spec.id == "b");
}

TEST_CASE("overrides that reach nothing are refused") {
  const auto error = [](const std::string& override) { return error_of([&] { scenario_of(with_engine("{}"), {override}); }); };
  CHECK_THAT(error("engine.max_seqs=8"), has_text("unknown key \"max_seqs\""));
  CHECK_THAT(error("engin.max_num_seqs=8"),
             has_text("--set engin.max_num_seqs=8: expected a key that exists, found \"engin\""));
  CHECK_THAT(error("workload.1.x=8"), has_text("an index below 1"));
  CHECK_THAT(error("name.x=8"), has_text("expected an object or an array at /name"));
  CHECK_THAT(error("engine.max_num_seqs"), has_text("path.to.key=value"));
  CHECK_THAT(error("=8"), has_text("path.to.key=value"));
  CHECK_THAT(error("engine.max_num_seqs=many"), has_text("/engine/max_num_seqs: expected an integer"));
  CHECK_THAT(error("model.x.y=1"), has_text("found \"x\" in /model"));
  CHECK_THAT(error("model=gpt-5"), has_text("/model: model: expected one of"));
}

TEST_CASE("a resolved scenario is a scenario that resolves to itself") {
  for (const std::string& text : {with_engine(R"({"watermark": 0.01})"), constant_scenario(kWorkload)}) {
    const Scenario s = scenario_of(text);
    const Scenario again = scenario_of(s.json);
    CHECK(again.json == s.json);
    CHECK(again.engine.num_blocks == s.engine.num_blocks);
    CHECK(again.engine.watermark_blocks == s.engine.watermark_blocks);
  }
}

TEST_CASE("files are found beside the scenario") {
  const TemporaryFile csv("t.csv", "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-01-01 00:00:00,5,2\n");
  const std::string directory = std::filesystem::path(csv.path()).parent_path().string();
  const Scenario s = parse_scenario(constant_scenario(R"({"type": "azure", "path": "t.csv"})"), "test.json", directory);
  CHECK(drain(*make_source(s)).size() == 1);
  CHECK_THAT(s.json, has_text(directory));
  CHECK(drain(*make_source(parse_scenario(s.json, "again", ""))).size() == 1);
}

TEST_CASE("a peer's workload becomes a scenario with as many usable blocks under every policy") {
  const std::string text = R"({"expected": "fine", "config": {"max_num_seqs": 8, "max_num_batched_tokens": 64, "block_size": 4,
      "num_blocks": 4, "eos": 9}, "requests": [{"id": "a", "arrival_step": 2, "prompt": [5, 6], "max_tokens": 3, "ignore_eos": true}]})";
  for (const std::string& policy : all_names<Policy>()) {
    const Scenario s = scenario_of(text, {"engine.policy=" + policy});
    CHECK(usable_blocks(s.engine) == 4);
    CHECK(s.engine.eos_token_id == 9);
    CHECK(s.step_time.has_value());
    CHECK(make_source(s)->next_step() == 2);
  }
  CHECK(scenario_of(text).engine.policy == Policy::nano_vllm);
  const std::string recording = R"({"format": "peer-decisions/1", "peer": "vllm", "config": {"max_num_seqs": 8,
      "max_num_batched_tokens": 64, "block_size": 4, "num_blocks": 4, "policy": "priority", "reserve": false, "watermark": 0.5,
      "max_model_len": 12}, "eos_token_id": 3, "requests": [{"id": "a", "arrival_step": 0, "arrival_time": 0.5, "prompt": [5, 6],
      "max_tokens": 3, "outputs": [1, 3], "stop_token_ids": null, "abort_step": 7}], "steps": []})";
  const Scenario s = scenario_of(recording);
  CHECK(s.engine.policy == Policy::vllm_v1);
  CHECK(s.engine.num_blocks == 4);
  CHECK(s.engine.watermark_blocks == 2);
  CHECK(s.engine.queue_order == QueueOrder::priority);
  CHECK_FALSE(s.engine.admission_gate);
}

TEST_CASE("results name the hardware's known error") {
  CHECK_THAT(error_note(scenario_of(with_engine("{}"))), has_text("h100-sxm, kernels and host of Tokenyard: mean error"));
  CHECK_THAT(error_note(scenario_of(constant_scenario(kWorkload))), has_text("constant"));
}

TEST_CASE("the scenarios that come along can be run") {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(TOKENYARD_SOURCE_DIR) + "/scenarios")) {
    if (entry.path().extension() != ".json") continue;
    CAPTURE(entry.path().string());
    const Scenario s = load_scenario(entry.path().string());
    CHECK_FALSE(s.title.empty());
    CHECK_FALSE(s.teaches.empty());
    CHECK_FALSE(s.look_for.empty());
    const auto backend = make_backend(s);
    Metrics metrics;
    Engine engine(s.engine, *backend, {&metrics});
    engine.run(*make_source(s));
    CHECK(metrics.completed > 0);
    CHECK(engine.num_live() == 0);
    ++count;
  }
  CHECK(count > 0);
}
