#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What `make install` puts where, and that README's program builds against it by pkg-config and by CMake.
set -eu -o pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
prefix=$folder/usr
cmake --install "$MIXDOWN_BUILD" --prefix "$prefix" >"$folder/log"

missing=0
for file in bin/mixdown share/man/man1/mixdown.1 share/bash-completion/completions/mixdown include/mixdown/mixdown.h \
    'lib*/libmixdown.a' 'lib*/libmixdown.so' 'lib*/pkgconfig/mixdown.pc' 'lib*/cmake/mixdown/mixdownConfig.cmake'; do
    compgen -G "$prefix/$file" >/dev/null || compgen -G "$prefix/${file/lib\*/lib\*\/*}" >/dev/null ||
        { echo "not installed: $file"; missing=1; }
done
[ "$missing" = 0 ]
if find "$prefix" -name '*template*' | grep .; then
    echo "the template of plug-ins is for reading"
    exit 1
fi
"$prefix/bin/mixdown" --version

# The rest links against the library, which in a build with sanitizers needs their flags.
grep -q '^MIXDOWN_SANITIZE:STRING=$' "$MIXDOWN_BUILD/CMakeCache.txt" || exit 0
export PKG_CONFIG_PATH
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name mixdown.pc)")
sed -n '/^```c$/,/^```$/p' "$MIXDOWN_SOURCE/README.md" | sed '1d;$d' >"$folder/demo.c"
# shellcheck disable=SC2046 # flags are words
"$CC" -std=c99 -Wall -Wextra -Werror "$folder/demo.c" $(pkg-config --cflags --libs mixdown) -o "$folder/demo"

cat >"$folder/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.21)
project(demo C)
find_package(mixdown REQUIRED)
add_executable(demo demo.c)
target_link_libraries(demo mixdown::shared)
END
cmake -S "$folder" -B "$folder/build" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$CC" >"$folder/log"
cmake --build "$folder/build" >"$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }

cd "$folder" # without net.mxd the program says so
for demo in ./demo build/demo; do
    said=$(LD_LIBRARY_PATH=$(dirname "$(find "$prefix" -name libmixdown.so)") $demo 2>&1) && exit 1
    case $said in net.mxd:*) ;; *) echo "expected a line on net.mxd, got: $said"; exit 1 ;; esac
done
