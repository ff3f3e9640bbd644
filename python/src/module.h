// What the parts of the extension module share. Each part is one file with one bind_ function.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/base/input_error.h"

namespace tokenyard::python {

namespace nb = nanobind;

// Becomes tokenyard.TraceError.
struct TraceFailure : InputError {
  using InputError::InputError;
};

// `work()`, whose errors are a trace's.
template <typename Work>
auto reading_trace(Work&& work) {
  try {
    return work();
  } catch (const TraceFailure&) {
    throw;
  } catch (const InputError& error) {
    throw TraceFailure(error.what());
  }
}

// Hands the rows over without a copy, as bytes that numpy views as a structured array.
template <typename Row>
nb::object as_bytes(std::vector<Row> rows) {
  auto* owned = new std::vector<Row>(std::move(rows));
  nb::capsule owner(owned, [](void* p) noexcept { delete static_cast<std::vector<Row>*>(p); });
  return nb::cast(nb::ndarray<nb::numpy, std::uint8_t, nb::ndim<1>>(owned->data(), {owned->size() * sizeof(Row)}, owner));
}

void bind_simulation(nb::module_& module);
void bind_trace(nb::module_& module);
void bind_text(nb::module_& module);

}  // namespace tokenyard::python
