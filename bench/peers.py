#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whole networks beside ONNX Runtime, interleaved in one run: peers.py [--mixdown PROGRAM] [--rounds N] [--threads 1,2].

Writes bench/results/peers.csv and the table of docs/performance.md. Each round times every engine once, in turn: ours by `mixdown bench`,
ONNX Runtime by a call from Python (its overhead, some 10 us, is left in). A row is the median over rounds with the interval that holds
it in 19 of 20 cases. Both run the same float network; the int8 ones come from `mixdown quantize`, for ONNX Runtime with
`--for onnxruntime`, so that its fusions apply. Needs pip's numpy, onnx and onnxruntime.
"""
import argparse
import csv
import pathlib
import statistics
import subprocess
import sys
import tempfile

import numpy as np
import onnx

from measure import PEER, Program, cpu_name, interval, ort_call, time_call

HERE = pathlib.Path(__file__).resolve().parent
parser = argparse.ArgumentParser()
parser.add_argument("--mixdown", default=str(HERE.parent / "build/mixdown"))
parser.add_argument("--rounds", type=int, default=15)
parser.add_argument("--threads", default="1,2")
args = parser.parse_args()
BATCH = 128
mixdown = Program(args.mixdown)


def fixed_batch(path, out):
    model = onnx.load(str(path))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = BATCH
    onnx.save(model, str(out))


def networks(folder):
    """name -> (float model, spec of calibration data)"""
    subprocess.run([sys.executable, HERE / "make_models.py", folder / "resnet18.onnx", str(BATCH)], check=True)
    rng = np.random.default_rng(1)
    np.save(folder / "resnet18.npy", rng.uniform(-1, 1, (BATCH, 3, 32, 32)).astype(np.float32))
    fixed_batch(HERE.parent / "data/fashion_mnist.onnx", folder / "demo.onnx")
    return {"ResNet18-CIFAR": (folder / "resnet18.onnx", f"npy:{folder}/resnet18.npy"), "demo (NNI's MNIST net)": (folder / "demo.onnx", "fashion-mnist:train,subset=1024")}


def measure(name, model, data, threads, folder):
    stem = folder / f"{model.stem}"
    files = {"mixdown f32": f"{stem}.f32.mxd", "mixdown int8": f"{stem}.int8.mxd"}
    mixdown("quantize", model, "--precision", "w8a8", "--data", data, "-o", f"{stem}.ours.onnx")
    mixdown("quantize", model, "--precision", "w8a8", "--data", data, "--for", "onnxruntime", "-o", f"{stem}.ort.onnx")
    mixdown("build", model, "-o", files["mixdown f32"], "--batch", BATCH)
    mixdown("build", f"{stem}.ours.onnx", "-o", files["mixdown int8"], "--batch", BATCH)
    calls = {f"{PEER} f32": ort_call(model, BATCH, threads), f"{PEER} int8": ort_call(f"{stem}.ort.onnx", BATCH, threads)}
    times = {who: [] for who in (*files, *calls)}
    for _ in range(args.rounds):
        for who, path in files.items():
            times[who].append(mixdown.time(path, BATCH, threads))
        for who, call in calls.items():
            times[who].append(time_call(call))
    best_f32 = statistics.median(times[f"{PEER} f32"])
    rows = []
    for who, values in times.items():
        low, high = interval(values)
        rows.append({"network": name, "batch": BATCH, "threads": threads, "engine": who, "median_ms": f"{statistics.median(values):.4f}", "ci95_low_ms": f"{low:.4f}",
                     "ci95_high_ms": f"{high:.4f}", "speedup_over_onnxruntime_f32": f"{best_f32 / statistics.median(values):.3f}", "rounds": args.rounds})
    return rows


def main():
    rows = []
    with tempfile.TemporaryDirectory(prefix="mixdown-bench-") as folder:
        for name, (model, data) in networks(pathlib.Path(folder)).items():
            for threads in map(int, args.threads.split(",")):
                rows += measure(name, model, data, threads, pathlib.Path(folder))
                print(*(f"{r['network']} {r['threads']}T {r['engine']}: {r['median_ms']} ms" for r in rows[-4:]), sep="\n", flush=True)
    out = HERE / "results/peers.csv"
    with open(out, "w", newline="") as f:
        writer = csv.DictWriter(f, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    table = [f"| {r['network']} | {r['threads']} | {r['engine']} | {r['median_ms']} | {r['ci95_low_ms']} - {r['ci95_high_ms']} | {r['speedup_over_onnxruntime_f32']} |" for r in rows]
    page = HERE.parent / "docs/performance.md"
    page.write_text("\n".join(["# Performance", "", "Written by `make bench` (`bench/peers.py`); the figures stand in `bench/results/peers.csv`.", "",
                               f"Batch {BATCH}, {args.rounds} interleaved rounds, medians with 95 % intervals, on {cpu_name()}. {PEER} from pip, CPU provider, all optimizations. "
                               "ResNet18-CIFAR has random weights (only its speed means anything); the demo network is trained.", "",
                               "| network | threads | engine | ms | 95 % | speed-up over ONNX Runtime f32 |", "|---|---|---|---|---|---|", *table, ""]))


main()
