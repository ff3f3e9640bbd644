// The one place that knows which Catch2 is there.
#pragma once

#include <string>

#ifdef TOKENYARD_CATCH2_V2
#include <catch2/catch.hpp>
inline auto has_text(const std::string& part) { return Catch::Contains(part); }
#else
#include <catch2/catch_all.hpp>
using Catch::Approx;
inline auto has_text(const std::string& part) { return Catch::Matchers::ContainsSubstring(part); }
#endif
