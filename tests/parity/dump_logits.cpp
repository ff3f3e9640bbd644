// dump_logits FOLDER OUT [--chunk N] [--cuda] [--fp8] < ids: a backend's logits after every token, for a script to compare.
//
// Standard input has one sequence of token ids a line. OUT gets, sequence by sequence and position by position, the
// vocabulary's logits as 32-bit floats.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <exception>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>

#include "backends/cpu/cpu_backend.h"
#include "backends/gpu/gpu.h"
#include "backends/model/sampler.h"
#include "core/engine.h"

namespace {

using namespace tokenyard;

// Hands the sequences to the engine one after another.
class Sequences : public RequestSource {
 public:
  explicit Sequences(std::deque<RequestSpec> specs) : specs_(std::move(specs)) {}
  void poll(TimeNs, std::int64_t, std::vector<SourceEvent>& due) override {
    if (busy_ || specs_.empty()) return;
    due.push_back({SourceEvent::Kind::join, std::move(specs_.front()), {}, -1});
    specs_.pop_front();
    busy_ = true;
  }
  TimeNs next_time() const override { return specs_.empty() || busy_ ? kNever : 0; }
  void on_end(const Request& request) override {
    busy_ = false;
    if (request.finish_reason == FinishReason::refused) throw std::runtime_error(request.spec.id + " was refused");
  }

 private:
  std::deque<RequestSpec> specs_;
  bool busy_ = false;
};

int run(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: dump_logits FOLDER OUT [--chunk N] [--cuda] [--fp8] < ids\n");
    return 2;
  }
  std::int32_t chunk = 256;
  bool on_card = false;
  KvDtype kv_dtype = KvDtype::automatic;
  for (int i = 3; i < argc; ++i) {
    if (std::strcmp(argv[i], "--cuda") == 0) on_card = true;
    if (std::strcmp(argv[i], "--fp8") == 0) kv_dtype = KvDtype::fp8;
    if (std::strcmp(argv[i], "--chunk") == 0 && i + 1 < argc) chunk = std::atoi(argv[++i]);
  }
  const Weights weights(argv[1]);
  std::ofstream out(argv[2], std::ios::binary);
  EngineConfig config;
  config.max_num_seqs = 1;
  config.max_num_batched_tokens = chunk;
  config.enable_prefix_caching = false;
  std::deque<RequestSpec> specs;
  std::int32_t longest = 1;
  for (std::string line; std::getline(std::cin, line);) {
    RequestSpec spec;
    spec.id = "line " + std::to_string(specs.size() + 1);
    spec.max_tokens = 1;
    std::istringstream ids(line);
    for (Token id; ids >> id;) spec.prompt.append(id);
    if (const auto why = refusal(spec, weights.config().shape.vocabulary)) throw std::runtime_error(spec.id + ": " + *why);
    longest = std::max(longest, spec.prompt.size());
    specs.push_back(std::move(spec));
  }
  config.num_blocks = longest / config.block_size + 3;
  const auto write = [&](const Request&, std::int32_t, std::span<const float> logits) {
    out.write(reinterpret_cast<const char*>(logits.data()), static_cast<std::streamsize>(logits.size_bytes()));
  };
  std::unique_ptr<Backend> backend;
  if (on_card) {
    GpuOptions options;
    options.kv_dtype = kv_dtype;
    options.every_position = true;
    options.on_logits = write;
    backend = make_gpu_backend(weights, config, options);
  } else {
    CpuOptions options;
    options.kv_dtype = kv_dtype;
    options.every_position = true;
    options.on_logits = write;
    backend = std::make_unique<CpuBackend>(weights, config, options);
  }
  Engine engine(config, *backend);
  Sequences source(std::move(specs));
  engine.run(source);
  out.close();
  if (!out) throw std::runtime_error(std::string(argv[2]) + ": cannot be written");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
