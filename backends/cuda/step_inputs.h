// From a plan to the arrays the kernels read: gathered in pinned memory, brought to the card in one copy.
#pragma once

#include <cstdint>
#include <vector>

#include "backends/cuda/block_tables.h"
#include "backends/cuda/device.h"
#include "backends/cuda/step_shape.h"
#include "core/base/model_shape.h"
#include "core/config.h"
#include "core/step_plan.h"
#include "kernels/attention.h"
#include "kernels/sample.h"

namespace tokenyard::cuda {

// Device memory. Padding: ids that are no token's, slots -1, head tokens -1, sample rows with position -1.
struct StepArrays {
  std::int32_t* ids;           // [tokens]
  std::int32_t* positions;     // [tokens]
  std::int32_t* slots;         // [tokens]: block * block_size + slot, where K and V go
  std::int32_t* head_tokens;   // [head_rows]: rows of the residual
  kernels::SampleRow* sample;  // [head_rows]
  kernels::AttentionWork attention;
};

class StepInputs {
 public:
  struct Sizes {
    std::int32_t rows;          // of a step at most
    std::int32_t tokens;        // of a step at most
    std::int32_t max_context;   // tokens
    std::int32_t stride;        // numbers from one row of logits to the next
    std::int32_t top_capacity;  // log probabilities a row at most
  };
  // Takes all memory it will ever need. Throws BackendError.
  StepInputs(const ModelShape& model, const EngineConfig& config, const Sizes& sizes);

  // Where a step of this shape finds its arrays; depends on the shape alone.
  StepArrays arrays(const StepShape& shape) const { return place(shape, device_.data()); }
  kernels::AttentionCapacity attention_capacity(const StepShape& shape) const;
  std::int32_t* tables() const { return reinterpret_cast<std::int32_t*>(tables_memory_.data()); }
  std::int32_t table_stride() const { return table_stride_; }
  const std::int32_t* masked_ids() const { return reinterpret_cast<const std::int32_t*>(masked_memory_.data()); }
  std::uint32_t* seen() const { return reinterpret_cast<std::uint32_t*>(seen_memory_.data()); }

  // Before a step's first upload. Steps and requests are counted anew by another engine: then nothing is known of any request.
  void begin(std::int64_t step);
  // Copies what `plan` needs. The step before may be running, the one before that has ended. A row's token that the step
  // before has yet to sample becomes the id -1 - Row::waits_for. Throws BackendError for an id outside the vocabulary.
  void upload(const StepPlan& plan, const StepShape& shape, cudaStream_t stream);

 private:
  StepArrays place(const StepShape& shape, std::byte* base) const;
  std::int64_t fixed_bytes(const StepShape& shape) const;
  kernels::SampleRow sample_row(const Request& request, std::int32_t table_row, cudaStream_t stream);
  void upload_seen(const Request& request, std::int32_t table_row, cudaStream_t stream);

  ModelShape model_;
  std::int32_t block_size_;
  Token eos_token_id_;
  Sizes sizes_;
  std::int32_t table_stride_;
  BlockTables tables_;
  std::vector<kernels::TableUpdate> updates_;
  std::vector<kernels::AttentionRow> attention_rows_;
  std::vector<std::int32_t> masked_;
  std::vector<kernels::Occurrence> occurrences_;
  // Of a table row: whose tokens its row of `seen` holds, and how many of them.
  struct Seen {
    std::int32_t request = -1;
    std::int32_t tokens = 0;
  };
  std::vector<Seen> seen_rows_;
  std::int64_t last_step_ = -1;
  PinnedMemory pinned_[2];  // one is filled while the other's copy may wait for the step before
  int turn_ = 0;
  DeviceMemory device_;
  DeviceMemory tables_memory_;
  DeviceMemory updates_memory_;  // table updates, or occurrences
  DeviceMemory masked_memory_;
  DeviceMemory seen_memory_;
};

}  // namespace tokenyard::cuda
