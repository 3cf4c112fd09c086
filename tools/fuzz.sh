#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# tools/fuzz.sh BUILD SECONDS: runs every libFuzzer target of BUILD for SECONDS each, from a copy of its corpus. A
# finding stays in BUILD/findings.
set -u
build=$1 seconds=$2 failed=0
mkdir -p "$build/findings"
for target in "$build"/tests/fuzz_*; do
    [ -x "$target" ] || { echo "no fuzz targets in $build/tests"; exit 1; }
    name=$(basename "$target")
    work=$build/corpus/$name
    mkdir -p "$work"
    echo "$name: $seconds s"
    "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
        -artifact_prefix="$build/findings/$name-" "$work" "tests/fuzz/corpus/${name#fuzz_}" >"$work.log" 2>&1 ||
        { failed=1; echo "$name: FAILED, see $work.log"; }
    grep -E 'number_of_executed_units|new_units_added' "$work.log"
done
exit $failed
