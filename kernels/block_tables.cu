#include "kernels/block_tables.h"
#include "kernels/launch.cuh"

namespace tokenyard::kernels {
namespace {

__global__ void update_tables_kernel(std::int32_t* tables, const TableUpdate* updates, std::int32_t count) {
  wait_for_predecessor();
  const auto i = static_cast<std::int32_t>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < count) tables[updates[i].index] = updates[i].block;
}

}  // namespace

void update_tables(std::int32_t* tables, const TableUpdate* updates, std::int32_t count, Stream stream) {
  launch("updating block tables", update_tables_kernel, dim3(static_cast<unsigned>((count + 255) / 256)), dim3(256), 0, stream,
         tables, updates, count);
}

}  // namespace tokenyard::kernels
