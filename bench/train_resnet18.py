#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""NNI's ResNet18 trained for longer than one epoch: train_resnet18.py --cifar10 DIR [options].

New weights, SGD with a cosine rate, label smoothing, crops and mirroring; the last 1000 training images are kept to evaluate on, and
the test images are read once, at the end. With --minutes it stops by itself, saves, and ends with 130; the same command again goes on
from there, to the bits that one uninterrupted run gives. FOLDER/log.jsonl has a line of JSON for what is trained, one for each epoch,
and one for the test images. Needs pip's numpy and onnx.
"""
import argparse
import json
import pathlib
import signal
import subprocess
import sys

import image_sets

ROOT = pathlib.Path(__file__).resolve().parent.parent


def arguments():
    parser = argparse.ArgumentParser(description="NNI's ResNet18 trained for longer than one epoch", formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--mixdown", default=ROOT / "build/mixdown", metavar="PROGRAM")
    parser.add_argument("--cifar10", required=True, metavar="DIR", help="CIFAR-10's binary batches")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build/resnet18", help="network, checkpoint and log go there")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--samples", type=int, help="use the first so many only")
    parser.add_argument("--minutes", type=float, help="save and stop after so long")
    return parser.parse_args()


def start(args, images):
    """The network without weights and the first line of the log, unless an earlier call left them."""
    args.folder.mkdir(parents=True, exist_ok=True)
    net, log = args.folder / "start.onnx", args.folder / "log.jsonl"
    told = {"network": "resnet18", "data": images.name, "train_images": images.n_train, "epochs": args.epochs, "batch": args.batch, "lr": args.lr,
            "label_smoothing": 0.1}
    if log.exists() and json.loads(log.read_text().partition("\n")[0]) != told:
        sys.exit(f"{log}: the log of another training: expected {json.dumps(told)}; name another --folder or remove this one")
    if not net.exists():
        subprocess.run([sys.executable, ROOT / "tools/make_networks.py", "resnet18", net], check=True)
    if not log.exists():
        log.write_text(json.dumps(told) + "\n")
    return net, log


def train(args, images, net, log):
    """Exit code of `mixdown train`: 0, or 130 when the time was up or Ctrl-C came."""
    command = [args.mixdown, "train", net, "-o", args.folder / "resnet18.onnx", "--init", "kaiming", "--data", images.train, "--eval", images.kept,
               "--epochs", args.epochs, "--batch", args.batch, "--lr", args.lr, "--label-smoothing", 0.1, "--augment", "crop,flip", "--log", log]
    with subprocess.Popen(list(map(str, command))) as training:
        while True:
            try:
                return training.wait(args.minutes and 60 * args.minutes)
            except subprocess.TimeoutExpired:
                training.send_signal(signal.SIGINT)
                args.minutes = None
            except KeyboardInterrupt:  # the terminal has told the program too
                pass


def main():
    args = arguments()
    images = image_sets.cifar10(args.cifar10, args.samples)
    net, log = start(args, images)
    if not (args.folder / "resnet18.onnx").exists():
        code = train(args, images, net, log)
        if code == 130:
            print("stopped and saved; the same command goes on", file=sys.stderr)
        if code:
            sys.exit(code)
    lines = log.read_text().splitlines()
    if "test_images" not in json.loads(lines[-1]):
        r = subprocess.run([args.mixdown, "eval", args.folder / "resnet18.onnx", "--data", images.test, "--json"], check=True, stdout=subprocess.PIPE, text=True)
        accuracy = json.loads(r.stdout)
        lines.append(json.dumps({"test_images": accuracy["samples"], "top1": round(accuracy["top1"], 6), "top1_stderr": round(accuracy["top1_stderr"], 6)}))
        log.write_text("\n".join(lines) + "\n")
    print(lines[-1])


if __name__ == "__main__":
    main()
