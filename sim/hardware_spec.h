// What the cost model knows of a GPU under an engine: the datasheet, and constants fitted per class of operation. The same card
// has other constants under another engine, whose kernels and host differ.
//
// docs/cost-model.md derives the formulas and says where each constant comes from. Times are microseconds, efficiencies shares
// of the datasheet's peak.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tokenyard {

class JsonValue;

struct HardwareSpec {
  std::string name;
  std::string engine;       // whose kernels and host these are: "tokenyard", "vLLM"; empty: not said
  std::string source;       // where the constants come from
  std::string known_error;  // what is known of their error; shown beside every result

  struct FittedOn {  // what was measured; all empty: datasheet, not fitted
    std::string card, driver, engine, models, date;
    std::string data;  // the files, and a hash of what is in them
    friend bool operator==(const FittedOn&, const FittedOn&) = default;
  } fitted_on;

  double bf16_tflops = 0;         // dense, 10^12 per second
  double memory_gb_per_s = 0;     // 10^9 bytes per second
  std::int64_t memory_bytes = 0;  // on the card
  double link_gb_per_s = 0;       // GPU to GPU, one way, 10^9 bytes per second; 0: none

  // Products' and element-wise kernels' t0 grows by this share with every doubling of the rows, up to 128: more rows take
  // larger tiles, and tiles have no more rows than that.
  double t0_growth = 0;
  double t0_one_row = 1;  // and is this share of itself with one row, for which an engine may have kernels of its own
  // Multiplying at full rate draws more power than the card may, so its clock falls: a step whose kernels alone would multiply
  // at the share r of the peak takes (1 + (throttle r)^4)^(1/4) times as long. 0: it never does.
  double throttle = 0;
  struct Gemm {
    double t0_us = 0, flops_efficiency = 0, bandwidth_efficiency = 0;
    friend bool operator==(const Gemm&, const Gemm&) = default;
  } gemm;
  struct DecodeAttention {  // one kernel a layer over all decode rows: bound by reading K and V
    double t0_us = 0, per_sequence_us = 0, bandwidth_efficiency = 0;
    double merge_us_per_1000 = 0;  // tokens of the longest row: its parts are merged one after the other, when all are there
    friend bool operator==(const DecodeAttention&, const DecodeAttention&) = default;
  } decode_attention;
  struct PrefillAttention {  // one kernel a layer over all chunks; reading and multiplying do not overlap well: a sum
    double t0_us = 0, io_efficiency = 0, flops_efficiency = 0;
    friend bool operator==(const PrefillAttention&, const PrefillAttention&) = default;
  } prefill_attention;
  // An engine with one attention kernel for a step of both kinds: what a decoding row adds to the chunks' time. Each query head
  // reads K and V itself, so per_row_us counts query heads, and the efficiency is above 1 where heads that share K and V find
  // them in the cache. None: decodes and chunks have a kernel each.
  struct MixedAttention {
    double per_row_us = 0, read_efficiency = 0;
    friend bool operator==(const MixedAttention&, const MixedAttention&) = default;
  };
  std::optional<MixedAttention> mixed_attention;
  struct Elementwise {  // norms, rotary embedding, activation, K/V write; t0 per kernel
    double t0_us = 0, bandwidth_efficiency = 0;
    std::int32_t rows_at_once = 1;  // take as long as one: a multiprocessor has a row to itself. Datasheet; 1: not known
    friend bool operator==(const Elementwise&, const Elementwise&) = default;
  } elementwise;
  struct Sampler {
    double t0_us = 0, per_sequence_us = 0;
    friend bool operator==(const Sampler&, const Sampler&) = default;
  } sampler;
  struct Host {
    double step_us = 0;       // scheduling, input copies, synchronisation: every step
    double launch_us = 0;     // per kernel, where no CUDA graph launches them; hidden while the GPU is busy for longer
    double row_us = 0;        // and for each of its rows
    double front_end_us = 0;  // from a client's request to the engine's queue
    double piece_us = 0;  // per layer of a captured step with a prompt, where graphs stop at each attention (vLLM); hidden, too
    friend bool operator==(const Host&, const Host&) = default;
  } host;
  struct AllReduce {  // a ring's 2 (P-1)/P x bytes over the link
    std::int32_t tensor_parallel = 0;
    double latency_us = 0, link_efficiency = 0;
    bool norms = false;  // the norm after the sum is in its kernel and its time
    friend bool operator==(const AllReduce&, const AllReduce&) = default;
  };
  std::vector<AllReduce> all_reduce;  // the supported sizes above 1

  friend bool operator==(const HardwareSpec&, const HardwareSpec&) = default;
};

std::vector<std::string> builtin_hardware();

// A built-in name or a .json file. Throws InputError.
HardwareSpec find_hardware(const std::string& name_or_file);
// An object of the fields above. Not required: engine, fitted_on, mixed_attention, t0_growth, t0_one_row, throttle,
// merge_us_per_1000, norms, rows_at_once, row_us, piece_us, front_end_us and all_reduce.
HardwareSpec read_hardware(const JsonValue& json);
// Whose kernels it means, what it was fitted on and what is known of its error: stands beside every result.
std::string error_note(const HardwareSpec& hardware);
std::string to_json(const HardwareSpec& hardware);  // read_hardware reads it back to an equal value

}  // namespace tokenyard
