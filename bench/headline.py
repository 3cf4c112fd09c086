#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""NNI's two published mixed-precision experiments, done again: headline.py [--mnist DIR] [--cifar10 DIR] [options].

Each network is trained in 32 bit from new weights, and from there quantization-aware, mixed and all 8 bit, with recipes in NNI's own form
(bench/headline/). Engines of the three are timed in turns with ONNX Runtime, and with OpenVINO where it is installed, on the same files;
they are audited, and read the test set once, at the end. Prints a table per network with NNI's published row beside ours; writes
headline.csv and headline.svg into --output. Trained networks are kept in --cache under a key of what made them; interrupted training
continues where it was. Exit code 1 if an engine does not run as asked. Needs pip's numpy, onnx and onnxruntime.
"""
import argparse
import csv
import hashlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

import chart
import image_sets
from measure import PEER, PEERS, Program, cpu_name, interval, time_call

ROOT = pathlib.Path(__file__).resolve().parent.parent
BITS = ("weight", "act", "op", "layer")
# What NNI's documentation gives for "one GTX2080" (v2.2 to v2.10, speedup of mixed precision): ms, top-1, "average bit".
EXPERIMENTS = {
    "mnist": {"title": "NNI's MNIST network", "nni_data": "MNIST", "epochs": 6, "quantized_epochs": 2, "options": [], "augment": [],
              "nni": {"f32": (1.199961, 0.96, 32), "mixed": (0.753688, 0.96, 20.4), "int8": (0.229869, 0.937, 8)}},
    "resnet18": {"title": "NNI's ResNet18", "nni_data": "CIFAR-10, one epoch", "epochs": 4, "quantized_epochs": 1, "options": ["--batch", "128", "--lr", "0.1"], "augment": ["--augment", "crop,flip"],
                 "nni": {"f32": (3.286268, 0.5421, 32), "mixed": (1.358022, 0.5478, 11.55), "int8": (0.859139, 0.5281, 8)}},
}
STRATEGIES = {"f32": "all 32 bit", "mixed": "mixed", "int8": "all 8 bit"}


def arguments():
    parser = argparse.ArgumentParser(description="NNI's two published mixed-precision experiments, done again")
    parser.add_argument("--mixdown", default=ROOT / "build/mixdown", metavar="PROGRAM")
    parser.add_argument("--mnist", metavar="DIR", help="MNIST's four files (default: Debian's Fashion-MNIST)")
    parser.add_argument("--cifar10", metavar="DIR", help="CIFAR-10's binary batches; without them ResNet18 is left out")
    parser.add_argument("--epochs", type=int, help="of training in 32 bit, and at most so many quantized ones")
    parser.add_argument("--samples", type=int, help="train on the first so many only")
    parser.add_argument("--rounds", type=int, default=15, help="of timing (default: 15)")
    parser.add_argument("--batch", type=int, default=128, help="of the engines (default: 128, as NNI's)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of ours and the peer's (default: all)")
    parser.add_argument("--cache", type=pathlib.Path, default=ROOT / "build/headline", metavar="DIR")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "bench/results", metavar="DIR")
    return parser.parse_args()


args = arguments()
mixdown = Program(args.mixdown)
VERSION = subprocess.run([mixdown.path, "--version"], capture_output=True, text=True).stdout.strip()


def say(line):
    print(f"headline: {line}", file=sys.stderr, flush=True)


def recipe_of(name, strategy):
    own = ROOT / f"bench/headline/{name}_{strategy}.json"
    return own if own.exists() else ROOT / f"bench/headline/{strategy}.json"


def trained(name, strategy, net, images, epochs, options, recipe=None):
    """The trained network and what training told, from the cache or made now."""
    made_by = [VERSION, hashlib.sha256(net.read_bytes()).hexdigest(), images.digest, epochs, options, recipe and recipe.read_text()]
    key = hashlib.sha256(json.dumps(made_by).encode()).hexdigest()[:16]
    folder = args.cache / f"{name}-{strategy}-{key}"
    out, told = folder / "net.onnx", folder / "train.json"
    if not told.exists():
        say(f"{name}, {STRATEGIES[strategy]}: training, {epochs} x {images.n_train} images ...")
        folder.mkdir(parents=True, exist_ok=True)
        result = mixdown("train", net, "-o", out, "--data", images.train, "--eval", images.kept, "--epochs", epochs, "--threads", args.threads, *options,
                         *(["--recipe", recipe] if recipe else ["--init", "kaiming"]))
        (folder / "train.tmp").write_text(json.dumps({"made_by": made_by, **result}, indent=1))
        (folder / "train.tmp").rename(told)
    return out, json.loads(told.read_text())


def train_all(name, images, folder):
    """Strategy -> (network, what training told)."""
    experiment, start = EXPERIMENTS[name], folder / f"{name}.onnx"
    subprocess.run([sys.executable, ROOT / "tools/make_networks.py", name, start], check=True)
    epochs = args.epochs or experiment["epochs"]
    nets = {"f32": trained(name, "f32", start, images, epochs, experiment["options"] + experiment["augment"])}
    for strategy in ("mixed", "int8"):
        nets[strategy] = trained(name, strategy, nets["f32"][0], images, min(epochs, experiment["quantized_epochs"]), experiment["augment"], recipe_of(name, strategy))
    return nets


def prepare(name, strategy, nets, images, folder):
    """Builds and audits one engine; bits by the recipe; the files that ONNX Runtime may run for the same."""
    net, engine, for_peer = nets[strategy][0], folder / f"{name}-{strategy}.mxd", folder / f"{name}-{strategy}-for-onnxruntime.onnx"
    asked = ["--precision", "f32"] if strategy == "f32" else ["--recipe", recipe_of(name, strategy), "--data", f"{images.train.rpartition(',')[0]},subset=512"]
    bits = mixdown("quantize", nets["f32"][0], *asked, "-o", folder / "bits.onnx")["average_bits"]
    files = {"same": net}
    if strategy != "f32":  # it fuses more where quantizers stand as it wants them
        mixdown("quantize", nets["f32"][0], *asked, "--for", "onnxruntime", "-o", for_peer)
        files["quantize --for onnxruntime"] = for_peer
    size = mixdown("build", net, "-o", engine, "--batch", args.batch)["bytes"]
    audit = mixdown("audit", engine, ok=(0, 1))
    return {"engine": engine, "files": files, "bits": bits, "bytes": size, "mismatches": audit["mismatches"]}


def time_in_turns(engines):
    """Strategy -> who -> milliseconds of each round, where who is `ours` or a peer: with the faster of its files."""
    calls = {(s, peer, file): make(path, args.batch, args.threads) for s, e in engines.items() for file, path in e["files"].items() for peer, make in PEERS.items()}
    ours, theirs = {s: [] for s in engines}, {key: [] for key in calls}
    for _ in range(args.rounds):
        for s, e in engines.items():
            ours[s].append(mixdown.time(e["engine"], args.batch, args.threads))
        for key, call in calls.items():
            theirs[key].append(time_call(call))
    best = lambda s, peer: min((v for (a, b, _), v in theirs.items() if (a, b) == (s, peer)), key=statistics.median)
    return {s: {"ours": ours[s], **{peer: best(s, peer) for peer in PEERS}} for s in engines}


def spread(prefix, values, unit):
    """Three columns: the median and the ends of its interval."""
    low, high = interval(values)
    return {f"{prefix}{unit}": statistics.median(values), f"{prefix}_low{unit}": low, f"{prefix}_high{unit}": high}


def ratios(over, under):
    return [a / b for a, b in zip(over, under)]


def row(name, strategy, images, engine, told, times, cpu):
    """One line of the CSV."""
    experiment, mine = EXPERIMENTS[name], times[strategy]
    accuracy = mixdown("eval", engine["engine"], "--data", images.test)
    peer = min(PEERS, key=lambda p: statistics.median(times["f32"][p]))
    nni_ms, nni_top1, nni_bits = experiment["nni"][strategy]
    return {"network": name, "data": images.name, "strategy": STRATEGIES[strategy], "batch": args.batch, "threads": args.threads, "rounds": args.rounds, "cpu": cpu,
            **{f"avg_{k}_bits": engine["bits"][f"avg_{k}_bits"] for k in BITS}, "engine_bytes": engine["bytes"], **spread("median", mine["ours"], "_ms"),
            **spread("speedup_over_own_f32", ratios(times["f32"]["ours"], mine["ours"]), ""), "best_peer": peer,
            **spread("speedup_over_best_peer_f32", ratios(times["f32"][peer], mine["ours"]), ""),
            "top1": accuracy["top1"], "top1_stderr": accuracy["top1_stderr"], "test_images": accuracy["samples"], "train_images": images.n_train,
            "epochs": len(told["epochs"]), "kept_top1_after_epoch_1": told["epochs"][0]["top1"], "audit_mismatches": engine["mismatches"],
            **spread("best_peer", mine[peer], "_ms"), "best_peer_speedup": statistics.median(ratios(times["f32"][peer], mine[peer])),
            "onnxruntime": PEER, **spread("onnxruntime", mine[PEER], "_ms"),
            "nni_ms": nni_ms, "nni_speedup": experiment["nni"]["f32"][0] / nni_ms, "nni_top1": nni_top1, "nni_avg_bits": nni_bits}


def print_table(name, rows, images, nets, cpu):
    experiment, first = EXPERIMENTS[name], rows[0]
    percent = lambda x: f"{100 * x:.2f} %"
    lines = [("", lambda r: r["strategy"]),
             *((f"avg_{k}_bits", lambda r, k=k: f"{r[f'avg_{k}_bits']:.2f}") for k in BITS),
             ("size of the engine", lambda r: f"{r['engine_bytes'] / 1024:.0f} KiB"),
             ("latency in ms, 95 % interval", lambda r: f"{r['median_ms']:.3f} [{r['median_low_ms']:.3f}, {r['median_high_ms']:.3f}]"),
             ("speed-up over mixdown f32", lambda r: f"{r['speedup_over_own_f32']:.2f}x"),
             (f"speed-up over {first['best_peer']} f32", lambda r: f"{r['speedup_over_best_peer_f32']:.2f}x"),
             (f"top-1 of {first['test_images']:,} test images", lambda r: f"{percent(r['top1'])} +- {100 * r['top1_stderr']:.2f}"),
             ("audit", lambda r: f"{r['audit_mismatches']} mismatches" if r["audit_mismatches"] else "as asked"),
             *([(f"{first['best_peer']}, ms", lambda r: f"{r['best_peer_ms']:.3f}")] if first["best_peer"] != PEER else []),
             (f"{PEER}, ms", lambda r: f"{r['onnxruntime_ms']:.3f}"),
             (f'NNI, "one GTX2080", {experiment["nni_data"]}: ms', lambda r: f"{r['nni_ms']:.3f}"),
             ("  speed-up over its fp32", lambda r: f"{r['nni_speedup']:.2f}x"),
             ("  top-1", lambda r: percent(r["nni_top1"])),
             ('  "average bit"', lambda r: f"{r['nni_avg_bits']:g}")]
    table = [[head, *map(cell, rows)] for head, cell in lines]
    widths = [max(len(cells[c]) for cells in table) for c in range(len(table[0]))]
    print(f"\n{experiment['title']} on {images.name}: batch {first['batch']}, {first['threads']} threads, {cpu}, {first['rounds']} rounds in turns\n")
    for cells in table:
        print("  ".join(cell.ljust(w) for cell, w in zip(cells, widths)).rstrip())
    print(f"\ntrained on {images.n_train:,} images; top-1 of {images.n_kept:,} others after each epoch:")
    for strategy, (_, told) in nets.items():
        after = ", ".join(f"{100 * e['top1']:.2f}" for e in told["epochs"])
        print(f"  {STRATEGIES[strategy]:<12}{after} %, {told['seconds']:.0f} s")


LEGEND = """
avg_*_bits are defined in docs/recipe.md. +- is a standard error. Other engines run the very same file, or what `mixdown quantize --for onnxruntime`
makes of the 32-bit network with the same recipe: whichever is faster for them. The best of them at 32 bit is named beside the speed-up."""


def main():
    sets = {"mnist": image_sets.mnist(args.mnist, args.samples)}
    if args.cifar10:
        sets["resnet18"] = image_sets.cifar10(args.cifar10, args.samples)
    cpu = next((b["description"] for b in mixdown("backends")["backends"] if b["name"] == "cpu"), cpu_name())
    args.cache.mkdir(parents=True, exist_ok=True)
    folder, tables = pathlib.Path(tempfile.mkdtemp(prefix="work-", dir=args.cache)), []
    try:
        for name, images in sets.items():
            nets = train_all(name, images, folder)
            engines = {s: prepare(name, s, nets, images, folder) for s in STRATEGIES}
            say(f"{name}: {args.rounds} rounds of timing ...")
            times = time_in_turns(engines)
            rows = [row(name, s, images, engines[s], nets[s][1], times, cpu) for s in STRATEGIES]
            print_table(name, rows, images, nets, cpu)
            tables.append((f"{EXPERIMENTS[name]['title']}, {images.name}", rows))
    finally:
        shutil.rmtree(folder)
    print(LEGEND)
    if not args.cifar10:
        print("\nResNet18 is left out: it needs CIFAR-10's binary batches, `make headline CIFAR10=DIR`")
    args.output.mkdir(parents=True, exist_ok=True)
    with open(args.output / "headline.csv", "w", newline="") as f:
        rows = [r for _, rows in tables for r in rows]
        writer = csv.DictWriter(f, rows[0].keys())
        writer.writeheader()
        writer.writerows({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in r.items()} for r in rows)
    (args.output / "headline.svg").write_text(chart.draw(tables, cpu))
    sys.exit(1 if any(r["audit_mismatches"] for r in rows) else 0)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
