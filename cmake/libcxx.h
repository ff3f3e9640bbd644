// What the standard library of Emscripten lacks of C++20 (Debian 12 has libc++ 13), for the browser build alone, which includes
// this before every file. Each part is empty where the library has it.
#pragma once

#ifdef __cplusplus
#include <version>
#endif
#if defined(_LIBCPP_VERSION)

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <ranges>
#include <string>
#include <thread>
#include <utility>

namespace std {  // NOLINT(cert-dcl58-cpp): it fills in for the standard library

#ifndef __cpp_lib_bit_cast
template <typename To, typename From>
constexpr To bit_cast(const From& from) noexcept {
  return __builtin_bit_cast(To, from);
}

#endif

#if _LIBCPP_VERSION < 200000
// As the standard says: no blanks, no plus sign, and what is out of range leaves `value`. strtod here rounds correctly and
// knows no locale.
inline from_chars_result from_chars(const char* first, const char* last, double& value) {
  const char* p = first;
  const auto digits = [&] {
    const char* const begin = p;
    while (p != last && *p >= '0' && *p <= '9') ++p;
    return p - begin;
  };
  if (p != last && *p == '-') ++p;
  const auto whole = digits();
  ptrdiff_t part = 0;
  if (p != last && *p == '.') {
    ++p;
    part = digits();
  }
  if (whole + part == 0) return {first, errc::invalid_argument};
  if (p != last && (*p == 'e' || *p == 'E')) {
    const char* const before = p++;
    if (p != last && (*p == '-' || *p == '+')) ++p;
    if (digits() == 0) p = before;
  }
  const string text(first, p);
  const int errno_before = errno;
  errno = 0;
  const double read = strtod(text.c_str(), nullptr);
  const bool in_range = errno != ERANGE;
  errno = errno_before;
  if (!in_range) return {p, errc::result_out_of_range};
  value = read;
  return {p, errc{}};
}

#endif

#if _LIBCPP_VERSION < 14000
inline to_chars_result put_chars(char* first, char* last, const string& text) {
  if (last - first < static_cast<ptrdiff_t>(text.size())) return {last, errc::value_too_large};
  return {copy(text.begin(), text.end(), first), errc{}};
}

// The shortest digits that read back as `value`; general: with or without an exponent, whichever is shorter.
template <typename Real>
requires floating_point<Real>
inline to_chars_result to_chars(char* first, char* last, Real value, chars_format format = chars_format::general) {
  char scientific[40], fixed[400];
  int digits = 0;
  const auto reads_back = [&] {
    if constexpr (sizeof(Real) == sizeof(float)) {
      return strtof(scientific, nullptr) == value;
    } else {
      return strtod(scientific, nullptr) == value;
    }
  };
  do {
    snprintf(scientific, sizeof scientific, "%.*e", digits, static_cast<double>(value));
  } while (!reads_back() && ++digits < 17);
  string text = scientific;
  if (const size_t e = text.find('e'); e != string::npos && format != chars_format::scientific) {
    const int exponent = static_cast<int>(strtol(text.c_str() + e + 1, nullptr, 10));
    snprintf(fixed, sizeof fixed, "%.*f", max(0, digits - exponent), static_cast<double>(value));
    if (format == chars_format::fixed || string(fixed).size() <= text.size()) text = fixed;
  }
  return put_chars(first, last, text);
}
inline to_chars_result to_chars(char* first, char* last, double value, chars_format format, int precision) {
  char text[800];
  snprintf(text, sizeof text,
           format == chars_format::fixed        ? "%.*f"
           : format == chars_format::scientific ? "%.*e"
                                                : "%.*g",
           precision, value);
  return put_chars(first, last, text);
}

#endif

#ifndef __cpp_lib_ranges
namespace ranges {

template <typename Range, typename Predicate>
bool any_of(Range&& range, Predicate predicate) {
  return std::any_of(ranges::begin(range), ranges::end(range), [&](auto&& each) { return std::invoke(predicate, each); });
}
template <typename A, typename B, typename Same = std::equal_to<>>
bool equal(A&& a, B&& b, Same same = {}) {
  return std::equal(ranges::begin(a), ranges::end(a), ranges::begin(b), ranges::end(b), same);
}
template <typename A, typename B>
bool includes(A&& a, B&& b) {
  return std::includes(ranges::begin(a), ranges::end(a), ranges::begin(b), ranges::end(b));
}

}  // namespace ranges
#endif

#ifndef __cpp_lib_jthread
// Joins where it ends; nobody here asks for a stop.
class jthread {
 public:
  template <typename Function>
  explicit jthread(Function&& function) : thread_(std::forward<Function>(function)) {}
  jthread(jthread&&) noexcept = default;
  jthread& operator=(jthread&&) = delete;
  ~jthread() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  thread thread_;
};
#endif

}  // namespace std

#endif
