#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# tools/check_aarch64.sh BUILD: what `make check-aarch64` runs, programs of an AArch64 build under qemu-user. All kernels and
# modules are tested on a processor that has everything, dispatch and integer kernels again on one with dot products and
# on one without. On each a trained network gives the interpreter's integers, and one built --exact the bits of plain C.
set -eu
cd "$(dirname "$0")/.."
build=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

mixdown() { qemu-aarch64 -L build/sysroot-aarch64 "$build/mixdown" "$@"; }
tests() { ctest --test-dir "$build" --output-on-failure -j2 "$@"; }

# true KEY COMMAND...: the command's JSON says so.
true_in() {
    local key=$1
    shift
    mixdown "$@" --json >"$tmp/json"
    grep -q "\"$key\": *true" "$tmp/json" || { echo "check_aarch64.sh: $QEMU_CPU: $key is not true: $*" >&2; exit 1; }
}

# ISA...: all that QEMU_CPU has, lowest first; the last one is chosen unasked.
network() {
    local isa
    for isa in "$@"; do
        for net in w8a8 mixed; do
            true_in integers_equal compare "$tmp/$net.onnx" "$tmp/$net.onnx" --backend interp,cpu --isa "scalar,$isa" \
                --data fashion-mnist --samples 20 --duration 0
        done
        true_in end_to_end_equal compare "$tmp/exact.mxd" "$tmp/exact.mxd" --isa "scalar,$isa" \
            --data fashion-mnist --samples 20 --duration 0
        echo "$QEMU_CPU: $isa: integers and bits as defined"
    done
    mixdown bench "$tmp/exact.mxd" --warmUp 0 --duration 0 --iterations 1 --json | grep -q "\"isa\": *\"$isa\"" ||
        { echo "check_aarch64.sh: $QEMU_CPU: expected $isa to be chosen" >&2; exit 1; }
}

quick='^test_(base_system|add_q8|conv_q8|dwconv_q8|lookup8|quantize_u8|matmul_w4|dwconv_f32|cpu_backend_(integer|conv|matmul))$'
export QEMU_CPU=max
mixdown quantize data/fashion_mnist.onnx --precision w8a8 --data fashion-mnist:train,subset=100 -o "$tmp/w8a8.onnx" >"$tmp/log"
mixdown quantize data/fashion_mnist.onnx --recipe data/fashion_mnist_mixed.json --data fashion-mnist:train,subset=100 \
    -o "$tmp/mixed.onnx" >"$tmp/log"
mixdown build data/fashion_mnist.onnx --exact -o "$tmp/exact.mxd" >"$tmp/log"
network neon dotprod i8mm
tests -L 'kernels|unit|threads|abi|conformance|examples' -E '^test_train_'
QEMU_CPU=neoverse-n1
network neon dotprod
tests -R "$quick"
QEMU_CPU=cortex-a72
network neon
tests -R "$quick"
