#include <dlfcn.h>
#include <fmt/core.h>
#include <nccl.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "backends/cuda/collectives.h"
#include "core/backend.h"

namespace tokenyard::cuda {
namespace {

constexpr const char* kLibrary = "libnccl.so.2";
constexpr auto kMostWaitForCalls = std::chrono::seconds(1);

class Library {
 public:
  Library() {
    // Sums have an order here, so multicast, in which the switch adds, has nothing to offer; setting it up fails in many
    // containers.
    setenv("NCCL_NVLS_ENABLE", "0", 0);
    void* const library = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      why_not_ = fmt::format(
          "NCCL is not found ({}): install libnccl2, or nvidia-nccl-cu13 from PyPI with its folder nvidia/nccl/lib in "
          "LD_LIBRARY_PATH",
          dlerror());
      return;
    }
    find(library, "ncclCommInitAll", init_all);
    find(library, "ncclAllGather", all_gather);
    find(library, "ncclCommAbort", abort);
    find(library, "ncclCommDestroy", destroy);
    find(library, "ncclGroupStart", group_start);
    find(library, "ncclGroupEnd", group_end);
    find(library, "ncclGetErrorString", error_string);
  }

  const std::string& why_not() const { return why_not_; }
  void check(ncclResult_t result, const char* what) const {
    if (result != ncclSuccess) throw BackendError(fmt::format("NCCL failed while {}: {}", what, error_string(result)));
  }

  decltype(&ncclCommInitAll) init_all = nullptr;
  decltype(&ncclAllGather) all_gather = nullptr;
  decltype(&ncclCommAbort) abort = nullptr;
  decltype(&ncclCommDestroy) destroy = nullptr;
  decltype(&ncclGroupStart) group_start = nullptr;
  decltype(&ncclGroupEnd) group_end = nullptr;
  decltype(&ncclGetErrorString) error_string = nullptr;

 private:
  template <typename Function>
  void find(void* library, const char* name, Function& function) {
    function = reinterpret_cast<Function>(dlsym(library, name));
    if (function == nullptr) why_not_ = fmt::format("{} has no function {}: install NCCL 2.18 or newer", kLibrary, name);
  }

  std::string why_not_;
};

const Library& nccl() {
  static const Library library;
  return library;
}

class NcclCollectives final : public Collectives {
 public:
  explicit NcclCollectives(const std::vector<int>& devices) : ranks_(devices.size()), calls_(devices.size()) {
    nccl().check(nccl().init_all(ranks_.data(), static_cast<int>(devices.size()), devices.data()), "connecting the GPUs");
  }
  ~NcclCollectives() override {
    if (!aborted_) end_all(nccl().destroy);
    if (aborting_.joinable()) aborting_.join();
  }

  void all_gather(std::int32_t rank, const void* mine, void* all, std::int64_t bytes, cudaStream_t stream) override {
    const auto r = static_cast<std::size_t>(rank);
    struct Call {
      std::atomic<bool>& in_call;
      explicit Call(std::atomic<bool>& flag) : in_call(flag) { in_call = true; }
      ~Call() { in_call = false; }
    } const call(calls_[r].in_call);
    if (aborted_) throw BackendError("another rank has failed");
    nccl().check(nccl().all_gather(mine, all, static_cast<std::size_t>(bytes), ncclInt8, ranks_[r], stream),
                 "gathering over the ranks");
  }

  // On a thread of its own: NCCL ends the waiting at once, and then waits until all graphs that captured it are gone. It frees
  // what a call on another thread may still use, so these come first: they take microseconds, but for one that waits for room
  // in the queue of a card that waits for a rank. That one returns once the card is set free.
  void abort() noexcept override {
    if (aborted_.exchange(true)) return;
    aborting_ = std::thread([this] {
      const auto until = std::chrono::steady_clock::now() + kMostWaitForCalls;
      for (const Calls& each : calls_) {
        while (each.in_call && std::chrono::steady_clock::now() < until) std::this_thread::yield();
      }
      end_all(nccl().abort);
    });
  }

 private:
  struct Calls {
    std::atomic<bool> in_call{false};
  };

  // Ending one rank waits for the others to be ended, so all are within a group.
  void end_all(ncclResult_t (*end)(ncclComm_t)) noexcept {
    nccl().group_start();
    for (const ncclComm_t each : ranks_) end(each);
    nccl().group_end();
  }

  std::vector<ncclComm_t> ranks_;
  std::vector<Calls> calls_;  // by rank
  std::atomic<bool> aborted_{false};
  std::thread aborting_;
};

}  // namespace

const std::string& why_no_nccl() { return nccl().why_not(); }

std::unique_ptr<Collectives> connect_by_nccl(const std::vector<int>& devices) {
  return std::make_unique<NcclCollectives>(devices);
}

}  // namespace tokenyard::cuda
