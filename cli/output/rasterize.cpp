#include "cli/output/rasterize.h"

#include <optional>
#include <stdexcept>
#include <type_traits>

#include "core/base/input_error.h"

#ifdef TOKENYARD_HAVE_RSVG
#include <cairo.h>
#include <dlfcn.h>
#include <librsvg/rsvg.h>
#endif

namespace tokenyard::cli {

#ifdef TOKENYARD_HAVE_RSVG

namespace {

// Loaded when the first plot becomes PNG: librsvg brings forty libraries, which every start of the program would wait for.
struct Rsvg {
  decltype(rsvg_handle_new_from_data)* handle_new_from_data;
  decltype(rsvg_handle_get_intrinsic_size_in_pixels)* handle_get_intrinsic_size_in_pixels;
  decltype(rsvg_handle_render_document)* handle_render_document;
  decltype(cairo_image_surface_create)* image_surface_create;
  decltype(cairo_create)* create;
  decltype(cairo_surface_write_to_png_stream)* surface_write_to_png_stream;
  decltype(cairo_destroy)* destroy;
  decltype(cairo_surface_destroy)* surface_destroy;
  decltype(g_object_unref)* object_unref;
};

// Nothing where the library is not installed or has not all of these.
const std::optional<Rsvg>& rsvg_library() {
  static const std::optional<Rsvg> loaded = []() -> std::optional<Rsvg> {
    void* const library = dlopen("librsvg-2.so.2", RTLD_LAZY | RTLD_LOCAL);  // with Cairo and GObject, which it needs
    if (library == nullptr) return std::nullopt;
    Rsvg rsvg{};
    bool complete = true;
    const auto find = [&](auto*& function, const char* name) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
      complete = complete && function != nullptr;
    };
    find(rsvg.handle_new_from_data, "rsvg_handle_new_from_data");
    find(rsvg.handle_get_intrinsic_size_in_pixels, "rsvg_handle_get_intrinsic_size_in_pixels");
    find(rsvg.handle_render_document, "rsvg_handle_render_document");
    find(rsvg.image_surface_create, "cairo_image_surface_create");
    find(rsvg.create, "cairo_create");
    find(rsvg.surface_write_to_png_stream, "cairo_surface_write_to_png_stream");
    find(rsvg.destroy, "cairo_destroy");
    find(rsvg.surface_destroy, "cairo_surface_destroy");
    find(rsvg.object_unref, "g_object_unref");
    return complete ? std::optional(rsvg) : std::nullopt;
  }();
  return loaded;
}

}  // namespace

bool can_rasterize() { return rsvg_library().has_value(); }

std::string rasterize(const std::string& svg) {
  const Rsvg& rsvg = rsvg_library().value();
  RsvgHandle* handle =
      rsvg.handle_new_from_data(reinterpret_cast<const guint8*>(svg.data()), static_cast<gsize>(svg.size()), nullptr);
  if (handle == nullptr) throw InputError("the plot cannot become PNG: librsvg does not read it");
  constexpr int scale = 2;
  double width = 0, height = 0;
  rsvg.handle_get_intrinsic_size_in_pixels(handle, &width, &height);
  const RsvgRectangle area{0, 0, width * scale, height * scale};
  cairo_surface_t* surface =
      rsvg.image_surface_create(CAIRO_FORMAT_RGB24, static_cast<int>(area.width), static_cast<int>(area.height));
  cairo_t* context = rsvg.create(surface);
  bool done = rsvg.handle_render_document(handle, context, &area, nullptr) != 0;
  std::string png;
  const auto append = [](void* out, const unsigned char* data, unsigned int length) {
    static_cast<std::string*>(out)->append(reinterpret_cast<const char*>(data), length);
    return CAIRO_STATUS_SUCCESS;
  };
  done = done && rsvg.surface_write_to_png_stream(surface, append, &png) == CAIRO_STATUS_SUCCESS;
  rsvg.destroy(context);
  rsvg.surface_destroy(surface);
  rsvg.object_unref(handle);
  if (!done) throw InputError("the plot cannot become PNG: librsvg or cairo failed");
  return png;
}

#else

bool can_rasterize() { return false; }
std::string rasterize(const std::string&) { throw std::logic_error("built without librsvg"); }

#endif

}  // namespace tokenyard::cli
