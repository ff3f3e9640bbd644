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

struct Pretended {
  Card card;
  int device;
};
std::optional<Pretended> pretended;
int pretended_cards = 0;

int num_devices() {
  int count = 0;
  check(cudaGetDeviceCount(&count), "looking for GPUs");
  return count;
}

}  // namespace

const Card& card() {
  int device = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  if (pretended && (pretended->device < 0 || pretended->device == device)) return pretended->card;
  Answer& answer = answers[device % kMostDevices];
  std::call_once(answer.once, [&] { answer.card = ask(device); });
  return answer.card;
}

int num_cards() { return pretended_cards > 0 ? pretended_cards : num_devices(); }
int device_of(std::int32_t rank) { return pretended_cards > 0 ? rank % num_devices() : rank; }

PretendedCard::PretendedCard(const Card& card, int device) { pretended = {card, device}; }
PretendedCard::~PretendedCard() { pretended.reset(); }

PretendedCards::PretendedCards(int count) { pretended_cards = count; }
PretendedCards::~PretendedCards() { pretended_cards = 0; }

}  // namespace tokenyard::kernels
