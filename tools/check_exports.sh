#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# tools/check_exports.sh LIB.so: the shared library exports mxd_* only, and has the soname of its API level.
set -u
bad=$(nm -D --defined-only "$1" | awk '{ print $3 }' | grep -v '^mxd_' | grep -v '^__\(asan\|ubsan\|odr_asan\)')
if [ -n "$bad" ]; then
    printf 'exports: expected mxd_* only, got:\n%s\n' "$bad"
    exit 1
fi
readelf -d "$1" | grep -q 'SONAME.*\[libmixdown\.so\.[0-9]*\]' && exit
echo "soname: expected libmixdown.so.LEVEL, got: $(readelf -d "$1" | grep SONAME)"
exit 1
