#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains the demo network and writes data/fashion_mnist.onnx: NNI's MNIST network (5x5 convolutions of 20 and 50 channels, ReLU6
and 2x2 max-pooling behind each, fully connected layers of 500 and 10) on Fashion-MNIST.

    train_demo.py [--epochs N] [--data DIR] [-o FILE]

DIR holds Debian's dataset-fashion-mnist (default: where that package puts it). Nesterov SGD with a cosine rate; shifts of up to two
pixels and mirroring as augmentation; the weights of the last epoch are kept, so the test images choose nothing. Seeded, and on one
thread: the same torch on the same processor gives the same weights again, in some five minutes. Needs torch, numpy and onnx.
"""
import argparse
import gzip
import pathlib
import time

import numpy as np
import torch
from onnx import TensorProto, checker, helper, numpy_helper, save
from torch import nn
from torch.nn import functional as F

ROOT = pathlib.Path(__file__).resolve().parent.parent
BATCH, PEAK_RATE, WEIGHT_DECAY, SHIFT = 128, 0.05, 5e-4, 2


class Net(nn.Module):
    """Names are NNI's: a recipe written for its example names these layers."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 20, 5)
        self.conv2 = nn.Conv2d(20, 50, 5)
        self.fc1 = nn.Linear(800, 500)
        self.fc2 = nn.Linear(500, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu6(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu6(self.conv2(x)), 2)
        return self.fc2(F.relu6(self.fc1(x.flatten(1))))


def load(folder, part):
    """(N, 1, 28, 28) images scaled to 0..1, and (N) labels, from IDX files."""
    def idx(name, header):
        with gzip.open(folder / name, "rb") as f:
            return np.frombuffer(f.read(), np.uint8, offset=header)
    images = idx(f"{part}-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28).astype(np.float32) / np.float32(255)
    return torch.from_numpy(images), torch.from_numpy(idx(f"{part}-labels-idx1-ubyte.gz", 8).astype(np.int64))


def augment(x, rng):
    """Each image shifted by up to SHIFT pixels either way, half of them mirrored."""
    n, span = len(x), 2 * SHIFT + 1
    windows = F.pad(x, [SHIFT] * 4).squeeze(1).unfold(1, 28, 1).unfold(2, 28, 1)  # (n, span, span, 28, 28)
    dy, dx = torch.randint(0, span, (2, n), generator=rng)
    out = windows[torch.arange(n), dy, dx].unsqueeze(1)
    mirrored = torch.rand(n, generator=rng) < 0.5
    return torch.where(mirrored[:, None, None, None], out.flip(3), out)


@torch.no_grad()
def accuracy(net, x, y):
    return sum((net(a).argmax(1) == b).sum().item() for a, b in zip(x.split(1000), y.split(1000))) / len(y)


def train(net, x, y, epochs):
    rng = torch.Generator().manual_seed(1)
    steps = epochs * (len(x) // BATCH)
    optimizer = torch.optim.SGD(net.parameters(), PEAK_RATE, momentum=0.9, nesterov=True, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for epoch in range(epochs):
        start, losses = time.monotonic(), []
        for pick in torch.randperm(len(x), generator=rng).split(BATCH)[:len(x) // BATCH]:
            loss = F.cross_entropy(net(augment(x[pick], rng)), y[pick])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1}: loss {np.mean(losses):.4f}, {time.monotonic() - start:.0f} s", flush=True)


def export(net, path):
    """ONNX by hand: the ten nodes of the network, named after its modules, weights named as in state_dict."""
    def layer(op, x, name, y, **attributes):
        return helper.make_node(op, [x, f"{name}.weight", f"{name}.bias"], [y], name=name, **attributes)

    def relu6(x, name):
        return helper.make_node("Clip", [x, "zero", "six"], [name], name=name)

    def pool(x, name):
        return helper.make_node("MaxPool", [x], [name], name=name, kernel_shape=[2, 2], strides=[2, 2])

    nodes = [layer("Conv", "image", "conv1", "conv1_out", kernel_shape=[5, 5]), relu6("conv1_out", "relu1"), pool("relu1", "max_pool1"),
             layer("Conv", "max_pool1", "conv2", "conv2_out", kernel_shape=[5, 5]), relu6("conv2_out", "relu2"), pool("relu2", "max_pool2"),
             helper.make_node("Flatten", ["max_pool2"], ["flatten"], name="flatten"),
             layer("Gemm", "flatten", "fc1", "fc1_out", transB=1), relu6("fc1_out", "relu3"),
             layer("Gemm", "relu3", "fc2", "logits", transB=1)]
    constants = {name: tensor.contiguous().numpy() for name, tensor in net.state_dict().items()} | {"zero": np.float32(0), "six": np.float32(6)}
    graph = helper.make_graph(nodes, "fashion_mnist", [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, 28, 28])],
                              [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 10])],
                              [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8, producer_name="tools/train_demo.py")
    checker.check_model(model, full_check=True)
    save(model, path)


def main():
    parser = argparse.ArgumentParser(description="train the demo network on Fashion-MNIST")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("-o", "--output", type=pathlib.Path, default=ROOT / "data/fashion_mnist.onnx")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(0)
    net = Net().to(memory_format=torch.channels_last)
    train(net, *load(args.data, "train"), args.epochs)
    net.eval()
    print(f"test images {accuracy(net, *load(args.data, 't10k')):.4f}")
    export(net, args.output)


if __name__ == "__main__":
    main()
