// A run's result as named numbers: the names `vllm bench serve` writes, and ours beyond them. Result files, sweeps, plots and
// expectations all say these names.
#pragma once

#include <string>
#include <vector>

#include "core/metrics.h"

namespace tokenyard {

struct ResultValue {
  std::string name;      // "p99_ttft_ms"; "kv_slots.used" is the field "used" of the object "kv_slots"
  double value = 0;      // NaN: there is none (goodput without objectives)
  bool integer = false;  // a count
};

// Always the same names in the same order. Times in seconds and milliseconds as the names say.
std::vector<ResultValue> result_values(const Metrics& metrics);
std::vector<std::string> result_names();

// As text: counts without a point, other values in the fewest digits that read back equal; "" for none.
std::string result_text(const ResultValue& value);

}  // namespace tokenyard
