#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The demo: NNI's MNIST network, trained on Fashion-MNIST, as an all-32-bit, a mixed and an all-8-bit engine: demo.py [PROGRAM].

Calibrates on the first 1000 training images, quantizes, builds, measures accuracy on the 10,000 test images and latency in turns
with the 32-bit engine, audits, and prints one table. Commands go to stderr as they run; files go to a temporary folder. Exit code 1
if a command fails or an engine does not run as asked. Python's standard library only.
"""
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/mixdown")
NET = "data/fashion_mnist.onnx"
MIXED = "data/fashion_mnist_mixed.json"
BATCH = "128"
HEAD = [["", "average bits:", "", "", "", "", "latency in ms", "", "top-1 of the", ""],
        ["strategy", "weights", "acts", "ops", "layers", "size", "at batch 128", "speed-up", "10,000 test images", "audit"]]
LEGEND = """
average bits (keys of `mixdown quantize --json`; numbers in brackets are 95 % intervals, what follows +- is a standard error):
  weights  avg_weight_bits   over all weights, unquantized ones and biases at 32
  acts     avg_act_bits      over all activations
  ops      avg_op_bits       sqrt(sum of MACs * weight bits * activation bits / sum of MACs)
  layers   avg_layer_bits    unweighted, over layers, of the wider of both; comparable with NNI's figure"""


def mixdown(folder, *argv, ok=(0,)):
    """The JSON that a command prints. It runs in the repository's root; {} in an argument is the temporary folder."""
    print("$ mixdown " + shlex.join(a.format("TMP") for a in argv), file=sys.stderr)
    try:
        r = subprocess.run([PROGRAM, *(a.format(folder) for a in argv), "--json"], cwd=ROOT, capture_output=True, text=True)
    except OSError as e:
        sys.exit(f"demo: {PROGRAM}: {e.strerror}; `make` builds it")
    if r.returncode not in ok:
        sys.exit(f"demo: {argv[0]} ended with {r.returncode}: {r.stderr.strip()}")
    return json.loads(r.stdout)


def row(folder, strategy, name, recipe):
    """Cells of one strategy, and how many of its nodes do not run as asked."""
    engine = f"{{}}/{name}.mxd"
    bits = mixdown(folder, "quantize", NET, *recipe, "--calibration", "{}/calib.json", "-o", f"{{}}/{name}.onnx")["average_bits"]
    size = mixdown(folder, "build", f"{{}}/{name}.onnx", "--batch", BATCH, "-o", engine)["bytes"]
    accuracy = mixdown(folder, "eval", engine, "--data", "fashion-mnist")
    pair = mixdown(folder, "compare", "{}/f32.mxd", engine, "--batch", BATCH, "--duration", "3")
    mismatches = mixdown(folder, "audit", engine, ok=(0, 1))["mismatches"]
    return [strategy, *(f"{bits[f'avg_{k}_bits']:.2f}" for k in ("weight", "act", "op", "layer")), f"{size / 1024:.0f} KiB",
            "{:.3f} [{:.3f}, {:.3f}]".format(pair["b"]["median_ms"], *pair["b"]["ci95_ms"]),
            "{:.2f}x [{:.2f}, {:.2f}]".format(pair["speedup"], *pair["speedup_ci95"]),
            f"{100 * accuracy['top1']:.2f} % +- {100 * accuracy['top1_stderr']:.2f}",
            f"{mismatches} mismatches" if mismatches else "as asked"], mismatches


def main():
    with tempfile.TemporaryDirectory(prefix="mixdown-demo-") as folder:
        mixdown(folder, "calibrate", NET, "--data", "fashion-mnist:train,subset=1000", "-o", "{}/calib.json")
        rows = [row(folder, "all 32 bit", "f32", ["--precision", "f32"]),
                row(folder, "mixed", "mixed", ["--recipe", MIXED]),
                row(folder, "all 8 bit", "int8", ["--precision", "w8a8"])]
        here = mixdown(folder, "bench", "{}/f32.mxd", "--warmUp", "0", "--iterations", "1")
        cpu = next(b["description"] for b in mixdown(folder, "backends")["backends"] if b["name"] == "cpu")
    table = HEAD + [cells for cells, _ in rows]
    widths = [max(len(r[c]) for r in table) for c in range(len(HEAD[1]))]
    print(f"\nFashion-MNIST, {here['threads']} threads, {cpu}\n")
    for r in table:
        print("  ".join(cell.rjust(w) if 1 <= c <= 5 and r is not table[0] else cell.ljust(w) for c, (cell, w) in enumerate(zip(r, widths))).rstrip())
    print(LEGEND)
    sys.exit(1 if any(n for _, n in rows) else 0)


if __name__ == "__main__":
    main()
