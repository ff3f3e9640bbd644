#pragma once

namespace tokenyard::test {

// Whatever this process asks of the card from now on fails, as after a fault of the hardware.
void break_device();

}  // namespace tokenyard::test
