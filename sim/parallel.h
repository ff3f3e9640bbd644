// Independent pieces of work on several threads.
#pragma once

#include <cstdint>
#include <functional>

namespace tokenyard {

// Calls work(0) .. work(count - 1), each once, begun in this order, on up to `jobs` threads; returns when all are done. After
// an exception no further piece begins, and the one of the lowest piece is thrown. REQUIRES: jobs >= 1.
void run_parallel(std::int64_t count, int jobs, const std::function<void(std::int64_t)>& work);

int num_cores();  // >= 1

}  // namespace tokenyard
