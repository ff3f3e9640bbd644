// Owners of CUDA objects, and the check every CUDA call goes through. Owners move and never copy; they free without asking
// whether the device is still there.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "core/base/types.h"

namespace tokenyard::cuda {

// Throws BackendError, one sentence: what failed, and what a user can do about it. `what` names the call's purpose.
[[noreturn]] void fail(cudaError_t error, const std::string& what);
inline void check(cudaError_t error, const char* what) {
  if (error != cudaSuccess) fail(error, what);
}

struct Device {
  std::string name;
  int compute_capability = 0;  // 90: Hopper
  std::int64_t total_bytes = 0;
  std::int64_t free_bytes = 0;
  int driver_cuda = 0;  // the newest CUDA the driver knows, 13000 for 13.0
};

// Makes a device current for this thread and says what it is. Throws BackendError when there is none that this build's kernels
// run on.
Device open_device(int index = 0);
// Why so many ranks' devices (kernels/card.h) cannot share a model: too few, not alike, out of each other's reach without NCCL
// (collectives.h). One sentence; empty: they can.
std::string why_not_together(std::int32_t ranks);
// Whether each of these devices reaches the memory of all others.
bool reach_each_other(std::int32_t ranks);
// Lets the current device, of `ranks`, reach the memory of the others. Throws BackendError.
void open_peers(std::int32_t rank, std::int32_t ranks);
// What the user of the first device should know before waiting (architectures.h). Throws BackendError.
std::string device_note();
// Why there is no such device, or nothing. Asks at most once.
const std::string& why_no_device();

std::int64_t free_memory();

// `bytes` of device memory, uninitialised.
class DeviceMemory {
 public:
  DeviceMemory() = default;
  // Throws BackendError that says how much `what` needs and how much is free.
  DeviceMemory(std::int64_t bytes, const char* what);
  DeviceMemory(DeviceMemory&& other) noexcept { swap(other); }
  DeviceMemory& operator=(DeviceMemory&& other) noexcept {
    swap(other);
    return *this;
  }
  ~DeviceMemory() { cudaFree(data_); }

  std::byte* data() const { return data_; }
  std::int64_t bytes() const { return bytes_; }

 private:
  void swap(DeviceMemory& other) {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
  }
  std::byte* data_ = nullptr;
  std::int64_t bytes_ = 0;
};

// Lays arrays out one after another, 256 bytes aligned: once to measure, once over memory of the measured size.
class Layout {
 public:
  explicit Layout(std::byte* base = nullptr) : base_(base) {}
  template <typename T>
  T* take(std::int64_t count) {
    T* const at = base_ ? reinterpret_cast<T*>(base_ + used_) : nullptr;
    used_ += (count * static_cast<std::int64_t>(sizeof(T)) + 255) / 256 * 256;
    return at;
  }
  std::int64_t used() const { return used_; }
  bool placed() const { return base_ != nullptr; }

 private:
  std::byte* base_;
  std::int64_t used_ = 0;
};

// Host memory that every device reads and writes in place (unified addressing: one pointer for both).
class PinnedMemory {
 public:
  PinnedMemory() = default;
  explicit PinnedMemory(std::int64_t bytes);
  PinnedMemory(PinnedMemory&& other) noexcept : data_(std::exchange(other.data_, nullptr)) {}
  PinnedMemory& operator=(PinnedMemory&& other) noexcept {
    std::swap(data_, other.data_);
    return *this;
  }
  ~PinnedMemory() { cudaFreeHost(data_); }
  std::byte* data() const { return data_; }

 private:
  std::byte* data_ = nullptr;
};

class Stream {
 public:
  Stream() { check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "creating a stream"); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() { cudaStreamDestroy(stream_); }
  operator cudaStream_t() const { return stream_; }
  void synchronize() const { check(cudaStreamSynchronize(stream_), "waiting for the GPU"); }

 private:
  cudaStream_t stream_ = nullptr;
};

class Event {
 public:
  Event() { check(cudaEventCreate(&event_), "creating an event"); }
  Event(Event&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
  Event& operator=(Event&&) = delete;
  ~Event() {
    if (event_) cudaEventDestroy(event_);
  }
  operator cudaEvent_t() const { return event_; }
  // In a graph being captured this becomes a node that records at every launch.
  void record(cudaStream_t stream, bool capturing) const {
    check(cudaEventRecordWithFlags(event_, stream, capturing ? cudaEventRecordExternal : cudaEventRecordDefault),
          "recording an event");
  }
  bool passed() const {
    const cudaError_t error = cudaEventQuery(event_);
    if (error != cudaErrorNotReady) check(error, "waiting for the GPU");
    return error == cudaSuccess;
  }
  // Waits until it has passed.
  void synchronize() const { check(cudaEventSynchronize(event_), "waiting for the GPU"); }

 private:
  cudaEvent_t event_ = nullptr;
};
// Both recorded and passed.
TimeNs elapsed(const Event& from, const Event& to);

// A captured sequence of launches, ready to be launched as one.
class Graph {
 public:
  // Captures what `enqueue` puts into `stream`.
  template <typename Enqueue>
  static Graph capture(cudaStream_t stream, const Enqueue& enqueue) {
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "capturing a graph");
    Graph graph;
    try {
      enqueue();
    } catch (...) {  // leaves the stream usable
      cudaGraph_t broken = nullptr;
      cudaStreamEndCapture(stream, &broken);
      cudaGraphDestroy(broken);
      throw;
    }
    graph.finish(stream);
    return graph;
  }
  Graph(Graph&& other) noexcept : exec_(std::exchange(other.exec_, nullptr)) {}
  Graph& operator=(Graph&&) = delete;
  ~Graph() {
    if (exec_) cudaGraphExecDestroy(exec_);
  }
  void launch(cudaStream_t stream) const { check(cudaGraphLaunch(exec_, stream), "launching a step"); }

 private:
  Graph() = default;
  void finish(cudaStream_t stream);
  cudaGraphExec_t exec_ = nullptr;
};

}  // namespace tokenyard::cuda
