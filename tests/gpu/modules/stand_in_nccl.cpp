// As much of libnccl.so.2 as Tokenyard calls, without a GPU. TOKENYARD_NCCL says what it does: "joining hangs",
// "joining fails", "ending hangs"; else nothing goes wrong.
#include <nccl.h>

#include <cstdlib>
#include <cstring>
#include <thread>

namespace {

bool wanted(const char* what) {
  const char* const value = std::getenv("TOKENYARD_NCCL");
  return value != nullptr && std::strcmp(value, what) == 0;
}

[[noreturn]] void hang() {
  while (true) std::this_thread::sleep_for(std::chrono::hours(1));
}

}  // namespace

extern "C" {

ncclResult_t ncclCommInitAll(ncclComm_t* comms, int count, const int*) {
  if (wanted("joining hangs")) hang();
  if (wanted("joining fails")) return ncclSystemError;
  for (int i = 0; i < count; ++i) comms[i] = nullptr;
  return ncclSuccess;
}
ncclResult_t ncclAllGather(const void*, void*, size_t, ncclDataType_t, ncclComm_t, cudaStream_t) { return ncclSuccess; }
ncclResult_t ncclCommAbort(ncclComm_t) {
  if (wanted("ending hangs")) hang();
  return ncclSuccess;
}
ncclResult_t ncclCommDestroy(ncclComm_t) {
  if (wanted("ending hangs")) hang();
  return ncclSuccess;
}
ncclResult_t ncclGroupStart() { return ncclSuccess; }
ncclResult_t ncclGroupEnd() { return ncclSuccess; }
const char* ncclGetErrorString(ncclResult_t) { return "a stand-in's error"; }
}
