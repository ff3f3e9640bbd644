# What the browser build (preset `web`) has otherwise: the compiler's settings, and libraries from their headers or sources alone.
# Installed headers are taken one library at a time: the compiler must not see those of this machine's C library.

# Exceptions of WebAssembly itself: those made of JavaScript cost a call into it for each call that may throw.
add_compile_options(-fwasm-exceptions -include ${PROJECT_SOURCE_DIR}/cmake/libcxx14.h)
add_link_options(-fwasm-exceptions)
# Debian's emscripten looks for its JavaScript packages where Debian's node does; another node does not.
set(CMAKE_CXX_LINKER_LAUNCHER ${CMAKE_COMMAND} -E env NODE_PATH=/usr/share/nodejs)

set(web_headers ${PROJECT_BINARY_DIR}/headers)
file(MAKE_DIRECTORY ${web_headers})
# web_header(NAME VARIABLE): ${web_headers}/NAME becomes a link to this machine's; VARIABLE says whether there is one.
function(web_header name variable)
  find_path(WEB_${variable} ${name} PATHS /usr/include /usr/local/include NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH)
  mark_as_advanced(WEB_${variable})
  if(WEB_${variable} AND NOT EXISTS ${web_headers}/${name})
    file(CREATE_LINK ${WEB_${variable}}/${name} ${web_headers}/${name} SYMBOLIC)
  endif()
  set(${variable} ${WEB_${variable}} PARENT_SCOPE)
endfunction()

web_header(fmt have_fmt)
if(have_fmt)
  add_library(fmt::fmt INTERFACE IMPORTED GLOBAL)
  target_compile_definitions(fmt::fmt INTERFACE FMT_HEADER_ONLY=1)
  target_include_directories(fmt::fmt SYSTEM INTERFACE ${web_headers})
  set(fmt_FOUND ON)
endif()
web_header(nlohmann have_json)
if(have_json)
  add_library(nlohmann_json::nlohmann_json INTERFACE IMPORTED GLOBAL)
  target_include_directories(nlohmann_json::nlohmann_json SYSTEM INTERFACE ${web_headers})
  set(nlohmann_json_FOUND ON)
endif()
set(CLI11_FOUND ON)  # nothing here reads a command line
web_header(xxhash.h have_xxhash)
if(have_xxhash)
  set(XXHASH_INCLUDE_DIR ${web_headers})
endif()
web_header(stb have_stb)
if(have_stb)
  set(STB_INCLUDE_DIR ${web_headers}/stb)
endif()

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
set(tokenyard_viewer ON)
