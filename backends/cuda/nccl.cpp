#include <dlfcn.h>
#include <fmt/core.h>
#include <nccl.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "backends/cuda/collectives.h"
#include "backends/cuda/exit.h"
#include "core/backend.h"

namespace tokenyard::cuda {
namespace {

constexpr const char* kLibrary = "libnccl.so.2";
constexpr std::chrono::seconds kMostEnding{4};
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

// A call that waits within NCCL cannot be ended from outside, so it has a thread of its own, which is left behind if it takes
// longer than `patience`. `call` owns what it uses.
bool ends_within(std::chrono::seconds patience, std::function<void()> call) {
  auto done = std::make_shared<std::promise<void>>();
  const std::future<void> ended = done->get_future();
  std::thread([done, call = std::move(call)] {
    call();
    done->set_value();
  }).detach();
  return ended.wait_for(patience) == std::future_status::ready;
}

class NcclCollectives final : public Collectives {
 public:
  NcclCollectives(const std::vector<int>& devices, std::chrono::seconds patience)
      : shared_(std::make_shared<Shared>(devices.size())) {
    const bool joined = ends_within(patience, [shared = shared_, devices] {
      shared->joined = nccl().init_all(shared->ranks.data(), static_cast<int>(devices.size()), devices.data());
    });
    if (!joined) {
      end_without_cleanup();
      throw BackendError(
          fmt::format("NCCL did not connect the GPUs within {} s: NCCL_DEBUG=INFO says where it waits; or choose "
                      "cards joined by NVLink by CUDA_VISIBLE_DEVICES",
                      patience.count()));
    }
    nccl().check(shared_->joined, "connecting the GPUs");
  }
  ~NcclCollectives() override {
    const bool ended = shared_->aborted ? aborted_.wait_for(kMostEnding) == std::future_status::ready
                                        : ends_within(kMostEnding, [shared = shared_] { shared->end_all(nccl().destroy); });
    if (!ended) end_without_cleanup();
  }
  NcclCollectives(const NcclCollectives&) = delete;
  NcclCollectives& operator=(const NcclCollectives&) = delete;

  void all_gather(std::int32_t rank, const void* mine, void* all, std::int64_t bytes, cudaStream_t stream) override {
    const auto r = static_cast<std::size_t>(rank);
    struct Call {
      std::atomic<bool>& in_call;
      explicit Call(std::atomic<bool>& flag) : in_call(flag) { in_call = true; }
      ~Call() { in_call = false; }
    } const call(shared_->calls[r].in_call);
    if (shared_->aborted) throw BackendError("another rank has failed");
    nccl().check(nccl().all_gather(mine, all, static_cast<std::size_t>(bytes), ncclInt8, shared_->ranks[r], stream),
                 "gathering over the ranks");
  }

  // On a thread of its own: NCCL ends the waiting at once, and then waits until all graphs that captured it are gone. It frees
  // what a call on another thread may still use, so these come first: they take microseconds, but for one that waits for room
  // in the queue of a card that waits for a rank. That one returns once the card is set free.
  void abort() noexcept override {
    if (shared_->aborted.exchange(true)) return;
    std::promise<void> done;
    aborted_ = done.get_future();
    std::thread([shared = shared_, done = std::move(done)]() mutable {
      const auto until = std::chrono::steady_clock::now() + kMostWaitForCalls;
      for (const Calls& each : shared->calls) {
        while (each.in_call && std::chrono::steady_clock::now() < until) std::this_thread::yield();
      }
      shared->end_all(nccl().abort);
      done.set_value();
    }).detach();
  }

 private:
  struct Calls {
    std::atomic<bool> in_call{false};
  };
  // With threads that may be left behind.
  struct Shared {
    explicit Shared(std::size_t number) : ranks(number), calls(number) {}
    // Ending one rank waits for the others to be ended, so all are within a group.
    void end_all(ncclResult_t (*end)(ncclComm_t)) const noexcept {
      nccl().group_start();
      for (const ncclComm_t each : ranks) end(each);
      nccl().group_end();
    }
    std::vector<ncclComm_t> ranks;
    std::vector<Calls> calls;  // by rank
    std::atomic<bool> aborted{false};
    ncclResult_t joined = ncclSuccess;
  };

  std::shared_ptr<Shared> shared_;
  std::future<void> aborted_;  // where shared_->aborted
};

}  // namespace

const std::string& why_no_nccl() { return nccl().why_not(); }

std::unique_ptr<Collectives> connect_by_nccl(const std::vector<int>& devices, std::chrono::seconds patience) {
  return std::make_unique<NcclCollectives>(devices, patience);
}

}  // namespace tokenyard::cuda
