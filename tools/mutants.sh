#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# tools/mutants.sh [PATCH...]: proves that the tests notice bugs. Each patch of tests/mutants/ plants one in a copy of
# the source; building it and running the tests must fail. The first line of a patch may narrow the tests:
# `tests: REGEX` as of ctest -R. Fails if a mutant survives or no longer applies.
set -u
cd "$(dirname "$0")/.." || exit 1
copy=build/mutants/source
survived=0 killed=0
[ $# -gt 0 ] || set -- tests/mutants/*.patch
[ -e "$1" ] || { echo "no patches in tests/mutants"; exit 1; }

# One copy for all: a patch taken back touches its files again, so the build sees both changes.
rm -rf "$copy" && mkdir -p "$copy"
git ls-files -z --cached --others --exclude-standard | tar -c --null -T - --ignore-failed-read 2>/dev/null | tar -x -m -C "$copy"

for patch in "$@"; do
    name=$(basename "$patch" .patch)
    tests=$(sed -n '1s/^tests: //p' "$patch")
    if ! patch -s -p1 --dry-run -d "$copy" <"$patch" >/dev/null 2>&1; then
        echo "STALE     $name: does not apply"
        survived=$((survived + 1))
        continue
    fi
    patch -s -p1 -d "$copy" <"$patch"
    log=build/mutants/$name.log
    if cmake -S "$copy" -B build/mutants/build -G Ninja >"$log" 2>&1 &&
        cmake --build build/mutants/build >>"$log" 2>&1; then
        if ctest --test-dir build/mutants/build -j2 -R "${tests:-.}" >>"$log" 2>&1; then
            echo "SURVIVED  $name"
            survived=$((survived + 1))
        else
            echo "killed    $name"
            killed=$((killed + 1))
        fi
    else
        echo "BROKEN    $name: does not build, see $log"
        survived=$((survived + 1))
    fi
    patch -s -R -p1 -d "$copy" <"$patch" >/dev/null 2>&1 || { echo "$name: cannot be taken back"; exit 1; }
done
echo "$killed mutants killed, $survived not"
[ "$survived" = 0 ]
