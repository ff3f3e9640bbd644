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
  const ModelShape shape = parse_model_config(text.substr(0, zero), "config.json", generation, "generation_config.json").shape;
  if (shape.num_heads % shape.num_kv_heads != 0 || shape.head_dim % 2 != 0) std::abort();
  const float most = shape.rope_scaling ? static_cast<float>(shape.rope_scaling->attention_factor) : 1;
  for (const float value : make_rope_table(shape, 3).cos) {
    if (!(std::fabs(value) <= most * 1.000001f)) std::abort();
  }
}

}  // namespace tokenyard
