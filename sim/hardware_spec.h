// What the cost model knows of a GPU: the datasheet, and constants fitted per class of operation.
//
// Every operation takes t0 + max(flops / (e_f * peak), bytes / (e_b * bandwidth)); docs/cost-model.md derives it and says
// where each constant comes from. Times are microseconds, efficiencies shares of the datasheet's peak.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tokenyard {

class JsonValue;

struct HardwareSpec {
  std::string name;
  std::string source;       // where the constants come from
  std::string known_error;  // what is known of their error; shown beside every result

  double bf16_tflops = 0;         // dense, 10^12 per second
  double memory_gb_per_s = 0;     // 10^9 bytes per second
  std::int64_t memory_bytes = 0;  // on the card
  double link_gb_per_s = 0;       // GPU to GPU, one way, 10^9 bytes per second; 0: none

  struct Gemm {
    double t0_us = 0, flops_efficiency = 0, bandwidth_efficiency = 0;
    friend bool operator==(const Gemm&, const Gemm&) = default;
  } gemm;
  struct DecodeAttention {  // one kernel a layer over all decode rows: bound by reading K and V
    double t0_us = 0, per_sequence_us = 0, bandwidth_efficiency = 0;
    friend bool operator==(const DecodeAttention&, const DecodeAttention&) = default;
  } decode_attention;
  struct PrefillAttention {  // one kernel a layer over all chunks; reading and multiplying do not overlap well: a sum
    double t0_us = 0, io_efficiency = 0, flops_efficiency = 0;
    friend bool operator==(const PrefillAttention&, const PrefillAttention&) = default;
  } prefill_attention;
  struct Elementwise {  // norms, rotary embedding, activation, K/V write; t0 per kernel
    double t0_us = 0, bandwidth_efficiency = 0;
    friend bool operator==(const Elementwise&, const Elementwise&) = default;
  } elementwise;
  struct Sampler {
    double t0_us = 0, per_sequence_us = 0;
    friend bool operator==(const Sampler&, const Sampler&) = default;
  } sampler;
  struct Host {
    double step_us = 0;    // scheduling, input copies, synchronisation: every step
    double launch_us = 0;  // per kernel, where no CUDA graph launches them; hidden while the GPU is busy for longer
    friend bool operator==(const Host&, const Host&) = default;
  } host;
  struct AllReduce {  // a ring's 2 (P-1)/P x bytes over the link
    std::int32_t tensor_parallel = 0;
    double latency_us = 0, link_efficiency = 0;
    friend bool operator==(const AllReduce&, const AllReduce&) = default;
  };
  std::vector<AllReduce> all_reduce;  // the supported sizes above 1

  friend bool operator==(const HardwareSpec&, const HardwareSpec&) = default;
};

std::vector<std::string> builtin_hardware();

// A built-in name or a .json file. Throws InputError.
HardwareSpec find_hardware(const std::string& name_or_file);
// An object of the fields above; all of them, all_reduce excepted, are required.
HardwareSpec read_hardware(const JsonValue& json);
std::string to_json(const HardwareSpec& hardware);  // read_hardware reads it back to an equal value

}  // namespace tokenyard
