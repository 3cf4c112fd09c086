#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# AMX on a machine that has it: amx.sh BUILD_DIR [MODELS]. First the tests of its kernels and whole networks against
# plain C, then times beside AVX-512 (VNNI, BF16), in turns, into bench/results/amx.csv. BUILD_DIR is a ready build;
# MODELS, a folder as bench/amx_models.py writes it, is made where it is missing.
set -e
build=${1:?BUILD_DIR}
models=${2:-$build/amx}
here=$(cd "$(dirname "$0")" && pwd)
mixdown=$build/mixdown
csv=$here/results/amx.csv
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$mixdown" backends
"$mixdown" run "$here/../tests/data/residual.onnx" --isa amx --input x="$here/../tests/data/x.npy" >/dev/null || exit 3
for test in conv_q8 tile_f32 matmul_f32 conv_f32 peak; do
    "$build/tests/test_$test" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
    echo "test_$test passed"
done

# The number, or first and second of a pair, under a key: key FILE KEY [N].
key()
{
    tr -d ' \n' <"$1" | sed -n "s/.*\"$2\":\[\{0,1\}\([^]}]*\).*/\1/p" | cut -d, -f"${3:-1}"
}

[ -d "$models" ] || python3 "$here/amx_models.py" "$models"
for model in "$models"/*.onnx; do
    name=$(basename "$model" .onnx)
    "$mixdown" quantize "$model" --precision w8a8 --data "npy:$models/$name.npy" -q -o "$work/$name.w8a8.onnx" >/dev/null
    "$mixdown" quantize "$model" --precision bf16 -q -o "$work/$name.bf16.onnx" >/dev/null
    # A few samples are enough: plain C is slow.
    "$mixdown" compare "$work/$name.w8a8.onnx" "$work/$name.w8a8.onnx" --isa scalar,amx --data "npy:$models/$name.npy" \
        --samples 1 --batch 1 --duration 0 --json >"$work/json"
    echo "$name: layers on AMX: $("$mixdown" audit "$work/$name.w8a8.onnx" --isa amx | grep -c conv_q8_amx) int8," \
        "$("$mixdown" audit "$work/$name.bf16.onnx" --isa amx | grep -c 'Conv.*_amx\|MatMul.*_amx') bf16;" \
        "integers equal to plain C: $(key "$work/json" integers_equal)"
    [ "$(key "$work/json" integers_equal)" = true ]
done

echo "cpu,network,precision,batch,threads,avx512_ms,amx_ms,speedup,speedup_low,speedup_high" >"$csv"
cpu=$("$mixdown" backends | sed -n 's/^cpu *[0-9]* *//p' | tr -d '"')
row() # NETWORK PRECISION BATCH THREADS
{
    "$mixdown" compare "$work/$1.$2.onnx" "$work/$1.$2.onnx" --isa avx512bf16,amx --batch "$3" --threads "$4" \
        --duration "${DURATION:-1}" --json -q >"$work/json"
    tr -d ' \n' <"$work/json" | sed 's/.*"a":{"median_ms":\([0-9.]*\).*"b":{"median_ms":\([0-9.]*\).*/\1,\2/' >"$work/times"
    printf '"%s",%s,%s,%s,%s,%s,%.3f,%.3f,%.3f\n' "$cpu" "$1" "$2" "$3" "$4" "$(cat "$work/times")" \
        "$(key "$work/json" speedup)" "$(key "$work/json" speedup_ci95 1)" "$(key "$work/json" speedup_ci95 2)" |
        tee -a "$csv"
}
for precision in w8a8 bf16; do
    for model in "$models"/*.onnx; do
        name=$(basename "$model" .onnx)
        row "$name" $precision 1 1
        row "$name" $precision 8 1
        row "$name" $precision 8 "$(nproc)"
    done
done
