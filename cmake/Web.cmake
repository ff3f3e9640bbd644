# What the browser build (preset `web`) has otherwise: the compiler's settings, and libraries from their headers or sources alone.
# Installed headers are taken one library at a time: the compiler must not see those of this machine's C library.

# Exceptions of WebAssembly itself: those made of JavaScript cost a call into it for each call that may throw.
add_compile_options(-fwasm-exceptions -include ${PROJECT_SOURCE_DIR}/cmake/libcxx.h)
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
set(CLI11_FOUND ON)       # nothing here reads a command line,
set(TOKENYARD_TESTS OFF)  # and the tests are this machine's: tests/web, tests/determinism
web_header(xxhash.h have_xxhash)
if(have_xxhash)
  set(XXHASH_INCLUDE_DIR ${web_headers})
endif()
web_header(stb have_stb)
if(have_stb)
  set(STB_INCLUDE_DIR ${web_headers}/stb)
endif()
