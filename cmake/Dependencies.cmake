# Every library from outside: the installed one, or else the pinned release from the internet.
include(FetchContent)
if(POLICY CMP0135)
  cmake_policy(SET CMP0135 NEW)
endif()

# fmt is linked into what we install, so it is installed along; of the others nothing is.
set(CMAKE_POLICY_DEFAULT_CMP0077 NEW)  # the settings below reach the fetched projects
set(CMAKE_POLICY_VERSION_MINIMUM 3.5)  # CMake 4 refuses what older releases ask for
set(FMT_INSTALL ON)
set(FMT_SYSTEM_HEADERS ON)
set(JSON_Install OFF)
set(JSON_SystemInclude ON)
set(CLI11_INSTALL OFF)
if(EMSCRIPTEN)
  include(cmake/Web.cmake)  # has some of what follows
endif()

# tokenyard_dependency(name minimum-version URL HASH): find_package(name), else FetchContent.
macro(tokenyard_dependency name version url hash)
  if(NOT ${name}_FOUND)
    find_package(${name} ${version} QUIET)
  endif()
  if(NOT ${name}_FOUND)
    message(STATUS "${name} is not installed: fetching ${url}")
    FetchContent_Declare(${name} URL ${url} URL_HASH SHA256=${hash})
    FetchContent_MakeAvailable(${name})
  endif()
endmacro()

find_package(Threads REQUIRED)
tokenyard_dependency(fmt 9 https://github.com/fmtlib/fmt/archive/refs/tags/10.2.1.tar.gz
                     1250e4cc58bf06ee631567523f48848dc4596133e163f02615c97f78bab6c811)
tokenyard_dependency(nlohmann_json 3.10 https://github.com/nlohmann/json/releases/download/v3.11.3/json.tar.xz
                     d6c65aca6b1ed68e7a182f4757257b107ae403032760ed6ef121c9d55e81757d)
tokenyard_dependency(CLI11 2 https://github.com/CLIUtils/CLI11/archive/refs/tags/v2.4.2.tar.gz
                     f2d893a65c3b1324c50d4e682c0cdc021dd0477ae2c048544f39eed6654b699a)

# xxHash is used header-only, and distributions ship no CMake package for it.
find_path(XXHASH_INCLUDE_DIR xxhash.h)
mark_as_advanced(XXHASH_INCLUDE_DIR)
if(XXHASH_INCLUDE_DIR)
  set(xxhash_headers ${XXHASH_INCLUDE_DIR})
else()
  message(STATUS "xxhash.h is not installed: fetching it")
  FetchContent_Declare(xxHash URL https://github.com/Cyan4973/xxHash/archive/refs/tags/v0.8.3.tar.gz
                       URL_HASH SHA256=aae608dfe8213dfd05d909a57718ef82f30722c392344583d3f39050c7f29a80)
  FetchContent_MakeAvailable(xxHash)
  set(xxhash_headers ${xxhash_SOURCE_DIR})
endif()

if(TOKENYARD_TESTS)
  # Without a version: 3 does not pass for 2.13, and both will do.
  tokenyard_dependency(Catch2 "" https://github.com/catchorg/Catch2/archive/refs/tags/v3.7.1.tar.gz
                       c991b247a1a0d7bb9c39aa35faf0fe9e19764213f28ffba3109388e62ee0269c)
  if(NOT Catch2_FOUND)
    set(Catch2_VERSION 3.7.1)
    list(APPEND CMAKE_MODULE_PATH ${catch2_SOURCE_DIR}/extras)
  endif()
endif()

# What the .cpp files of every part use and no public header shows.
add_library(tokenyard_private INTERFACE)
target_include_directories(tokenyard_private SYSTEM INTERFACE ${xxhash_headers})
target_link_libraries(tokenyard_private INTERFACE tokenyard_warnings fmt::fmt)
