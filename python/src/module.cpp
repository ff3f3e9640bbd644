// The extension module tokenyard._tokenyard: thin, and private to the package, whose Python files check arguments and give
// results their shape.
#include "python/src/module.h"

#include "cli/version.h"
#include "core/backend.h"

NB_MODULE(_tokenyard, module) {
  using namespace tokenyard;
  using namespace tokenyard::python;
  // The latest that was registered is asked first.
  nb::register_exception_translator([](const std::exception_ptr& error, void*) {
    try {
      std::rethrow_exception(error);
    } catch (const InputError& e) {
      PyErr_SetString(PyExc_ValueError, e.what());
    } catch (const BackendError& e) {
      PyErr_SetString(PyExc_RuntimeError, e.what());
    }
  });
  const nb::exception<TraceFailure> trace_error(module, "TraceError", PyExc_ValueError);
  module.attr("version") = cli::kVersion;
  bind_simulation(module);
  bind_trace(module);
  bind_text(module);
}
