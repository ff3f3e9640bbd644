#include "kernels/norm.h"

#include "kernels/launch.cuh"
#include "kernels/norm.cuh"

namespace tokenyard::kernels {
namespace {

// One block a row, one vector a thread, so the row is read once.
template <bool Gather>
__global__ void norm_kernel(Norm args, const std::int32_t* tokens_of) {
  const bool inside = first() < args.hidden / 2;
  const Floats weight = inside ? load_row(args.weight, args.hidden) : Floats{};  // no step writes it: it may be read before
  const std::int64_t row = blockIdx.x;
  const std::int64_t token = Gather ? tokens_of[row] : row;  // likewise
  wait_for_predecessor();
  let_successor_start();

  const std::int64_t from = token * args.hidden;
  Floats x{};
  if (inside && token >= 0) {
    x = load_row(args.residual + from, args.hidden);
    if (args.partial[0] != nullptr) {
      const Floats sum = sum_as_tree<2>([&](int i) { return load_row(args.partial[i] + from, args.hidden); });
      for (int i = 0; i < kVector; ++i) x.value[i] += sum.value[i];
      if (!Gather) store_row(args.residual + from, args.hidden, x);
    }
  }
  normalize(x, weight, args);
  if (inside) store_row(args.out + row * args.hidden, args.hidden, x);
}

}  // namespace

void add_and_norm(const Norm& args, std::int32_t tokens, Stream stream) {
  launch("add_and_norm", norm_kernel<false>, dim3(static_cast<unsigned>(tokens)), norm_threads(args.hidden), 0, stream, args,
         nullptr);
}

void gather_and_norm(const Norm& args, const std::int32_t* tokens_of, std::int32_t rows, Stream stream) {
  launch("gather_and_norm", norm_kernel<true>, dim3(static_cast<unsigned>(rows)), norm_threads(args.hidden), 0, stream, args,
         tokens_of);
}

}  // namespace tokenyard::kernels
