#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The demo: NNI's MNIST network, trained on Fashion-MNIST, as all 32 bit, mixed and all 8 bit engines: demo.py [PROGRAM].

Calibrates on training images, quantizes, builds, measures accuracy on the 10,000 test images and latency at batch 128 in
turns with the 32-bit engine, audits, and prints one table. Files go to a temporary folder.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = sys.argv[1] if len(sys.argv) > 1 else str(HERE / "build/mixdown")
NET = HERE / "data/fashion_mnist.onnx"
BATCH = 128


def mixdown(*argv, ok=(0,)):
    r = subprocess.run([PROGRAM, *map(str, argv), "--json"], capture_output=True, text=True)
    if r.returncode not in ok:
        sys.exit(f"demo: mixdown {argv[0]}: {r.stderr.strip()}")
    return json.loads(r.stdout)


def engine(folder, name, recipe):
    """(engine file, average bits) of the network under a recipe."""
    net, bits = folder / f"{name}.onnx", None
    q = mixdown("quantize", NET, *recipe, "--calibration", folder / "calib.json", "-o", net)
    bits = q["average_bits"]
    mixdown("build", net, "-o", folder / f"{name}.mxd", "--batch", BATCH)
    return folder / f"{name}.mxd", bits


def row(strategy, file, bits, reference):
    top1 = mixdown("eval", file, "--data", "fashion-mnist")
    audit = mixdown("audit", file, ok=(0, 1))
    pair = mixdown("compare", reference, file, "--batch", BATCH, "--duration", 3)
    low, high = pair["b"]["ci95_ms"]
    s_low, s_high = pair["speedup_ci95"]
    return [strategy, f"{bits['avg_weight_bits']:.2f}", f"{bits['avg_act_bits']:.2f}", f"{bits['avg_op_bits']:.2f}", f"{bits['avg_layer_bits']:.2f}",
            f"{file.stat().st_size / 1024:.0f} KiB", f"{pair['b']['median_ms']:.3f} [{low:.3f}, {high:.3f}]", f"{pair['speedup']:.2f}x [{s_low:.2f}, {s_high:.2f}]",
            f"{100 * top1['top1']:.2f} % +- {100 * top1['top1_stderr']:.2f}", "as asked" if audit["mismatches"] == 0 else f"{audit['mismatches']} mismatches"]


def main():
    table = [["strategy", "weight bits", "act bits", "op bits", "layer bits", "size", "ms, batch 128", "speed-up", "top-1, 10,000 images", "audit"]]
    with tempfile.TemporaryDirectory(prefix="mixdown-demo-") as tmp:
        folder = pathlib.Path(tmp)
        mixdown("calibrate", NET, "--data", "fashion-mnist:train,subset=1024", "-o", folder / "calib.json")
        engines = [("all 32 bit", *engine(folder, "f32", ["--precision", "f32"])),
                   ("mixed", *engine(folder, "mixed", ["--recipe", HERE / "data/fashion_mnist_mixed.json"])),
                   ("all 8 bit", *engine(folder, "int8", ["--precision", "w8a8"]))]
        for strategy, file, bits in engines:
            table.append(row(strategy, file, bits, engines[0][1]))
    widths = [max(len(r[c]) for r in table) for c in range(len(table[0]))]
    for r in table:
        print("  ".join(cell.ljust(w) for cell, w in zip(r, widths)).rstrip())
    print("bits: averages over weights, activations, operations sqrt(sum MACs*w*a / MACs), and layers (unweighted; comparable with NNI's)")


main()
