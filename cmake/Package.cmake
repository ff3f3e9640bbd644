# A .deb and a .tar.gz of the program, its scenarios, manual page and completions. The CUDA module, whose libraries are NVIDIA's,
# stays out:
#   cmake --build build/release --target tokenyard tokenyard_manual && (cd build/release && cpack)
set(CPACK_GENERATOR DEB TGZ)
set(CPACK_PACKAGE_NAME tokenyard)
set(CPACK_PACKAGE_VENDOR Tokenyard)
set(CPACK_PACKAGE_CONTACT "The Tokenyard authors <tokenyard@localhost>")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_STRIP_FILES ON)

# All of one component in one file.
set(CPACK_COMPONENTS_ALL program)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_ARCHIVE_COMPONENT_INSTALL ON)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS fonts-dejavu-core)  # the viewer's letters
set(CPACK_DEBIAN_PACKAGE_SUGGESTS librsvg2-2)  # plots as .png; loaded when one is asked for
include(CPack)
