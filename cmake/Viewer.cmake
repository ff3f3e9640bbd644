# What the viewer draws with: Dear ImGui for pictures, GLFW and OpenGL besides for a window. Absent, it drops out; the rest builds.
#   tokenyard_imgui    Dear ImGui's core and stb's PNG headers; without it there is no viewer
#   tokenyard_glfw     the window and Dear ImGui's backends for it; without it there are pictures only
option(TOKENYARD_VIEWER "Build the viewer where Dear ImGui is found" ON)
set(tokenyard_viewer OFF)
set(tokenyard_window OFF)
if(TOKENYARD_VIEWER AND EMSCRIPTEN)
  set(tokenyard_viewer ON)
  # Dear ImGui is installed as a library for this machine's processor. Its sources are those the installed one was made from.
  FetchContent_Declare(imgui URL http://deb.debian.org/debian/pool/main/i/imgui/imgui_1.86+ds.orig.tar.xz
                       URL_HASH SHA256=0dace0e8e57d298eb6e93af12dc19420cb96330832f6495c733b90aeeef11f64)
  FetchContent_MakeAvailable(imgui)
  add_library(tokenyard_imgui STATIC ${imgui_SOURCE_DIR}/imgui.cpp ${imgui_SOURCE_DIR}/imgui_draw.cpp
              ${imgui_SOURCE_DIR}/imgui_tables.cpp ${imgui_SOURCE_DIR}/imgui_widgets.cpp
              ${imgui_SOURCE_DIR}/backends/imgui_impl_opengl3.cpp)
  set_target_properties(tokenyard_imgui PROPERTIES UNITY_BUILD OFF)
  target_include_directories(tokenyard_imgui SYSTEM PUBLIC ${imgui_SOURCE_DIR} ${imgui_SOURCE_DIR}/backends ${STB_INCLUDE_DIR})
  # WebGL draws no vertices counted from an offset, so their numbers need more than 16 bits. The demo and its windows are left out.
  target_compile_definitions(tokenyard_imgui PUBLIC "ImDrawIdx=unsigned int" IMGUI_DISABLE_DEMO_WINDOWS IMGUI_DISABLE_METRICS_WINDOW
                                             PRIVATE IMGUI_IMPL_OPENGL_ES3)
elseif(TOKENYARD_VIEWER)
  find_package(imgui CONFIG QUIET)  # vcpkg, Conan
  if(imgui_FOUND)
    set(imgui_target imgui::imgui)
  else()
    find_package(PkgConfig QUIET)
    if(PkgConfig_FOUND)
      pkg_check_modules(IMGUI QUIET IMPORTED_TARGET imgui)
    endif()
    if(IMGUI_FOUND)
      set(imgui_target PkgConfig::IMGUI)
    endif()
  endif()
  find_path(STB_INCLUDE_DIR stb_image_write.h PATH_SUFFIXES stb)
  mark_as_advanced(STB_INCLUDE_DIR)
  if(imgui_target AND STB_INCLUDE_DIR)
    set(tokenyard_viewer ON)
    add_library(tokenyard_imgui INTERFACE)
    target_link_libraries(tokenyard_imgui INTERFACE ${imgui_target})
    target_include_directories(tokenyard_imgui SYSTEM INTERFACE ${STB_INCLUDE_DIR})
    foreach(dir ${IMGUI_INCLUDE_DIRS})
      target_include_directories(tokenyard_imgui SYSTEM INTERFACE ${dir} ${dir}/backends)
    endforeach()

    find_package(glfw3 3.3 QUIET)
    find_package(OpenGL QUIET)
    if(glfw3_FOUND AND TARGET OpenGL::GL)
      set(tokenyard_window ON)
      add_library(tokenyard_glfw INTERFACE)
      # After ImGui, whose static library needs them.
      target_link_libraries(tokenyard_glfw INTERFACE tokenyard_imgui glfw OpenGL::GL ${CMAKE_DL_LIBS})
    else()
      message(STATUS "GLFW or OpenGL not found: tokenyard view writes pictures and opens no window")
    endif()
  else()
    message(STATUS "Dear ImGui or stb not found: no viewer")
  endif()
endif()
