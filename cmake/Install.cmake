# SPDX-License-Identifier: Apache-2.0
#
# make install: program with manual page and completion, libraries, headers, plug-ins, mixdown.pc and the CMake package
# `mixdown`.
include(CMakePackageConfigHelpers)
if(TARGET mixdown)
    install(TARGETS mixdown)
endif()
install(TARGETS mixdown_shared mixdown_static EXPORT mixdown)
install(DIRECTORY include/mixdown DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
if(TARGET help_pages)
    install(FILES ${CMAKE_BINARY_DIR}/mixdown.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
    install(FILES ${CMAKE_BINARY_DIR}/mixdown.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
            RENAME mixdown)
endif()
get_property(all_targets DIRECTORY PROPERTY BUILDSYSTEM_TARGETS)
foreach(target IN LISTS all_targets)
    if(target MATCHES "^plugin_" AND NOT target STREQUAL plugin_template) # that one is for reading
        install(TARGETS ${target} DESTINATION ${CMAKE_INSTALL_LIBDIR}/mixdown)
    endif()
endforeach()

file(RELATIVE_PATH MIXDOWN_PC_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /) # the prefix is known at install time only
string(REPLACE ";" " " MIXDOWN_PC_REQUIRES "${mixdown_pc}")
configure_file(cmake/mixdown.pc.in mixdown.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/mixdown.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/mixdown)
install(EXPORT mixdown NAMESPACE mixdown:: FILE mixdownTargets.cmake DESTINATION ${package_dir})
configure_package_config_file(cmake/mixdownConfig.cmake.in mixdownConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(mixdownConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/mixdownConfig.cmake ${CMAKE_BINARY_DIR}/mixdownConfigVersion.cmake
        DESTINATION ${package_dir})
