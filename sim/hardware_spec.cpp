#include "sim/hardware_spec.h"

#include <string>
#include <utility>
#include <vector>

#include "core/base/json_reader.h"
#include "core/base/text_file.h"

namespace tokenyard {
namespace {

// Datasheets, and fits on public kernel timings; docs/cost-model.md has the table with its sources.
constexpr const char* kKernelTables =
    "datasheet; GEMM and attention fitted on public kernel timings (ai-dynamo/aiconfigurator, vLLM kernels, bf16), all-reduce "
    "on its custom_allreduce timings";
constexpr const char* kAssumed = "datasheet; efficiencies assumed, nothing was measured on this card";
constexpr const char* kUnchecked = "no end-to-end check on this card";

HardwareSpec fitted(const char* name, const char* error) {
  HardwareSpec h;
  h.name = name;
  h.source = kKernelTables;
  h.known_error = error;
  h.elementwise = {2.0, 0.85};
  h.sampler = {25.0, 1.1};
  h.host = {300.0, 8.0};
  return h;
}

// What a card without timings is assumed to reach: the fitted cards' middle.
HardwareSpec assumed(const char* name) {
  HardwareSpec h = fitted(name, "");
  h.source = kAssumed;
  h.known_error = "unknown: assumed efficiencies (0.70 of flops, 0.80 of bandwidth); expect 30 % or more";
  h.gemm = {4.0, 0.70, 0.80};
  h.decode_attention = {12.0, 0.040, 0.80};
  h.prefill_attention = {12.0, 0.40, 0.60};
  return h;
}

std::vector<HardwareSpec> make_builtins() {
  std::vector<HardwareSpec> all;
  {
    HardwareSpec h = fitted("h100-sxm",
                            "mean error per kernel: GEMM 13 %, decode attention 15 %, prefill attention 16 %, all-reduce 19 to "
                            "28 %; end to end: time per output token of four models within -13..+13 % of published vLLM runs");
    h.bf16_tflops = 989;
    h.memory_gb_per_s = 3350;
    h.memory_bytes = 85899345920;
    h.link_gb_per_s = 450;
    h.gemm = {3.5, 0.80, 0.85};
    h.decode_attention = {11.7, 0.040, 0.92};
    h.prefill_attention = {12.8, 0.40, 0.69};
    h.all_reduce = {{2, 4.828, 0.5523}, {4, 5.403, 0.6306}, {8, 5.494, 0.6815}};
    all.push_back(h);
  }
  {
    HardwareSpec h =
        fitted("h200", (std::string("mean error per kernel: GEMM 10 %, decode attention 13 %, prefill attention ") +
                        "10 %; all-reduce taken from the H100; " + kUnchecked)
                           .c_str());
    h.bf16_tflops = 989;
    h.memory_gb_per_s = 4800;
    h.memory_bytes = 151397597184;
    h.link_gb_per_s = 450;
    h.gemm = {4.0, 0.80, 0.85};
    h.decode_attention = {11.8, 0.041, 0.86};
    h.prefill_attention = {12.7, 0.30, 0.67};
    h.all_reduce = {{2, 4.828, 0.5523}, {4, 5.403, 0.6306}, {8, 5.494, 0.6815}};
    all.push_back(h);
  }
  {
    HardwareSpec h = fitted("a100-80gb", (std::string("mean error per kernel: GEMM 13 %, decode attention 24 %, prefill ") +
                                          "attention 15 %; " + kUnchecked)
                                             .c_str());
    h.bf16_tflops = 312;
    h.memory_gb_per_s = 2039;
    h.memory_bytes = 85899345920;
    h.link_gb_per_s = 300;
    h.gemm = {5.5, 0.70, 0.70};
    h.decode_attention = {14.9, 0.038, 0.69};
    h.prefill_attention = {12.4, 0.37, 0.58};
    h.all_reduce = {{2, 5.0, 0.50}, {4, 6.8, 0.54}, {8, 10.0, 0.60}};
    all.push_back(h);
  }
  {
    HardwareSpec h =
        fitted("b200", (std::string("mean error per kernel: GEMM 13 %, decode attention 14 %, prefill attention ") +
                        "16 %; all-reduce of 4 interpolated; " + kUnchecked)
                           .c_str());
    h.bf16_tflops = 2250;
    h.memory_gb_per_s = 8000;
    h.memory_bytes = 193273528320;
    h.link_gb_per_s = 900;
    h.gemm = {3.5, 0.70, 0.75};
    h.decode_attention = {9.3, 0.015, 0.95};
    h.prefill_attention = {11.8, 0.25, 0.61};
    h.all_reduce = {{2, 7.0, 0.40}, {4, 8.0, 0.48}, {8, 9.0, 0.56}};
    all.push_back(h);
  }
  {
    HardwareSpec h = assumed("l4");
    h.bf16_tflops = 121;
    h.memory_gb_per_s = 300;
    h.memory_bytes = 25769803776;
    h.link_gb_per_s = 32;
    h.all_reduce = {{2, 20.0, 0.60}, {4, 30.0, 0.60}};
    all.push_back(h);
  }
  {
    HardwareSpec h = fitted("l40s", (std::string("mean error per kernel: GEMM 20 % (its 48 MB L2 holds small weights), ") +
                                     "prefill attention 15 %, decode attention poor; all-reduce assumed; " + kUnchecked)
                                        .c_str());
    h.bf16_tflops = 362;
    h.memory_gb_per_s = 864;
    h.memory_bytes = 48305799168;
    h.link_gb_per_s = 32;
    h.gemm = {2.0, 0.60, 0.80};
    h.decode_attention = {9.5, 0.024, 0.80};
    h.prefill_attention = {8.0, 1.15, 0.52};  // io above 1: K and V of its test shapes come from the L2
    h.all_reduce = {{2, 20.0, 0.60}, {4, 30.0, 0.60}};
    all.push_back(h);
  }
  {
    // What `tokenyard calibrate` makes of the public table; docs/calibration.md has the command.
    HardwareSpec h =
        fitted("rtx-4090",
               "mean error per kernel: GEMM 5 %, decode attention 10 %, prefill attention 22 %, both in one kernel "
               "39 % (Llama-3.1-8B's shapes); a recorded vLLM run of 300 requests: throughput +2 %, mean TTFT -2 %, "
               "TPOT -3 %, of which its chosen host time is 1 %");
    h.source =
        "datasheet (fp32 accumulation); kernels fitted on public timings (casys-kaist/LLMServingSim, Llama-3.1-8B); host "
        "assumed";
    h.bf16_tflops = 165.2;
    h.memory_gb_per_s = 1008;
    h.memory_bytes = 25250627584;
    h.gemm = {7.792, 0.9491, 0.9202};
    h.decode_attention = {12.1, 0.207, 0.9132};
    h.prefill_attention = {8.625, 0.6769, 0.8937};
    h.elementwise = {2.008, 2.801};  // above 1: its tables' activations stay in the 72 MB L2
    h.sampler = {24.44, 0.4126};
    all.push_back(h);
  }
  {
    HardwareSpec h = assumed("rtx-4070-laptop");
    h.bf16_tflops = 29.9;  // at 60 W; 22.7 at 35 W, 40.1 at 115 W
    h.memory_gb_per_s = 256;
    h.memory_bytes = 8585740288;
    h.known_error += "; the power limit alone moves its flops between 22.7 and 40.1 TFLOP/s, 29.9 (60 W) is taken";
    all.push_back(h);
  }
  return all;
}

const std::vector<HardwareSpec>& all_hardware() {
  static const std::vector<HardwareSpec> all = make_builtins();
  return all;
}

constexpr double kLeastTime = 0;
constexpr double kMostTime = 1e6;  // a second for one kernel
double time_us(JsonObject& object, const char* key) { return object.at(key).number(kLeastTime, kMostTime); }
// A little above 1 is possible: caches.
double efficiency(JsonObject& object, const char* key) { return object.at(key).number(0.001, 4); }

}  // namespace

std::vector<std::string> builtin_hardware() {
  std::vector<std::string> names;
  for (const HardwareSpec& hardware : all_hardware()) names.push_back(hardware.name);
  return names;
}

HardwareSpec find_hardware(const std::string& name_or_file) {
  std::string known;
  for (const HardwareSpec& hardware : all_hardware()) {
    if (hardware.name == name_or_file) return hardware;
    known += (known.empty() ? "" : ", ") + hardware.name;
  }
  if (means_file(name_or_file)) return read_hardware(JsonValue::load(name_or_file, 1 << 20));
  throw InputError("hardware: expected one of " + known + ", or a .json file, found \"" + name_or_file + "\"");
}

HardwareSpec read_hardware(const JsonValue& json) {
  HardwareSpec h;
  JsonObject top = json.object();
  h.name = top.at("name").string();
  h.source = top.at("source").string();
  h.known_error = top.at("known_error").string();
  h.bf16_tflops = top.at("bf16_tflops").number(0.001, 1e6);
  h.memory_gb_per_s = top.at("memory_gb_per_s").number(0.1, 1e6);
  h.memory_bytes = top.at("memory_bytes").integer(1 << 20, std::int64_t{1} << 50);
  h.link_gb_per_s = top.at("link_gb_per_s").number(0, 1e6);
  {
    JsonObject o = top.at("gemm").object();
    h.gemm = {time_us(o, "t0_us"), efficiency(o, "flops_efficiency"), efficiency(o, "bandwidth_efficiency")};
    o.done();
  }
  {
    JsonObject o = top.at("decode_attention").object();
    h.decode_attention = {time_us(o, "t0_us"), time_us(o, "per_sequence_us"), efficiency(o, "bandwidth_efficiency")};
    o.done();
  }
  {
    JsonObject o = top.at("prefill_attention").object();
    h.prefill_attention = {time_us(o, "t0_us"), efficiency(o, "io_efficiency"), efficiency(o, "flops_efficiency")};
    o.done();
  }
  {
    JsonObject o = top.at("elementwise").object();
    h.elementwise = {time_us(o, "t0_us"), efficiency(o, "bandwidth_efficiency")};
    o.done();
  }
  {
    JsonObject o = top.at("sampler").object();
    h.sampler = {time_us(o, "t0_us"), time_us(o, "per_sequence_us")};
    o.done();
  }
  {
    JsonObject o = top.at("host").object();
    h.host = {time_us(o, "step_us"), time_us(o, "launch_us")};
    o.done();
  }
  if (const auto list = top.find("all_reduce")) {
    for (const JsonValue& entry : list->array()) {
      JsonObject o = entry.object();
      h.all_reduce.push_back(
          {o.at("tensor_parallel").int32(2, 1024), time_us(o, "latency_us"), efficiency(o, "link_efficiency")});
      o.done();
      if (h.link_gb_per_s <= 0) entry.fail("expected link_gb_per_s above 0 where all_reduce is given, found 0");
    }
  }
  top.done();
  return h;
}

std::string to_json(const HardwareSpec& h) {
  using Object = Json::Object;
  Json::Array all_reduce;
  for (const HardwareSpec::AllReduce& a : h.all_reduce) {
    all_reduce.push_back(
        Object{{"tensor_parallel", a.tensor_parallel}, {"latency_us", a.latency_us}, {"link_efficiency", a.link_efficiency}});
  }
  const Json json = Object{
      {"name", h.name},
      {"source", h.source},
      {"known_error", h.known_error},
      {"bf16_tflops", h.bf16_tflops},
      {"memory_gb_per_s", h.memory_gb_per_s},
      {"memory_bytes", h.memory_bytes},
      {"link_gb_per_s", h.link_gb_per_s},
      {"gemm", Object{{"t0_us", h.gemm.t0_us},
                      {"flops_efficiency", h.gemm.flops_efficiency},
                      {"bandwidth_efficiency", h.gemm.bandwidth_efficiency}}},
      {"decode_attention", Object{{"t0_us", h.decode_attention.t0_us},
                                  {"per_sequence_us", h.decode_attention.per_sequence_us},
                                  {"bandwidth_efficiency", h.decode_attention.bandwidth_efficiency}}},
      {"prefill_attention", Object{{"t0_us", h.prefill_attention.t0_us},
                                   {"io_efficiency", h.prefill_attention.io_efficiency},
                                   {"flops_efficiency", h.prefill_attention.flops_efficiency}}},
      {"elementwise", Object{{"t0_us", h.elementwise.t0_us}, {"bandwidth_efficiency", h.elementwise.bandwidth_efficiency}}},
      {"sampler", Object{{"t0_us", h.sampler.t0_us}, {"per_sequence_us", h.sampler.per_sequence_us}}},
      {"host", Object{{"step_us", h.host.step_us}, {"launch_us", h.host.launch_us}}},
      {"all_reduce", std::move(all_reduce)}};
  return json.dump();
}

}  // namespace tokenyard
