#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The public functions: symbols.txt, what the headers declare and what the library exports are one list. A line may be added;
# one that has to go breaks compiled programs, and needs another soname.
set -u -o pipefail
export LC_ALL=C
list=$MIXDOWN_SOURCE/tests/abi/symbols.txt

same() { # WHAT, from stdin: sorted names
    diff -u --label tests/abi/symbols.txt --label "$1" "$list" -
}

nm -D --defined-only "$MIXDOWN_BUILD/libmixdown.so" | awk '$3 ~ /^mxd_/ { print $3 }' | sort | same exported &&
    sed -n 's/.*MXD_API[^(]*\b\(mxd_[a-z0-9_]*\)(.*/\1/p' "$MIXDOWN_SOURCE"/include/mixdown/*.h | sort | same declared
