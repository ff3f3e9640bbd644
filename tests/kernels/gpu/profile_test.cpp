// What a step is said to consist of, and that looking leaves nothing behind.
#include <map>
#include <memory>

#include "../../core/invariance.h"
#include "../../model/tiny_model.h"
#include "backends/cuda/cuda_backend.h"
#include "core/engine.h"

namespace tokenyard {
namespace {

EngineConfig profiled_config() {
  EngineConfig config;
  config.max_num_seqs = 24;
  config.max_num_batched_tokens = 256;
  config.num_blocks = 200;
  config.block_size = 16;
  return config;
}

std::vector<Token> answer_of(CudaBackend& backend) {
  Engine engine(profiled_config(), backend);
  RequestSpec spec;
  spec.id = "r";
  for (int n = 0; n < 70; ++n) spec.prompt.append(Token{10 + n % 40});
  spec.max_tokens = 12;
  spec.ignore_eos = true;
  spec.sampling.temperature = 0.7f;
  const auto recorder = std::make_shared<test::Recorder>();
  engine.submit(spec, recorder);
  while (engine.step(nullptr)) {
  }
  return recorder->saying.tokens;
}

TEST_CASE("cuda backend: a step's profile [small]", "[small]") {
  test::TinyModel tiny;
  tiny.family = ModelFamily::qwen3;
  tiny.dtype = DType::bf16;
  tiny.hidden = 128;
  tiny.intermediate = 192;
  tiny.layers = 3;
  tiny.heads = 6;
  tiny.kv_heads = 2;
  tiny.head_dim = 64;
  const test::TempFolder folder;
  tiny.write(folder);
  const Weights weights(folder.path());
  CudaBackend backend(weights, profiled_config());
  const std::vector<Token> before = answer_of(backend);
  for (const std::int32_t rows : {1, 3, 24}) {
    INFO(rows << " rows");
    ProfiledStep step;
    step.rows = rows;
    step.context = 33;
    step.sampling.temperature = 0.6f;
    const StepProfile profile = backend.profile(step);
    CHECK(profile.step_us > 0);
    std::map<std::string, int> counts;
    for (const StepProfile::Kernel& kernel : profile.kernels) {
      INFO(kernel.name);
      CHECK(kernel.us > 0.1);
      CHECK(kernel.us < 1000);
      CHECK(kernel.bytes > 0);
      CHECK(counts.emplace(kernel.name, kernel.count).second);
    }
    CHECK(counts.at("attention") == 3);
    CHECK(counts.at("product: o") == 3);
    CHECK(counts.at("sampling") == 1);
    if (rows > 16) {  // nothing is fused
      CHECK(counts.size() == 13);
      CHECK(counts.at("add and norm") == 3);
    }
    // Kernel after kernel, each as often as counted, without a gap.
    TimeNs end = 0;
    for (const StepProfile::Span& span : profile.timeline) {
      CHECK(span.begin == end);
      CHECK(span.end >= span.begin);
      CHECK(span.layer < 3);
      end = span.end;
      --counts.at(span.kernel);
    }
    for (const auto& [name, left] : counts) CHECK(left == 0);
  }
  CHECK(answer_of(backend) == before);

  ProfiledStep step;
  step.rows = 17;
  CHECK_THROWS_AS(backend.profile(step), BackendError);
  step = {};
  step.context = 1 << 20;
  CHECK_THROWS_AS(backend.profile(step), BackendError);
  step.context = 200 * 16;  // one block too many for three
  step.rows = 3;
  CHECK_THROWS_AS(backend.profile(step), BackendError);
}

}  // namespace
}  // namespace tokenyard
