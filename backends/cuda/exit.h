#pragma once

namespace tokenyard::cuda {

// After a thread was left behind in a library's call: what the libraries do when a process ends may wait for it. From now on
// exit() flushes the C streams and ends the process at once, with the status it was given.
void end_without_cleanup();

}  // namespace tokenyard::cuda
