# A part that needs large libraries is a module, a shared object that is loaded when it is first asked for, so that starting
# costs nothing: libtokenyard_cuda.so (backends/cuda). Programs find modules relative to themselves, so that both can be moved
# together; LD_LIBRARY_PATH comes before.
set(tokenyard_module_dir ${CMAKE_INSTALL_LIBDIR}/tokenyard)
file(RELATIVE_PATH modules_from_program ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR}/tokenyard)
set(CMAKE_INSTALL_RPATH $ORIGIN/${modules_from_program})
# From cli/ and tests/, and from tests/parity/.
set(CMAKE_BUILD_RPATH $ORIGIN/../${tokenyard_module_dir} $ORIGIN/../../${tokenyard_module_dir})

# tokenyard_module(cuda SOURCES file... DEPENDS target...): the module libtokenyard_cuda.so. It has copies of its own of the
# static libraries it links, which must be built with POSITION_INDEPENDENT_CODE; only its entry is seen from outside.
function(tokenyard_module name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPENDS")
  set(target tokenyard_${name}_module)
  add_library(${target} MODULE ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE ${arg_DEPENDS} tokenyard_private)
  target_link_options(${target} PRIVATE LINKER:--exclude-libs,ALL LINKER:--no-undefined)
  set_target_properties(${target} PROPERTIES OUTPUT_NAME tokenyard_${name} CXX_VISIBILITY_PRESET hidden
    LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/${tokenyard_module_dir} BUILD_RPATH ""
    INSTALL_RPATH "" INSTALL_RPATH_USE_LINK_PATH ON)
  install(TARGETS ${target} LIBRARY DESTINATION ${tokenyard_module_dir} COMPONENT ${name})
endfunction()
