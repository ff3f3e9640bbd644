#include "sim/hardware_spec.h"

#include <string>
#include <utility>
#include <vector>

#include "core/base/json_reader.h"
#include "core/base/text_file.h"

namespace tokenyard {
namespace {

// A card under an engine. What each was fitted on is in `source` and `fitted_on`; docs/cost-model.md has the table.
constexpr const char* kVllm = "vLLM";
constexpr const char* kTokenyard = "Tokenyard";
constexpr const char* kUnchecked = "no end-to-end check on this card";

// Datasheet figures; the rest is vLLM's kernels, or what a card without timings is assumed to reach: the fitted cards' middle.
HardwareSpec card(const char* name, double tflops, double gb_per_s, std::int64_t bytes, double link) {
  HardwareSpec h;
  h.name = name;
  h.engine = kVllm;
  h.source = "datasheet, not fitted: efficiencies assumed, nothing was measured on this card";
  h.known_error = "unknown: assumed efficiencies (0.70 of flops, 0.80 of bandwidth); expect 30 % or more";
  h.bf16_tflops = tflops;
  h.memory_gb_per_s = gb_per_s;
  h.memory_bytes = bytes;
  h.link_gb_per_s = link;
  h.gemm = {4.0, 0.70, 0.80};
  h.decode_attention = {12.0, 0.040, 0.80};
  h.prefill_attention = {12.0, 0.40, 0.60};
  h.elementwise = {2.0, 0.85};
  h.sampler = {25.0, 1.1};
  h.host = {300.0, 8.0, 0, 0};
  return h;
}

// GEMM's three constants were once fitted to the larger of both times; these come nearest to that fit over the tables' shapes.
HardwareSpec from_tables(HardwareSpec h, const std::string& errors) {
  h.source =
      "datasheet; GEMM and attention fitted on public kernel timings (ai-dynamo/aiconfigurator, vLLM kernels, bf16), which are "
      "not at hand any more, GEMM restated for the smooth ridge; host assumed";
  h.known_error = "mean error per kernel before it was restated: " + errors + "; " + kUnchecked;
  h.fitted_on = {h.name, "", "vLLM kernels", "", "2026-11", "aiconfigurator's kernel tables"};
  return h;
}

std::vector<HardwareSpec> make_builtins() {
  std::vector<HardwareSpec> all;
  const std::int64_t gib = std::int64_t{1} << 30;
  const std::vector<HardwareSpec::AllReduce> nvlink_vllm = {{2, 5.243, 0.5357}, {4, 7.999, 0.6439}, {8, 12.97, 0.782}};
  // Of two cards from a recorded run of this engine, with the norms that are one kernel with the sums (docs/measurements.md);
  // of 4 and 8 vLLM's.
  const std::vector<HardwareSpec::AllReduce> nvlink = {{2, 3.102, 0.5481, true}, {4, 7.999, 0.6439}, {8, 12.97, 0.782}};
  {
    HardwareSpec h = card("h100-sxm", 989, 3350, 80 * gib, 450);
    h.engine = kTokenyard;
    h.source =
        "two runs of this engine on an H100, drawn to constants of an H200 with kernels like theirs; all-reduce of 2 measured "
        "on H200s, of 4 and 8 vLLM's";
    h.known_error =
        "mean error of a step's time, on the halves of both runs that were not fitted: Qwen3-0.6B offline 0.8 % (P90 1.8, bias "
        "-0.4), Poisson 2.6 % (P90 3.6, bias -0.3); other models and long prompts not checked on this card";
    h.fitted_on = {"NVIDIA H100 80GB HBM3",
                   "580.159.04",
                   "tokenyard 0.1.0",
                   "qwen3-0.6b",
                   "2026-11-25",
                   "h100-nano-vllm.trace, h100-poisson.trace (hash 45feb79d5c0248d6)"};
    h.t0_growth = 0.08613;
    h.t0_one_row = 0.9019;
    h.throttle = 0.5844;
    h.gemm = {2.549, 0.8096, 0.9145};
    h.decode_attention = {3.236, 0.01093, 0.9145, 0.2514};
    h.prefill_attention = {14.55, 0.8186, 0.1947};
    h.elementwise = {1.499, 0.7094, 132};
    h.sampler = {23.72, 0.7729};
    h.host = {64.46, 3.5, 0.1152, 0, 70.76};
    h.all_reduce = nvlink;
    all.push_back(h);
  }
  {
    HardwareSpec h = card("h100-sxm-vllm", 989, 3350, 80 * gib, 450);
    h.source =
        "datasheet; GEMM, attention and all-reduce fitted on public kernel timings (ai-dynamo/aiconfigurator, vLLM 0.24 "
        "kernels, "
        "bf16); host time assumed, the front end's latency as inference-sim fitted it to vLLM 0.15 on this card";
    h.known_error =
        "mean error per kernel (bias): GEMM 11 % (-1), decode attention 15 % (-2), prefill attention 16 % (0), all-reduce 19 "
        "to "
        "28 %; prefill and decode in one kernel not measured, so added up; no end-to-end check";
    h.fitted_on = {"H100 SXM", "", "vLLM 0.24 kernels", "", "2026-11-30", "aiconfigurator's kernel tables"};
    h.gemm = {3.074, 0.8321, 0.8583};
    h.decode_attention = {11.53, 0.04554, 0.8864};
    h.prefill_attention = {13.24, 0.3628, 0.6226};
    h.host.front_end_us = 15563;
    h.all_reduce = nvlink_vllm;
    all.push_back(h);
  }
  {
    HardwareSpec h = card("h200", 989, 4800, 151397597184, 450);
    h.engine = kTokenyard;
    h.source = "seven runs of this engine on an H200; all-reduce of 2 measured, of 4 and 8 vLLM's";
    h.known_error =
        "mean error of a step's time on runs that were not fitted: Qwen3-0.6B beyond saturation 3.9 % (P90 6.5, bias +2.0), 4B "
        "offline 1.5 % (P90 3.0, bias +0.9), 8B bursts 3.0 % (P90 4.6, bias +1.9), 8B long prompts 1.5 % (P90 4.3, bias -0.2)";
    h.fitted_on = {"NVIDIA H200",
                   "580.159.04",
                   "tokenyard 0.2.0",
                   "qwen3-0.6b, qwen3-4b",
                   "2026-12-01",
                   "h200-{0.6b-offline,0.6b-poisson,0.6b-long,0.6b-chunks,0.6b-few,0.6b-sync,4b-poisson}.trace.xz (hash "
                   "31f987dfd8b7a8fa)"};
    h.t0_growth = 0.3523;
    h.t0_one_row = 1.325;
    h.throttle = 1.665;
    h.gemm = {1.503, 0.9423, 0.8564};
    h.decode_attention = {2.815, 0.006933, 0.8564, 0.009864};
    h.prefill_attention = {4.047, 0.3028, 0.5176};
    h.elementwise = {0.6703, 0.6652, 132};
    h.sampler = {16.3, 0.4107};
    h.host = {34.54, 3.5, 0.1205, 0, 55.96};
    h.all_reduce = nvlink;
    all.push_back(h);
  }
  {
    HardwareSpec h = from_tables(card("h200-vllm", 989, 4800, 151397597184, 450),
                                 "GEMM 10 %, decode attention 13 %, prefill attention 10 %; all-reduce taken from the H100");
    h.gemm = {3.978, 0.8481, 0.9152};
    h.decode_attention = {11.8, 0.041, 0.86};
    h.prefill_attention = {12.7, 0.30, 0.67};
    h.all_reduce = nvlink_vllm;
    all.push_back(h);
  }
  {
    HardwareSpec h =
        from_tables(card("a100-80gb", 312, 2039, 80 * gib, 300), "GEMM 13 %, decode attention 24 %, prefill attention 15 %");
    h.gemm = {5.472, 0.743, 0.7585};
    h.decode_attention = {14.9, 0.038, 0.69};
    h.prefill_attention = {12.4, 0.37, 0.58};
    h.all_reduce = {{2, 5.0, 0.50}, {4, 6.8, 0.54}, {8, 10.0, 0.60}};
    all.push_back(h);
  }
  {
    HardwareSpec h = from_tables(card("b200", 2250, 8000, 180 * gib, 900),
                                 "GEMM 13 %, decode attention 14 %, prefill attention 16 %; all-reduce of 4 interpolated");
    h.gemm = {3.485, 0.7464, 0.7972};
    h.decode_attention = {9.3, 0.015, 0.95};
    h.prefill_attention = {11.8, 0.25, 0.61};
    h.all_reduce = {{2, 7.0, 0.40}, {4, 8.0, 0.48}, {8, 9.0, 0.56}};
    all.push_back(h);
  }
  {
    HardwareSpec h = card("l4", 121, 300, 24 * gib, 32);
    h.all_reduce = {{2, 20.0, 0.60}, {4, 30.0, 0.60}};
    all.push_back(h);
  }
  {
    HardwareSpec h = from_tables(
        card("l40s", 362, 864, 48305799168, 32),
        "GEMM 20 % (its 48 MB L2 holds small weights), prefill attention 15 %, decode attention poor; all-reduce assumed");
    h.gemm = {2.029, 0.6602, 0.8398};
    h.decode_attention = {9.5, 0.024, 0.80};
    h.prefill_attention = {8.0, 1.15, 0.52};  // io above 1: K and V of its test shapes come from the L2
    h.all_reduce = {{2, 20.0, 0.60}, {4, 30.0, 0.60}};
    all.push_back(h);
  }
  {
    // This and the next are what `tokenyard calibrate` makes of public tables; docs/calibration.md has the commands.
    HardwareSpec h = card("rtx-4090", 165.2, 1008, 25250627584, 0);
    h.source =
        "datasheet (fp32 accumulation); kernels fitted on public timings (casys-kaist/LLMServingSim, Llama-3.1-8B); host "
        "assumed";
    h.known_error =
        "mean error per kernel (bias): GEMM 4 % (+1), decode attention 10 % (+4), prefill attention 21 % (0), both in one "
        "kernel "
        "17 % (-5); a vLLM 0.19 run of 300 requests of Llama-3.1-8B: throughput +2 %, mean TTFT -2 %, TPOT -3 %, of which its "
        "chosen host time is 1 %";
    h.fitted_on = {"NVIDIA GeForce RTX 4090",
                   "",
                   "vLLM 0.19 kernels",
                   "llama-3.1-8b",
                   "2026-11-30",
                   "LLMServingSim's attention.csv, dense.csv, per_sequence.csv"};
    h.gemm = {6.86, 0.9816, 0.9568};
    h.decode_attention = {12.24, 0.2136, 0.9036};
    h.prefill_attention = {7.735, 0.3207, 1.0};
    h.mixed_attention = {0.03706, 1.64};
    h.elementwise = {2.029, 2.518};  // above 1: its tables' activations stay in the 72 MB L2
    h.sampler = {23.26, 0.4844};
    all.push_back(h);
  }
  {
    HardwareSpec h = card("rtx-pro-6000", 503.8, 1597, 102641958912, 64);
    h.source =
        "datasheet (Blackwell Server Edition); kernels fitted on public timings (casys-kaist/LLMServingSim, Llama-3.1-8B); "
        "host "
        "and all-reduce assumed";
    h.known_error =
        "mean error per kernel (bias): GEMM 7 % (0), decode attention 7 % (+1), prefill attention 26 % (+10), both in one "
        "kernel "
        "18 % (-1); a vLLM 0.19 run of 300 requests of Llama-3.1-8B: throughput +3 %, mean TTFT -5 %, TPOT -2 %";
    h.fitted_on = {"NVIDIA RTX PRO 6000 Blackwell Server Edition",
                   "",
                   "vLLM 0.19 kernels",
                   "llama-3.1-8b",
                   "2026-11-30",
                   "LLMServingSim's attention.csv, dense.csv, per_sequence.csv"};
    h.gemm = {6.61, 0.7455, 0.9914};
    h.decode_attention = {12.37, 0.1128, 0.9118};
    h.prefill_attention = {5.632, 0.1827, 0.83};
    h.mixed_attention = {0.01498, 2.091};
    h.elementwise = {2.502, 2.857};
    h.sampler = {22.83, 0.3481};
    h.all_reduce = {{2, 20.0, 0.60}};
    all.push_back(h);
  }
  {
    HardwareSpec h = card("rtx-4070-laptop", 29.9, 256, 8585740288, 0);  // at 60 W; 22.7 at 35 W, 40.1 at 115 W
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
  if (const auto v = top.find("engine")) h.engine = v->string();
  h.source = top.at("source").string();
  h.known_error = top.at("known_error").string();
  if (const auto v = top.find("fitted_on")) {
    JsonObject o = v->object();
    h.fitted_on = {o.at("card").string(),   o.at("driver").string(), o.at("engine").string(),
                   o.at("models").string(), o.at("date").string(),   o.at("data").string()};
    o.done();
  }
  h.bf16_tflops = top.at("bf16_tflops").number(0.001, 1e6);
  h.memory_gb_per_s = top.at("memory_gb_per_s").number(0.1, 1e6);
  h.memory_bytes = top.at("memory_bytes").integer(1 << 20, std::int64_t{1} << 50);
  h.link_gb_per_s = top.at("link_gb_per_s").number(0, 1e6);
  if (const auto v = top.find("t0_growth")) h.t0_growth = v->number(0, 10);
  if (const auto v = top.find("t0_one_row")) h.t0_one_row = v->number(0.01, 10);
  if (const auto v = top.find("throttle")) h.throttle = v->number(0, 4);
  {
    JsonObject o = top.at("gemm").object();
    h.gemm = {time_us(o, "t0_us"), efficiency(o, "flops_efficiency"), efficiency(o, "bandwidth_efficiency")};
    o.done();
  }
  {
    JsonObject o = top.at("decode_attention").object();
    h.decode_attention = {time_us(o, "t0_us"), time_us(o, "per_sequence_us"), efficiency(o, "bandwidth_efficiency")};
    if (const auto v = o.find("merge_us_per_1000")) h.decode_attention.merge_us_per_1000 = v->number(kLeastTime, kMostTime);
    o.done();
  }
  {
    JsonObject o = top.at("prefill_attention").object();
    h.prefill_attention = {time_us(o, "t0_us"), efficiency(o, "io_efficiency"), efficiency(o, "flops_efficiency")};
    o.done();
  }
  if (const auto v = top.find("mixed_attention")) {
    JsonObject o = v->object();
    h.mixed_attention = {time_us(o, "per_row_us"), o.at("read_efficiency").number(0.001, 64)};
    o.done();
  }
  {
    JsonObject o = top.at("elementwise").object();
    h.elementwise = {time_us(o, "t0_us"), efficiency(o, "bandwidth_efficiency")};
    if (const auto rows = o.find("rows_at_once")) h.elementwise.rows_at_once = rows->int32(1, 4096);
    o.done();
  }
  {
    JsonObject o = top.at("sampler").object();
    h.sampler = {time_us(o, "t0_us"), time_us(o, "per_sequence_us")};
    o.done();
  }
  {
    JsonObject o = top.at("host").object();
    h.host.step_us = time_us(o, "step_us");
    h.host.launch_us = time_us(o, "launch_us");
    if (const auto row = o.find("row_us")) h.host.row_us = row->number(kLeastTime, kMostTime);
    if (const auto piece = o.find("piece_us")) h.host.piece_us = piece->number(kLeastTime, kMostTime);
    if (const auto later = o.find("front_end_us")) h.host.front_end_us = later->number(kLeastTime, kMostTime);
    o.done();
  }
  if (const auto list = top.find("all_reduce")) {
    for (const JsonValue& entry : list->array()) {
      JsonObject o = entry.object();
      h.all_reduce.push_back(
          {o.at("tensor_parallel").int32(2, 1024), time_us(o, "latency_us"), efficiency(o, "link_efficiency")});
      if (const auto norms = o.find("norms")) h.all_reduce.back().norms = norms->boolean();
      o.done();
      if (h.link_gb_per_s <= 0) entry.fail("expected link_gb_per_s above 0 where all_reduce is given, found 0");
    }
  }
  top.done();
  return h;
}

std::string error_note(const HardwareSpec& h) {
  std::string out = h.name;
  if (!h.engine.empty()) out += ", kernels and host of " + h.engine;
  return out + ": " + h.known_error;
}

std::string to_json(const HardwareSpec& h) {
  using Object = Json::Object;
  Json::Array all_reduce;
  for (const HardwareSpec::AllReduce& a : h.all_reduce) {
    all_reduce.push_back(
        Object{{"tensor_parallel", a.tensor_parallel}, {"latency_us", a.latency_us}, {"link_efficiency", a.link_efficiency}});
    if (a.norms) all_reduce.back()["norms"] = true;
  }
  Json json = Object{
      {"name", h.name},
      {"engine", h.engine},
      {"source", h.source},
      {"known_error", h.known_error},
      {"bf16_tflops", h.bf16_tflops},
      {"memory_gb_per_s", h.memory_gb_per_s},
      {"memory_bytes", h.memory_bytes},
      {"link_gb_per_s", h.link_gb_per_s},
      {"t0_growth", h.t0_growth},
      {"t0_one_row", h.t0_one_row},
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
      {"host", Object{{"step_us", h.host.step_us},
                      {"row_us", h.host.row_us},
                      {"launch_us", h.host.launch_us},
                      {"front_end_us", h.host.front_end_us}}},
      {"all_reduce", std::move(all_reduce)}};
  if (h.fitted_on != HardwareSpec::FittedOn{}) {
    json["fitted_on"] = Object{{"card", h.fitted_on.card},     {"driver", h.fitted_on.driver}, {"engine", h.fitted_on.engine},
                               {"models", h.fitted_on.models}, {"date", h.fitted_on.date},     {"data", h.fitted_on.data}};
  }
  if (h.mixed_attention) {
    json["mixed_attention"] =
        Object{{"per_row_us", h.mixed_attention->per_row_us}, {"read_efficiency", h.mixed_attention->read_efficiency}};
  }
  if (h.decode_attention.merge_us_per_1000 > 0)
    json["decode_attention"]["merge_us_per_1000"] = h.decode_attention.merge_us_per_1000;
  if (h.host.piece_us > 0) json["host"]["piece_us"] = h.host.piece_us;
  if (h.throttle > 0) json["throttle"] = h.throttle;
  if (h.elementwise.rows_at_once > 1) json["elementwise"]["rows_at_once"] = h.elementwise.rows_at_once;
  return json.dump();
}

}  // namespace tokenyard
