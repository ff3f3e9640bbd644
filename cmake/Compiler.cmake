# How every target here is compiled.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release)
endif()

if(NOT CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(TOKENYARD_CCACHE ccache)
  mark_as_advanced(TOKENYARD_CCACHE)
  if(TOKENYARD_CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${TOKENYARD_CCACHE})
  endif()
endif()

# A fused multiply-add rounds once where two operations round twice: the same scenario would give other bytes elsewhere.
add_compile_options(-ffp-contract=off)

add_library(tokenyard_warnings INTERFACE)
target_compile_options(tokenyard_warnings INTERFACE -Wall -Wextra -Wconversion -Wshadow
  # What nvcc hands on to the host compiler is not ISO C++, and spells array sizes as int.
  $<$<COMPILE_LANGUAGE:CXX>:-Wpedantic> $<$<COMPILE_LANGUAGE:CXX>:-Wsign-conversion>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(tokenyard_warnings INTERFACE -Wno-restrict)  # false alarm on std::string + (GCC bug 105651)
endif()
if(EMSCRIPTEN)
  target_compile_options(tokenyard_warnings INTERFACE -Wno-shorten-64-to-32)  # sizes are 32 bits wide there, as the memory is
endif()
if(TOKENYARD_WERROR)
  target_compile_options(tokenyard_warnings INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>
    "$<$<COMPILE_LANGUAGE:CUDA>:SHELL:-Werror all-warnings -Xcompiler=-Werror>")
endif()

if(TOKENYARD_FUZZ AND NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  message(FATAL_ERROR "TOKENYARD_FUZZ needs clang++, found ${CMAKE_CXX_COMPILER_ID}")
endif()
if(TOKENYARD_SANITIZE)
  add_compile_options(-fsanitize=${TOKENYARD_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${TOKENYARD_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wno-maybe-uninitialized)  # false alarms beside sanitizers, as its manual says
  endif()
endif()
if(TOKENYARD_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
  add_link_options(-fsanitize=fuzzer-no-link)
endif()

# tokenyard_library(backends/model [NAME name] SOURCES file... DEPENDS target... [HEADERS file...])
# The library of one folder, tokenyard_model or tokenyard_NAME. HEADERS, which are for other programs, are installed with it.
function(tokenyard_library folder)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "NAME" "SOURCES;DEPENDS;HEADERS")
  get_filename_component(name ${folder} NAME)
  if(arg_NAME)
    set(name ${arg_NAME})
  endif()
  set(target tokenyard_${name})
  add_library(${target} ${arg_SOURCES})
  add_library(tokenyard::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
                                              $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/tokenyard>)
  target_link_libraries(${target} PUBLIC ${arg_DEPENDS} PRIVATE fmt::fmt $<BUILD_INTERFACE:tokenyard_private>)
  install(TARGETS ${target} EXPORT tokenyard COMPONENT development)
  list(TRANSFORM arg_HEADERS PREPEND ${PROJECT_SOURCE_DIR}/${folder}/)
  install(FILES ${arg_HEADERS} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/tokenyard/${folder}
          COMPONENT development)
endfunction()
