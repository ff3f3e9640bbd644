#include "../core/invariance.h"

#include "../model/tiny_model.h"
#include "backends/cpu/cpu_backend.h"

namespace tokenyard {
namespace {

void check_with(KvDtype kv_dtype, int schedules) {
  const test::TinyModel tiny;
  const test::TempFolder folder;
  tiny.write(folder);
  const Weights weights(folder.path());
  test::Subject subject;
  int made = 0;
  subject.make = [&](const EngineConfig& config, test::OnLogits on_logits, test::Dice&) {
    CpuOptions options;
    options.kv_dtype = kv_dtype;
    options.threads = made++ % 50 == 0 ? 3 : 1;
    options.on_logits = std::move(on_logits);
    return std::make_unique<CpuBackend>(weights, config, std::move(options));
  };
  subject.block_sizes = {1, 2, 16, 32, 64, 128, 256};
  subject.any_block_size = true;
  subject.schedules = test::scaled(schedules);
  test::check_invariance(subject);
}

TEST_CASE("invariance: no schedule changes a token or a logit") { check_with(KvDtype::automatic, 2500); }
TEST_CASE("invariance: nor with K and V in fp8") { check_with(KvDtype::fp8, 500); }

}  // namespace
}  // namespace tokenyard
