# find_package(tokenyard) for others: tokenyard::core, tokenyard::sim, ...
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/tokenyard)
configure_file(cmake/tokenyard-config.cmake.in tokenyard-config.cmake @ONLY)
write_basic_package_version_file(tokenyard-config-version.cmake COMPATIBILITY SameMinorVersion)
install(EXPORT tokenyard NAMESPACE tokenyard:: FILE tokenyard-targets.cmake DESTINATION ${package_dir}
        COMPONENT development)
install(FILES ${PROJECT_BINARY_DIR}/tokenyard-config.cmake ${PROJECT_BINARY_DIR}/tokenyard-config-version.cmake
        DESTINATION ${package_dir} COMPONENT development)
install(FILES LICENSE CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
