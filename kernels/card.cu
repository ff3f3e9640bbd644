#include "kernels/card.h"

#include <mutex>
#include <optional>

#include "kernels/launch.cuh"

namespace tokenyard::kernels {
namespace {

constexpr int kMostDevices = 64;

// One target compiles all kernels, so what is true of this one is true of all.
__global__ void probe_kernel() {}

int attribute(cudaDeviceAttr which, int device) {
  int value = 0;
  check(cudaDeviceGetAttribute(&value, which, device), "asking the GPU what it is");
  return value;
}

Card ask(int device) {
  // Not the card alone decides. A kernel of an older generation's PTX runs on a newer card, and neither waits for its
  // predecessor nor belongs to a cluster; launching it as if it did would be a race.
  cudaFuncAttributes compiled{};
  check(cudaFuncGetAttributes(&compiled, probe_kernel), "loading the kernels");
  Card card{};
  card.capability =
      10 * attribute(cudaDevAttrComputeCapabilityMajor, device) + attribute(cudaDevAttrComputeCapabilityMinor, device);
  card.compiled_for = compiled.ptxVersion;
  card.by_driver = compiled.binaryVersion != compiled.ptxVersion;
  card.multiprocessors = attribute(cudaDevAttrMultiProcessorCount, device);
  card.shared_bytes = attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
  card.early_start = compiled.ptxVersion >= kHopper;
  card.clusters = compiled.ptxVersion >= kHopper;
  card.peer_access = true;
  return card;
}

struct Answer {
  std::once_flag once;
  Card card{};
};
Answer answers[kMostDevices];
std::optional<Card> pretended;

}  // namespace

const Card& card() {
  if (pretended) return *pretended;
  int device = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  Answer& answer = answers[device % kMostDevices];
  std::call_once(answer.once, [&] { answer.card = ask(device); });
  return answer.card;
}

PretendedCard::PretendedCard(const Card& card) { pretended = card; }
PretendedCard::~PretendedCard() { pretended.reset(); }

}  // namespace tokenyard::kernels
