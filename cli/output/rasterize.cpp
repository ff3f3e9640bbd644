#include "cli/output/rasterize.h"

#include <stdexcept>

#include "core/base/input_error.h"

#ifdef TOKENYARD_HAVE_RSVG
#include <cairo.h>
#include <librsvg/rsvg.h>
#endif

namespace tokenyard::cli {

#ifdef TOKENYARD_HAVE_RSVG

bool can_rasterize() { return true; }

std::string rasterize(const std::string& svg) {
  RsvgHandle* handle =
      rsvg_handle_new_from_data(reinterpret_cast<const guint8*>(svg.data()), static_cast<gsize>(svg.size()), nullptr);
  if (handle == nullptr) throw InputError("the plot cannot become PNG: librsvg does not read it");
  constexpr int scale = 2;
  double width = 0, height = 0;
  rsvg_handle_get_intrinsic_size_in_pixels(handle, &width, &height);
  const RsvgRectangle area{0, 0, width * scale, height * scale};
  cairo_surface_t* surface =
      cairo_image_surface_create(CAIRO_FORMAT_RGB24, static_cast<int>(area.width), static_cast<int>(area.height));
  cairo_t* context = cairo_create(surface);
  bool done = rsvg_handle_render_document(handle, context, &area, nullptr) != 0;
  std::string png;
  const auto append = [](void* out, const unsigned char* data, unsigned int length) {
    static_cast<std::string*>(out)->append(reinterpret_cast<const char*>(data), length);
    return CAIRO_STATUS_SUCCESS;
  };
  done = done && cairo_surface_write_to_png_stream(surface, append, &png) == CAIRO_STATUS_SUCCESS;
  cairo_destroy(context);
  cairo_surface_destroy(surface);
  g_object_unref(handle);
  if (!done) throw InputError("the plot cannot become PNG: librsvg or cairo failed");
  return png;
}

#else

bool can_rasterize() { return false; }
std::string rasterize(const std::string&) { throw std::logic_error("built without librsvg"); }

#endif

}  // namespace tokenyard::cli
