#include "core/request.h"

namespace tokenyard {

const char* name_of(FinishReason reason) {
  switch (reason) {
    case FinishReason::none: return "none";
    case FinishReason::stop: return "stop";
    case FinishReason::length: return "length";
    case FinishReason::kv_capacity: return "kv_capacity";
    case FinishReason::cancelled: return "cancelled";
    case FinishReason::refused: return "refused";
    case FinishReason::error: return "error";
  }
  return "?";
}

}  // namespace tokenyard
