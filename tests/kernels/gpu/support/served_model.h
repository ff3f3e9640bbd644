// Small models that a CUDA backend serves, and what the card has left, for the tests of the backend.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <memory>

#include "../../../model/tiny_model.h"
#include "backends/model/weights.h"
#include "catch.h"
#include "core/config.h"

namespace tokenyard::gpu {

inline test::TinyModel tiny_model(ModelFamily family, int heads, int kv_heads, int head_dim) {
  test::TinyModel tiny;
  tiny.family = family;
  tiny.dtype = DType::bf16;
  tiny.hidden = 128;
  tiny.intermediate = 192;
  tiny.layers = 3;
  tiny.heads = heads;
  tiny.kv_heads = kv_heads;
  tiny.head_dim = head_dim;
  return tiny;
}

struct Model {
  explicit Model(const test::TinyModel& tiny) {
    tiny.write(folder);
    weights = std::make_unique<Weights>(folder.path());
  }
  test::TempFolder folder;
  std::unique_ptr<Weights> weights;
};

inline EngineConfig small_config() {
  EngineConfig config;
  config.max_num_seqs = 8;
  config.max_num_batched_tokens = 256;
  config.num_blocks = 200;
  config.block_size = 16;
  config.eos_token_id = 7;
  return config;
}

inline std::size_t free_memory() {
  std::size_t free = 0;
  std::size_t total = 0;
  REQUIRE(cudaMemGetInfo(&free, &total) == cudaSuccess);
  return free;
}

}  // namespace tokenyard::gpu
