#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# tools/fuzz.sh BUILD SECONDS: runs the libFuzzer targets of BUILD for SECONDS each, two at a time, from a copy of their
# corpora. A finding stays in BUILD/findings. Prints and keeps in BUILD/fuzz.tsv: target, seconds, seed, executions, edges
# covered, verdict; the runs that are kept stand in tests/fuzz/log.
set -u
build=$1 seconds=$2
mkdir -p "$build/findings"

fuzz_one() {
    local target=$1 build=$2 seconds=$3 name work seed verdict=clean
    name=$(basename "$target")
    work=$build/corpus/$name
    seed=$RANDOM
    mkdir -p "$work"
    "$target" -seed="$seed" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
        -artifact_prefix="$build/findings/$name-" "$work" "tests/fuzz/corpus/${name#fuzz_}" >"$work.log" 2>&1 || verdict=FOUND
    printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$name" "$seconds" "$seed" \
        "$(sed -n 's/^stat::number_of_executed_units: *//p' "$work.log")" \
        "$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$work.log" | tail -1)" "$verdict"
}
export -f fuzz_one

targets=$(find "$build/tests" -maxdepth 1 -name 'fuzz_*' -type f -perm -u+x | sort)
[ -n "$targets" ] || { echo "no fuzz targets in $build/tests"; exit 1; }
printf 'target\tseconds\tseed\texecutions\tedges\tverdict\n' >"$build/fuzz.tsv"
printf '%s\n' "$targets" | xargs -P 2 -I TARGET bash -c 'fuzz_one "$@"' - TARGET "$build" "$seconds" >>"$build/fuzz.tsv"
cat "$build/fuzz.tsv"
! grep -q FOUND "$build/fuzz.tsv"
