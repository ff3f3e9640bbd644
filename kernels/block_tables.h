// The device's copy of the block tables. A step brings only the ids appended since the one before.
#pragma once

#include <cstdint>

#include "kernels/device.h"

namespace tokenyard::kernels {

struct TableUpdate {
  std::int32_t index;  // into the tables, [rows][table_stride] flattened
  std::int32_t block;
};

void update_tables(std::int32_t* tables, const TableUpdate* updates, std::int32_t count, Stream stream);

}  // namespace tokenyard::kernels
