# SPDX-License-Identifier: Apache-2.0
#
# Libraries of docs/dependencies.md, gathered in the interface target `mixdown_deps`.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
set(mixdown_pc jansson libprotobuf-c zlib liblzma libzip libjpeg libpng libxxhash libpcre2-8)
pkg_check_modules(deps REQUIRED IMPORTED_TARGET ${mixdown_pc})

add_library(mixdown_deps INTERFACE)
target_link_libraries(mixdown_deps INTERFACE PkgConfig::deps Threads::Threads ${CMAKE_DL_LIBS} m)
