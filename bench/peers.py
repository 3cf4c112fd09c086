#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whole networks beside ONNX Runtime and OpenVINO: the same ONNX files and threads, in turns, in one run.

    peers.py [--mixdown PROGRAM] [--threads 1,2] [--rounds N] [--models DIR] [--list] [ROW...]

Writes bench/results/peers.csv and the table of docs/performance.md; rows that are not named keep what they have there.
A round times every engine once, in turn; a figure is the median over rounds with the interval that holds it in 19 of 20 cases,
and `ahead` is that of best peer's time / ours within one round. Ours is timed by `mixdown bench`, peers by calls from Python less what
a call of a network that does nothing takes. Memory is the peak of a process that runs a network less that of one that runs that nothing.

Float networks are made by make_models.py, integer ones from them by `mixdown quantize --for onnxruntime,openvino`, so that the fusions of
all apply: u8 activations, s8 weights by channel. --models DIR keeps them, and takes NETWORK_PRECISION_bBATCH.onnx that are there
already. Best settings of a peer: ONNX Runtime with all optimizations, OpenVINO with the latency hint and one stream; where a row's
PEERS says so, also with f32 networks in bf16. Needs pip's numpy, onnx, onnxruntime and openvino.
"""
import argparse
import csv
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
CSV, PAGE = HERE / "results/peers.csv", HERE.parent / "docs/performance.md"
BEGIN, END = "<!-- peers: written by bench/peers.py -->", "<!-- peers: end -->"

ORT, OV = "onnxruntime", "openvino"
F32, INT8 = [(ORT, "f32", ""), (OV, "f32", "f32")], [(ORT, "int8", ""), (OV, "int8", "")]
SMALL = [*INT8, (ORT, "f32", ""), (OV, "f32", "bf16")]  # too little to multiply for integers always to win
# network, precision, batch, peers as (who, precision of the file, its INFERENCE_PRECISION_HINT)
ROWS = [
    ("resnet18_cifar", "int8", 128, INT8), ("resnet18_cifar", "int8_signed", 128, [(ORT, "int8_signed", "")]), ("resnet18_cifar", "f32", 128, F32),
    ("resnet18_cifar", "bf16", 128, [(OV, "f32", "bf16")]), ("resnet18_cifar", "int8", 1, INT8),
    ("resnet18_pool", "int8", 128, INT8), ("resnet18_pool", "f32", 128, F32), ("resnet18_pool", "int8", 1, INT8),
    ("nni_mnist", "int8", 128, SMALL), ("nni_mnist", "int8", 1, SMALL), ("lenet5", "int8", 128, SMALL),
    ("resnet50", "int8", 1, INT8), ("resnet50", "int8", 32, INT8), ("resnet50", "f32", 1, F32),
    ("mobilenet_v2", "int8", 1, INT8), ("mobilenet_v2", "int8", 32, INT8),
    ("efficientnet_lite0", "int8", 1, INT8), ("efficientnet_lite0", "int8", 32, INT8),
    ("bert_4l", "int8", 1, INT8), ("bert_4l", "f32", 1, F32),
]
NAMES = [f"{network}-{precision}-b{batch}" for network, precision, batch, _ in ROWS]
COLUMNS = "row threads engine settings rounds median_ms ci95_low_ms ci95_high_ms memory_mb ahead ahead_low ahead_high scaling scaling_low scaling_high".split()

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--mixdown", default=str(HERE.parent / "build/mixdown"))
parser.add_argument("--threads", default="1,2")
parser.add_argument("--rounds", type=int, default=15)
parser.add_argument("--models")
parser.add_argument("--list", action="store_true", help="print the rows and end")
parser.add_argument("--memory-of", nargs=4, metavar=("WHO", "FILE", "BATCH", "HINT"), help=argparse.SUPPRESS)
parser.add_argument("rows", nargs="*", metavar="ROW")
args = parser.parse_args()
if unknown := set(args.rows) - set(NAMES):
    parser.error(f"no row {', '.join(sorted(unknown))}; there are {' '.join(NAMES)}")
if args.list:
    sys.exit(print("\n".join(NAMES)))
THREADS = [int(t) for t in args.threads.split(",")]
if len(THREADS) == 1:  # before a peer's threads start: engines share these cores, and no more
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[: THREADS[0]]))

import measure  # noqa: E402: imports the peers
import numpy as np  # noqa: E402
import onnx  # noqa: E402

from make_models import NETWORKS, make  # noqa: E402


def call_of(who, path, batch, threads, hint):
    if who == ORT:
        return measure.ort_call(path, batch, threads)
    return measure.openvino_call(path, batch, threads, hint or None)


# ---- models ----

class Models:
    """ONNX files of one folder, made when they are asked for."""

    def __init__(self, folder, mixdown):
        self.folder, self.mixdown = folder, mixdown

    def __call__(self, network, precision, batch):
        path = self.folder / f"{network}_{precision}_b{batch}.onnx"
        if not path.exists() and precision == "f32":
            make(network, batch, path)
        elif not path.exists():
            data = self.folder / f"{network}.npy"
            np.save(data, np.random.default_rng(1).uniform(-1, 1, (max(batch, 2), *NETWORKS[network][1])).astype(np.float32))
            backends = "tensorrt" if precision == "int8_signed" else f"{ORT},{OV}"
            self.mixdown("quantize", self(network, "f32", batch), "--precision", "w8a8", "--data", f"npy:{data}", "--for", backends, "-o", path, "--quiet")
        return path

    def nothing(self):
        path = self.folder / "nothing.onnx"
        value = lambda name: onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 1])
        graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "nothing", [value("x")], [value("y")])
        onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8), path)
        return path


# ---- memory ----

def peak_of(argv):
    """The most megabytes that a process held, by its own account in /proc while it runs."""
    peak, process = 0, subprocess.Popen([str(a) for a in argv], stdout=subprocess.DEVNULL)
    while process.poll() is None:
        try:
            with open(f"/proc/{process.pid}/status") as f:
                peak = max([peak, *(int(line.split()[1]) for line in f if line.startswith("VmHWM"))])
        except OSError:
            pass
        time.sleep(0.005)
    if process.returncode:
        sys.exit(f"{' '.join(map(str, argv))}: exit code {process.returncode}")
    return peak / 1024


def memory_of_peer(who, path, batch, threads, hint):
    return peak_of([sys.executable, __file__, "--threads", threads, "--memory-of", who, path, batch, hint])


def memory_of_ours(mixdown, engine, batch, threads):
    return peak_of([mixdown.path, "bench", engine, "--batch", batch, "--threads", threads, "--warmUp", 300, "--duration", 0, "--iterations", 3])


# ---- one row ----

class Bench:
    """All rows with one number of threads."""

    def __init__(self, mixdown, models, threads):
        self.mixdown, self.models, self.threads = mixdown, models, threads
        nothing = models.nothing()
        self.cost = {who: measure.time_call(call_of(who, nothing, 1, threads, "")) for who in (ORT, OV)}
        self.idle = {who: memory_of_peer(who, nothing, 1, threads, "") for who in (ORT, OV)}
        self.idle["mixdown"] = memory_of_ours(mixdown, nothing, 1, threads)

    def build(self, network, precision, batch):
        engine = self.models.folder / f"{network}_{precision}_b{batch}_{self.threads}t.mxd"
        options = ["--precision", "bf16"] if precision == "bf16" else []
        model = self.models(network, "f32" if precision == "bf16" else precision, batch)
        self.mixdown("build", model, "-o", engine, "--batch", batch, "--threads", self.threads, *options)
        return engine

    def measure(self, name, network, precision, batch, peers):
        engine = self.build(network, precision, batch)
        files = [self.models(network, p, batch) for _, p, _ in peers]
        calls = [call_of(who, path, batch, self.threads, hint) for path, (who, _, hint) in zip(files, peers)]
        rounds = []
        for _ in range(args.rounds):
            ours = self.mixdown.time(engine, batch, self.threads)
            rounds.append([ours, *(measure.time_call(call) - self.cost[who] for call, (who, _, _) in zip(calls, peers)),
                           self.mixdown.time(engine, batch, 1) if self.threads > 1 else ours])
        del calls
        rows = [self.row(name, "mixdown", precision, [r[0] for r in rounds], memory_of_ours(self.mixdown, engine, batch, self.threads))]
        for column, values in (("ahead", [min(r[1:-1]) / r[0] for r in rounds]), ("scaling", [r[-1] / r[0] for r in rounds])):
            if column == "ahead" or self.threads > 1:
                rows[0].update(zip((column, f"{column}_low", f"{column}_high"), (f"{v:.3f}" for v in (statistics.median(values), *measure.interval(values)))))
        for k, (path, (who, p, hint)) in enumerate(zip(files, peers)):
            memory = memory_of_peer(who, path, batch, self.threads, hint)
            rows.append(self.row(name, who, f"{p} in {hint}" if hint and hint != p else p, [r[1 + k] for r in rounds], memory))
        return rows

    def row(self, name, engine, settings, times, memory):
        low, high = measure.interval(times)
        return {"row": name, "threads": str(self.threads), "engine": engine, "settings": settings, "rounds": str(len(times)), "median_ms": f"{statistics.median(times):.4f}",
                "ci95_low_ms": f"{low:.4f}", "ci95_high_ms": f"{high:.4f}", "memory_mb": f"{max(0.0, memory - self.idle[engine]):.1f}"}


# ---- results ----

def read_rows():
    if not CSV.exists():
        return []
    with open(CSV, newline="") as f:
        return [r for r in csv.DictReader(f) if r.get("row") in NAMES]


def write_rows(new):
    """New rows take the place of those of the same network and threads."""
    done = {(r["row"], r["threads"]) for r in new}
    rows = [*new, *(r for r in read_rows() if (r["row"], r["threads"]) not in done)]
    rows.sort(key=lambda r: (int(r["threads"]), NAMES.index(r["row"])))  # stable: engines stay in the order of measuring
    with open(CSV, "w", newline="") as f:
        writer = csv.DictWriter(f, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return rows


def cell(rows, who):
    """The fastest of an engine's settings."""
    mine = sorted((r for r in rows if r["engine"] == who), key=lambda r: float(r["median_ms"]))
    return (f"{float(mine[0]['median_ms']):.4g}" + (f" ({mine[0]['settings']})" if len(mine) > 1 else ""), mine[0]["memory_mb"]) if mine else ("", "")


def table(rows):
    yield "| network, precision, batch | threads | mixdown ms | ONNX Runtime ms | OpenVINO ms | best peer / mixdown | 1 thread / these | MB: mixdown | ONNX Runtime | OpenVINO |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for key in dict.fromkeys((r["row"], r["threads"]) for r in rows):
        group = [r for r in rows if (r["row"], r["threads"]) == key]
        ours, (ort, ort_mb), (ov, ov_mb) = group[0], cell(group, ORT), cell(group, OV)
        interval = lambda c: f"{float(ours[c]):.2f} [{float(ours[c + '_low']):.2f}, {float(ours[c + '_high']):.2f}]" if ours.get(c) else ""
        yield (f"| {key[0].replace('-', ', ')} | {key[1]} | {float(ours['median_ms']):.4g} [{float(ours['ci95_low_ms']):.4g}, {float(ours['ci95_high_ms']):.4g}] | {ort} | {ov} | "
               f"{interval('ahead')} | {interval('scaling')} | {ours['memory_mb']} | {ort_mb} | {ov_mb} |")


def write_page(rows):
    text = PAGE.read_text()
    peers = " and ".join(name for name in measure.PEERS)
    head = (f"Measured on {measure.cpu_name()} beside {peers} from pip, medians of up to {max(int(r['rounds']) for r in rows)} interleaved rounds, in brackets the interval that "
            "holds the median in 19 of 20 cases. Weights are random: only speed means anything. A peer's fastest settings are shown; peers run u8 activations, "
            "all optimizations, OpenVINO with the latency hint and one stream. What a call from Python costs is taken off their times. Memory: the peak of the "
            "process less that of an idle one.")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text("\n".join([before.rstrip("\n"), "", BEGIN, head, "", *table(rows), END]) + (after or "\n"))


def main():
    mixdown = measure.Program(args.mixdown)
    if len(THREADS) > 1:  # a process for each, since peers make their threads once
        for threads in THREADS:
            options = ["--models", args.models] if args.models else []
            subprocess.run([sys.executable, __file__, "--mixdown", args.mixdown, "--threads", str(threads), "--rounds", str(args.rounds), *options, *args.rows], check=True)
        return
    with tempfile.TemporaryDirectory(prefix="mixdown-peers-") as folder:
        keep = pathlib.Path(args.models or folder)
        keep.mkdir(parents=True, exist_ok=True)
        bench = Bench(mixdown, Models(keep, mixdown), THREADS[0])
        for name, row in zip(NAMES, ROWS):
            if args.rows and name not in args.rows:
                continue
            rows = bench.measure(name, *row)
            print(f"{name} {THREADS[0]}T  " + "  ".join(f"{r['engine']} {r['settings']} {r['median_ms']} ms {r['memory_mb']} MB" for r in rows) +
                  f"  best peer / mixdown {rows[0]['ahead']} [{rows[0]['ahead_low']}, {rows[0]['ahead_high']}]", flush=True)
            write_page(write_rows(rows))


if args.memory_of:
    who, path, batch, hint = args.memory_of
    measure.time_call(call_of(who, path, int(batch), THREADS[0], hint), 0.2)
else:
    main()
