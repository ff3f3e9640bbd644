// The one place that knows which Catch2 is there.
#pragma once

#ifdef TOKENYARD_CATCH2_V2
#include <catch2/catch.hpp>
#else
#include <catch2/catch_all.hpp>
using Catch::Approx;
#endif
