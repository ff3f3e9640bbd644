// log and exp from + - * / and bit operations only: the same bits on every machine and compiler, which libm does not promise.
// Relative error below 1e-15. std::sqrt, floor, frexp and ldexp are exact or correctly rounded everywhere and used as they are.
#pragma once

namespace tokenyard {

double portable_log(double x);  // REQUIRES: x > 0, finite
double portable_exp(double x);  // 0 below -708, the largest double above 709

}  // namespace tokenyard
