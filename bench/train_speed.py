#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Training beside PyTorch: images per second and peak memory of ResNet18 for CIFAR (make_models.py), SGD with momentum, in f32.

train_speed.py [--torch PYTHON] [--rounds N] [--threads N] [--batch N]. In each round one process of ours and one of PyTorch's for each
of its two memory layouts, in turns. Ours counts whole epochs, reading and shifting pictures included; PyTorch's the median step on one
batch that stays where it is. Memory is the largest resident size of the process. Writes bench/results/train_speed.csv. PYTHON is an
interpreter that can import torch; this one needs numpy and onnx.
"""
import argparse
import csv
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
TORCH = """
import statistics, sys, time, torch, torch.nn as nn, torch.nn.functional as F
layout, batch, threads, steps = getattr(torch, sys.argv[1]), *map(int, sys.argv[2:])
torch.set_num_threads(threads)
torch.manual_seed(0)

class Block(nn.Module):
    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.first, self.second = nn.Conv2d(c_in, c_out, 3, stride, 1), nn.Conv2d(c_out, c_out, 3, 1, 1)
        self.shortcut = nn.Conv2d(c_in, c_out, 1, stride) if stride > 1 or c_in != c_out else nn.Identity()
    def forward(self, x):
        return F.relu(self.second(F.relu(self.first(x))) + self.shortcut(x))

layers, channels = [nn.Conv2d(3, 64, 3, 1, 1), nn.ReLU()], 64
for width, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
    layers += [Block(channels, width, stride), Block(width, width, 1)]
    channels = width
net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10)).to(memory_format=layout)
optimizer = torch.optim.SGD(net.parameters(), 0.01, 0.9)
x, y = torch.randn(batch, 3, 32, 32).to(memory_format=layout), torch.randint(0, 10, (batch,))
times = []
for _ in range(steps):
    start = time.perf_counter()
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
    times.append(time.perf_counter() - start)
print(batch / statistics.median(times[1:]))
"""


def arguments():
    parser = argparse.ArgumentParser(description="Training beside PyTorch", formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--mixdown", default=ROOT / "build/mixdown", metavar="PROGRAM")
    parser.add_argument("--torch", default=sys.executable, metavar="PYTHON", help="an interpreter that can import torch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=128)
    return parser.parse_args()


def run(command):
    """What the process printed, and its largest resident size in MiB."""
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command[0]}: exit code {process.returncode}")
    return printed, usage.ru_maxrss / 1024


def pictures(path, count):
    """Random pictures in CIFAR-10's binary form."""
    records = np.random.default_rng(0).integers(0, 256, (count, 1 + 3 * 32 * 32), np.uint8)
    records[:, 0] %= 10
    records.tofile(path)


def ours(args, folder):
    data = f"cifar10:{folder}/pictures.bin,scale=1/255"
    printed, memory = run([args.mixdown, "train", folder / "net.onnx", "-o", folder / "out.onnx", "--data", f"{data},skip=32",
                           "--eval", f"{data},subset=32", "--init", "kaiming", "--epochs", 1, "--batch", args.batch, "--threads", args.threads,
                           "--augment", "crop,flip", "--json"])
    return json.loads(printed)["epochs"][-1]["images_per_second"], memory


def main():
    args, steps = arguments(), 6
    version = run([args.torch, "-c", "import torch; print(torch.__version__)"])[0].strip()
    layouts = ("channels_last", "contiguous_format")
    results = {who: [] for who in ("mixdown", *layouts)}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        pictures(folder / "pictures.bin", 32 + steps * args.batch)
        subprocess.run([sys.executable, ROOT / "bench/make_models.py", "resnet18_cifar", str(args.batch), folder / "net.onnx"], check=True)
        for _ in range(args.rounds):
            results["mixdown"].append(ours(args, folder))
            for layout in layouts:
                printed, memory = run([args.torch, "-c", TORCH, layout, args.batch, args.threads, steps])
                results[layout].append((float(printed), memory))
    rows = []
    for who, got in results.items():
        speed, memory = zip(*got)
        name = who if who == "mixdown" else f"PyTorch {version} {who}"
        rows.append({"engine": name, "batch": args.batch, "threads": args.threads, "rounds": args.rounds, "images_per_second": round(statistics.median(speed), 1),
                     "least": round(min(speed), 1), "most": round(max(speed), 1), "peak_mib": round(statistics.median(memory))})
        print(", ".join(f"{k} {v}" for k, v in rows[-1].items()))
    with open(ROOT / "bench/results/train_speed.csv", "w", newline="") as f:
        writer = csv.DictWriter(f, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
