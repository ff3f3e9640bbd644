# Writes cli/commit.h: the commit of SOURCE_DIR. A source archive has no git; cmake/commit.txt says it there (git archive fills
# it in, and so may whoever packs one). HEADER keeps its time when nothing changed.
cmake_minimum_required(VERSION 3.22)
set(commit "unknown")
find_program(GIT git)
if(GIT AND EXISTS ${SOURCE_DIR}/.git)
  execute_process(COMMAND ${GIT} -C ${SOURCE_DIR} rev-parse --short=12 HEAD OUTPUT_VARIABLE head RESULT_VARIABLE status
                  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(status EQUAL 0)
    set(commit ${head})
    execute_process(COMMAND ${GIT} -C ${SOURCE_DIR} diff --quiet HEAD RESULT_VARIABLE changed ERROR_QUIET)
    if(NOT changed EQUAL 0)
      set(commit "${commit} with changes")
    endif()
  endif()
else()
  file(STRINGS ${SOURCE_DIR}/cmake/commit.txt written LIMIT_COUNT 1)
  if(written MATCHES "^[0-9a-f]+$")
    set(commit ${written})
  endif()
endif()
file(CONFIGURE OUTPUT ${HEADER} CONTENT "#pragma once
namespace tokenyard::cli {
inline constexpr const char* kCommit = \"@commit@\";
}
" @ONLY)
