#include "backends/model/model_config.h"

#include <cmath>
#include <cstdlib>

#include "backends/model/rope.h"
#include "fuzz.h"

namespace tokenyard {

// A config.json, or two texts with a zero byte between: config.json and generation_config.json.
void fuzz(std::string_view text) {
  const std::size_t zero = text.find('\0');
  const std::string_view generation = zero == text.npos ? std::string_view() : text.substr(zero + 1);
  const ModelConfig config = parse_model_config(text.substr(0, zero), "config.json", generation, "generation_config.json");
  if (config.num_heads % config.num_kv_heads != 0 || config.head_dim % 2 != 0) std::abort();
  if (config.head_dim > 4096) return;
  for (const float value : make_rope_table(config, 3).cos) {
    if (!(std::fabs(value) <= 1.000001f)) std::abort();
  }
}

}  // namespace tokenyard
