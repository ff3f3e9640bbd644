#include <random>

#include "core/base/json_reader.h"
#include "core/base/model_json.h"
#include "core/base/text_file.h"
#include "core/engine.h"
#include "core/metrics.h"
#include "sim/fit.h"
#include "sim/measured_run.h"
#include "support.h"

using namespace tokenyard;

namespace {

std::string shared_folder(const std::string& name) {
  const char* named = std::getenv("TOKENYARD_SHARED");
  const std::filesystem::path folder = named ? named : std::string(TOKENYARD_SOURCE_DIR) + "/../shared";
  const std::filesystem::path path = folder / name;
  if (std::filesystem::exists(path)) return path.string();
  WARN("skipped: " << path.string() << " is absent; TOKENYARD_SHARED names the folder");
  return "";
}

KernelTimes times_in(const std::string& path, const std::optional<ModelShape>& model = {}) {
  KernelTimes times;
  for (const std::string& file : kernel_time_files(path)) read_kernel_times(file, model, times);
  return times;
}

KernelTimes times_of(const std::string& csv, const std::optional<ModelShape>& model = {}) {
  const TemporaryFile file("times.csv", csv);
  return times_in(file.path(), model);
}

std::string refusal(const std::string& csv) {
  const TemporaryFile file("times.csv", csv);
  const std::string error = error_of([&] {
    KernelTimes times;
    read_kernel_times(file.path(), {}, times);
  });
  CHECK(error.find('\n') == std::string::npos);
  const std::size_t name = error.find("times.csv");
  return name == std::string::npos ? error : error.substr(name);
}

HardwareFit fit_kernels(KernelTimes times, const HardwareSpec& base) {
  FitInput input;
  input.kernels = std::move(times);
  input.kernel_files = "synthetic.csv";
  return fit_hardware(input, base);
}

const KernelLine& line_of(const HardwareFit& fit, const std::string& what) {
  for (const KernelLine& line : fit.kernels) {
    if (line.what == what) return line;
  }
  FAIL("no line " << what);
  throw std::logic_error(what);
}

// Times a machine with these constants would take, each off by up to 10 %.
KernelTimes synthetic(const HardwareSpec& h) {
  std::mt19937_64 engine(3);
  const auto noise = [&] { return 0.9 + 0.2 * static_cast<double>(engine() >> 11) * 0x1p-53; };
  const double flops = h.bf16_tflops * 1e6, bytes = h.memory_gb_per_s * 1e3;
  KernelTimes times;
  for (double m = 1; m <= 8192; m *= 2) {
    for (const double n : {1024.0, 4096.0, 6144.0, 28672.0}) {
      for (const double k : {2048.0, 4096.0, 14336.0}) {
        const double compute = 2 * m * n * k / (h.gemm.flops_efficiency * flops);
        const double memory = 2 * (m * k + k * n + m * n) / (h.gemm.bandwidth_efficiency * bytes);
        times.gemm.push_back({m, n, k, (h.gemm.t0_us + std::hypot(compute, memory)) * noise()});
      }
    }
  }
  for (double sequences = 1; sequences <= 256; sequences *= 2) {
    for (double kv = 16; kv <= 16384; kv *= 2) {
      const double memory = 2 * 8 * 128 * 2 * sequences * kv / (h.decode_attention.bandwidth_efficiency * bytes);
      const double us = h.decode_attention.t0_us + h.decode_attention.per_sequence_us * sequences + memory;
      times.decode.push_back({32, 8, 128, sequences, kv, 0, 0, 0, us * noise()});
    }
  }
  for (double tokens = 16; tokens <= 8192; tokens *= 2) {
    for (double before = 16; before <= 16384; before *= 2) {
      const double compute =
          4 * 32 * 128 * tokens * (before + (tokens + 1) / 2) / (h.prefill_attention.flops_efficiency * flops);
      const double memory = 2 * 128 * 2 * (8 * (before + tokens) + 32 * tokens) / (h.prefill_attention.io_efficiency * bytes);
      times.prefill.push_back(
          {32, 8, 128, 0, 0, 1, tokens, before + tokens, (h.prefill_attention.t0_us + compute + memory) * noise()});
    }
  }
  for (double size = 1024; size <= 128e6; size *= 2) {
    const HardwareSpec::AllReduce& a = h.all_reduce.front();
    times.all_reduce.push_back({2, size, (a.latency_us + size / (a.link_efficiency * h.link_gb_per_s * 1e3)) * noise()});
  }
  return times;
}

}  // namespace

TEST_CASE("kernel times with 10 % of noise give back the constants they were made with") {
  HardwareSpec truth = find_hardware("h100-sxm-vllm");
  truth.gemm = {6, 0.7, 0.6};
  truth.decode_attention = {9, 0.3, 0.8};
  truth.prefill_attention = {15, 0.3, 0.5};
  truth.all_reduce = {{2, 9, 0.4}};
  const HardwareFit found = fit_kernels(synthetic(truth), find_hardware("h100-sxm-vllm"));
  const HardwareSpec& h = found.hardware;
  CHECK(h.gemm.t0_us == Approx(6).epsilon(0.05));
  CHECK(h.gemm.flops_efficiency == Approx(0.7).epsilon(0.03));
  CHECK(h.gemm.bandwidth_efficiency == Approx(0.6).epsilon(0.03));
  CHECK(h.decode_attention.t0_us == Approx(9).epsilon(0.06));
  CHECK(h.decode_attention.per_sequence_us == Approx(0.3).epsilon(0.1));
  CHECK(h.decode_attention.bandwidth_efficiency == Approx(0.8).epsilon(0.05));
  CHECK(h.prefill_attention.t0_us == Approx(15).epsilon(0.06));
  CHECK(h.prefill_attention.io_efficiency == Approx(0.3).epsilon(0.1));
  CHECK(h.prefill_attention.flops_efficiency == Approx(0.5).epsilon(0.05));
  REQUIRE(h.all_reduce.size() == 3);
  CHECK(h.all_reduce[0].latency_us == Approx(9).epsilon(0.1));
  CHECK(h.all_reduce[0].link_efficiency == Approx(0.4).epsilon(0.1));
  for (const KernelLine& line : found.kernels) {
    CAPTURE(line.what);
    CHECK(line.error.mean < 0.07);
    CHECK(line.base.mean > line.error.mean);
    CHECK(h.known_error.find(line.what) != std::string::npos);
  }
  CHECK(h.elementwise == find_hardware("h100-sxm-vllm").elementwise);
  CHECK(h.source.find("synthetic") != std::string::npos);
}

TEST_CASE("tables of several makers are read by their columns") {
  const KernelTimes gemm = times_of("gemm_dtype,m,n,k,latency\r\nbfloat16,16,4096,1024,0.01\r\nfp8,16,4096,1024,0.005\r\n\r\n");
  REQUIRE(gemm.gemm.size() == 1);
  CHECK(gemm.gemm[0].us == Approx(10));
  CHECK(times_of("k,time_us,n,m\n3,5.5,2,1\n").gemm[0].k == 3);

  const KernelTimes attention = times_of(
      "op_name,batch_size,isl,num_heads,num_key_value_heads,head_dim,kv_cache_dtype,step,window_size,latency\n"
      "context_attention,4,100,32,8,128,bfloat16,20,0,1\n"
      "context_attention,4,100,32,8,128,bfloat16,20,128,1\n"
      "generation_attention,6,1,32,8,128,bfloat16,99,0,1\n"
      "generation_attention,6,1,32,8,128,fp8,99,0,1\n");
  REQUIRE(attention.prefill.size() == 1);
  CHECK(attention.prefill[0].chunk_kv == 120);
  REQUIRE(attention.decode.size() == 1);
  CHECK(attention.decode[0].decode_kv == 100);

  const KernelTimes reduce = times_of(
      "op_name,kernel_source,allreduce_dtype,num_gpus,message_size,latency\n"
      "all_reduce,x_graph,bfloat16,2,1024,0.004\n"
      "all_reduce,x_eager,bfloat16,2,1024,0.02\n"
      "all_gather,x_graph,bfloat16,2,1024,0.02\n");
  REQUIRE(reduce.all_reduce.size() == 1);
  CHECK(reduce.all_reduce[0].bytes == 2048);

  const ModelShape llama = find_model("llama-3.1-8b");
  const KernelTimes layers = times_of("layer,tokens,time_us\nqkv_proj,7,50\nact_fn,7,3\nunheard_of,7,3\n", llama);
  REQUIRE(layers.gemm.size() == 1);
  CHECK(layers.gemm[0].n == 6144);
  REQUIRE(layers.elementwise.size() == 1);
  CHECK(layers.elementwise[0].bytes == 3 * 14336 * 7 * 2);
  const KernelTimes mixed =
      times_of("prefill_chunk,kv_prefill,n_decode,kv_decode,time_us\n0,0,2,64,9\n16,32,0,0,9\n16,32,2,64,9\n", llama);
  CHECK(mixed.decode.size() == 1);
  CHECK(mixed.prefill.at(0).chunk_kv == 48);
  CHECK(mixed.mixed.size() == 1);
}

TEST_CASE("kernel tables that make no sense are refused with file and line") {
  CHECK_THAT(refusal(""), has_text("expected a header"));
  CHECK_THAT(refusal("a,b\n1,2\n"), has_text("time_us or latency"));
  CHECK_THAT(refusal("a,time_us\n1,2\n"), has_text("line 1: expected the columns of a kernel table"));
  CHECK_THAT(refusal("m,n,k,time_us\n1,2,3\n"), has_text("line 2: expected 4 cells as in the header, found 3"));
  CHECK_THAT(refusal("m,n,k,time_us\n1,2,x,4\n"), has_text("as k, found \"x\""));
  CHECK_THAT(refusal("m,n,k,time_us\n1,2,3,0\n"), has_text("as time_us"));
  CHECK_THAT(refusal("m,n,k,time_us\n1,2,3,nan\n"), has_text("as time_us"));
  CHECK_THAT(refusal("m,n,k,time_us\n1,2,3,-1\n"), has_text("as time_us"));
  CHECK_THAT(refusal("num_gpus,message_size,time_us\n2.5,8,9\n"), has_text("as num_gpus"));
  CHECK_THAT(refusal("layer,tokens,time_us\nqkv_proj,1,2\n"), has_text("--model"));
  CHECK_THAT(error_of([] { times_in("/no/such/file.csv"); }), has_text("cannot be read"));
  CHECK_THAT(error_of([] { fit_kernels({}, find_hardware("l4")); }), has_text("at least 8"));
}

TEST_CASE("public H100 kernel tables are met on rows the fit never saw") {
  const std::string folder = shared_folder("data/gpu_kernels");
  if (folder.empty()) return;
  KernelTimes times;
  try {
    times = times_in(folder);
  } catch (const InputError& error) {
    REQUIRE_THAT(std::string(error.what()), has_text("without liblzma"));
    WARN("skipped: " << error.what());
    return;
  }
  const HardwareFit found = fit_kernels(times, find_hardware("h100-sxm-vllm"));
  CHECK(line_of(found, "GEMM").error.mean < 0.12);
  CHECK(line_of(found, "decode attention").error.mean < 0.16);
  CHECK(line_of(found, "prefill attention").error.mean < 0.17);
  for (const char* what : {"GEMM", "decode attention", "prefill attention"}) {
    CHECK(std::fabs(line_of(found, what).error.bias) < 0.03);  // what remains in a step
  }
  // What is built in must be no worse than said.
  CHECK(line_of(found, "GEMM").base.mean < 0.13);
  CHECK(line_of(found, "decode attention").base.mean < 0.16);
  CHECK(line_of(found, "prefill attention").base.mean < 0.17);
  const HardwareSpec builtin = find_hardware("h100-sxm-vllm");
  REQUIRE(found.hardware.all_reduce.size() == builtin.all_reduce.size());
  for (std::size_t i = 0; i < builtin.all_reduce.size(); ++i) {
    CHECK(found.hardware.all_reduce[i].latency_us == Approx(builtin.all_reduce[i].latency_us).epsilon(1e-3));
    CHECK(found.hardware.all_reduce[i].link_efficiency == Approx(builtin.all_reduce[i].link_efficiency).epsilon(1e-3));
  }
}

TEST_CASE("one card's kernel times predict what a real vLLM served on it") {
  const std::string folder = shared_folder("data/vllm_rtx4090");
  if (folder.empty()) return;
  const HardwareSpec builtin = find_hardware("rtx-4090");
  const HardwareFit found = fit_kernels(times_in(folder + "/op_times", find_model("llama-3.1-8b")), builtin);
  // The built-in constants are these.
  CHECK(found.hardware.gemm.t0_us == Approx(builtin.gemm.t0_us).epsilon(1e-2));
  CHECK(found.hardware.gemm.bandwidth_efficiency == Approx(builtin.gemm.bandwidth_efficiency).epsilon(1e-3));
  CHECK(found.hardware.decode_attention.per_sequence_us == Approx(builtin.decode_attention.per_sequence_us).epsilon(1e-3));
  CHECK(found.hardware.elementwise.bandwidth_efficiency == Approx(builtin.elementwise.bandwidth_efficiency).epsilon(1e-3));
  CHECK(line_of(found, "GEMM").error.mean < 0.05);
  CHECK(line_of(found, "decode attention").error.mean < 0.10);

  // Kernel times say nothing of the host: vLLM 0.19 schedules while the GPU is busy, so none is counted.
  HardwareSpec kernels_alone = found.hardware;
  kernels_alone.host.step_us = 0;
  const TemporaryFile file("rtx-4090-fitted.json", to_json(kernels_alone));
  const std::string run = folder + "/requests.jsonl";
  const Scenario scenario = load_scenario(
      run, {"model=llama-3.1-8b", "hardware=" + file.path(), "engine.num_blocks=2588", "engine.free_order=lru_all",
            "engine.max_num_batched_tokens=2048", "engine.max_num_seqs=256", "engine.max_model_len=32768"});
  const auto backend = make_backend(scenario);
  Metrics predicted;
  Engine engine(scenario.engine, *backend, {&predicted});
  engine.run(*make_source(scenario));
  const MeasuredRun measured = read_measured_run(run);
  REQUIRE(measured.requests == 300);
  REQUIRE(predicted.completed == 300);
  REQUIRE(predicted.output_tokens == measured.output_tokens);
  CHECK(static_cast<double>(predicted.duration()) == Approx(static_cast<double>(measured.duration)).epsilon(0.05));
  CHECK(predicted.tpot.mean() == Approx(measured.tpot.mean()).epsilon(0.05));
  CHECK(predicted.tpot.percentile(99) == Approx(measured.tpot.percentile(99)).epsilon(0.05));
  CHECK(predicted.ttft.mean() == Approx(measured.ttft.mean()).epsilon(0.08));
  CHECK(predicted.ttft.percentile(99) == Approx(measured.ttft.percentile(99)).epsilon(0.08));
  CHECK(predicted.e2el.mean() == Approx(measured.e2el.mean()).epsilon(0.08));
  CHECK(predicted.e2el.percentile(99) == Approx(measured.e2el.percentile(99)).epsilon(0.08));
}

TEST_CASE("a recorded run's lines are checked") {
  const std::string good =
      R"({"request_id": "a", "input_toks": 10, "output_toks": 3, "arrival_time": 9, "queued_ts": 1.5, "first_token_ts": 2, "last_token_ts": 3})";
  const MeasuredRequest r = read_measured_request(JsonValue::parse(good, "f"));
  CHECK(r.queued == 1'500'000'000);
  CHECK(r.output_tokens == 3);
  const auto refused = [&](const std::string& from, const std::string& to) {
    std::string line = good;
    line.replace(line.find(from), from.size(), to);
    return error_of([&] { read_measured_request(JsonValue::parse(line, "f: line 7")); });
  };
  CHECK_THAT(refused("\"first_token_ts\": 2", "\"first_token_ts\": 1"), has_text("f: line 7: /first_token_ts: expected"));
  CHECK_THAT(refused("\"output_toks\": 3", "\"output_toks\": 0"), has_text("/output_toks"));
  CHECK_THAT(refused("\"queued_ts\": 1.5", "\"queued_ts\": 1e300"), has_text("/queued_ts"));
  const TemporaryFile empty("run.jsonl", "");
  CHECK_THAT(error_of([&] { read_measured_run(empty.path()); }), has_text("found none"));
}
