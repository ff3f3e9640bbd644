# What needs a large library is a module, a shared object that is loaded when it is first asked for, so that starting costs
# nothing: libtokenyard_cuda.so (backends/cuda), libtokenyard_png.so (cli). Programs find modules in ../lib/tokenyard, in the
# build folder as in the installed one; LD_LIBRARY_PATH comes before.
set(tokenyard_module_dir ${CMAKE_INSTALL_LIBDIR}/tokenyard)
file(RELATIVE_PATH modules_from_program ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR}/tokenyard)
set(CMAKE_INSTALL_RPATH $ORIGIN/${modules_from_program})
set(CMAKE_BUILD_RPATH ${PROJECT_BINARY_DIR}/${tokenyard_module_dir})
set(CMAKE_BUILD_RPATH_USE_ORIGIN ON)

# tokenyard_module(png SOURCES file... DEPENDS target...): the module libtokenyard_png.so, of which only what has default
# visibility is seen. What it links it has for itself, built with POSITION_INDEPENDENT_CODE.
function(tokenyard_module name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPENDS")
  set(target tokenyard_${name}_module)
  add_library(${target} MODULE ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE ${arg_DEPENDS} tokenyard_private)
  target_link_options(${target} PRIVATE LINKER:--exclude-libs,ALL LINKER:--no-undefined)
  set_target_properties(${target} PROPERTIES OUTPUT_NAME tokenyard_${name} CXX_VISIBILITY_PRESET hidden
    LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/${tokenyard_module_dir} INSTALL_RPATH "" INSTALL_RPATH_USE_LINK_PATH ON)
  install(TARGETS ${target} LIBRARY DESTINATION ${tokenyard_module_dir})
endfunction()
