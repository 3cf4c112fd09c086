#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains the demo network and writes data/fashion_mnist.onnx: NNI's MNIST network (two 5x5 convolutions of 20 and 50 channels with
ReLU6 and 2x2 max-pooling, fully connected layers of 500 and 10) on Fashion-MNIST, with numpy alone.

    train_demo.py [--epochs N] [--data DIR] [-o FILE]

DIR holds Debian's dataset-fashion-mnist (default: where that package puts it). Momentum SGD, cosine rate, shifts and mirroring as
augmentation; seeded, so that it gives the same weights again on the same numpy. Needs numpy and onnx.
"""
import argparse
import gzip
import pathlib

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=8)
parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
parser.add_argument("-o", "--output", default=str(pathlib.Path(__file__).resolve().parent.parent / "data/fashion_mnist.onnx"))
args = parser.parse_args()
rng = np.random.default_rng(0)
BATCH = 128


def idx(name, offset):
    path = pathlib.Path(args.data) / name
    opener = gzip.open if path.with_name(name + ".gz").exists() else open
    with opener(path.with_name(name + ".gz") if opener is gzip.open else path, "rb") as f:
        return np.frombuffer(f.read(), np.uint8)[offset:]


def images(part):
    x = idx(f"{part}-images-idx3-ubyte", 16).reshape(-1, 1, 28, 28).astype(np.float32) / np.float32(255)
    return x, idx(f"{part}-labels-idx1-ubyte", 8).astype(np.int64)


# ---- layers: forward gives what backward needs ----

def columns(x, k):
    """(N, C, H, W) -> (N*OH*OW, C*k*k)"""
    v = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))
    n, c, oh, ow = v.shape[:4]
    return np.ascontiguousarray(v.transpose(0, 2, 3, 1, 4, 5)).reshape(n * oh * ow, c * k * k), oh, ow


def conv(x, w, b):
    cols, oh, ow = columns(x, w.shape[2])
    y = cols @ w.reshape(len(w), -1).T + b
    return y.reshape(len(x), oh, ow, -1).transpose(0, 3, 1, 2), cols


def conv_back(dy, cols, w, x_shape, need_dx=True):
    flat = dy.transpose(0, 2, 3, 1).reshape(-1, len(w))
    dw, db = (flat.T @ cols).reshape(w.shape), flat.sum(0)
    if not need_dx:
        return None, dw, db
    k, (oh, ow) = w.shape[2], dy.shape[2:]
    d = (flat @ w.reshape(len(w), -1)).reshape(len(dy), oh, ow, w.shape[1], k, k)
    dx = np.zeros(x_shape, np.float32)
    for i in range(k):
        for j in range(k):
            dx[:, :, i : i + oh, j : j + ow] += d[..., i, j].transpose(0, 3, 1, 2)
    return dx, dw, db


def relu6(x):
    return np.clip(x, 0, 6), (x > 0) & (x < 6)


def pool(x):
    n, c, h, w = x.shape
    v = x.reshape(n, c, h // 2, 2, w // 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, c, h // 2, w // 2, 4)
    at = v.argmax(-1)
    return np.take_along_axis(v, at[..., None], -1)[..., 0], at


def pool_back(dy, at):
    n, c, h, w = dy.shape
    v = np.zeros((n, c, h, w, 4), np.float32)
    np.put_along_axis(v, at[..., None], dy[..., None], -1)
    return v.reshape(n, c, h, w, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, c, h * 2, w * 2)


def init(*shape):
    return (rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32)


P = {"conv1.weight": init(20, 1, 5, 5), "conv2.weight": init(50, 20, 5, 5), "fc1.weight": init(500, 800), "fc2.weight": init(10, 500)}
for name in list(P):
    P[name.replace("weight", "bias")] = np.zeros(len(P[name]), np.float32)


def forward(x):
    a1, c1 = conv(x, P["conv1.weight"], P["conv1.bias"])
    r1, m1 = relu6(a1)
    p1, i1 = pool(r1)
    a2, c2 = conv(p1, P["conv2.weight"], P["conv2.bias"])
    r2, m2 = relu6(a2)
    p2, i2 = pool(r2)
    f = p2.reshape(len(x), -1)
    r3, m3 = relu6(f @ P["fc1.weight"].T + P["fc1.bias"])
    return r3 @ P["fc2.weight"].T + P["fc2.bias"], (x, c1, m1, i1, p1, c2, m2, i2, p2.shape, f, r3, m3)


def gradients(x, y):
    logits, (x, c1, m1, i1, p1, c2, m2, i2, shape, f, r3, m3) = forward(x)
    e = np.exp(logits - logits.max(1, keepdims=True))
    prob = e / e.sum(1, keepdims=True)
    d = prob.copy()
    d[np.arange(len(y)), y] -= 1
    d /= len(y)
    G = {"fc2.weight": d.T @ r3, "fc2.bias": d.sum(0)}
    d = (d @ P["fc2.weight"]) * m3
    G["fc1.weight"], G["fc1.bias"] = d.T @ f, d.sum(0)
    d = pool_back((d @ P["fc1.weight"]).reshape(shape), i2) * m2
    d, G["conv2.weight"], G["conv2.bias"] = conv_back(d, c2, P["conv2.weight"], p1.shape)
    _, G["conv1.weight"], G["conv1.bias"] = conv_back(pool_back(d, i1) * m1, c1, P["conv1.weight"], x.shape, need_dx=False)
    return G, -np.log(prob[np.arange(len(y)), y] + 1e-12).mean()


def augmented(x):
    """Shifted by up to two pixels, half of them mirrored."""
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)))
    dy, dx, flip = rng.integers(0, 5, len(x)), rng.integers(0, 5, len(x)), rng.random(len(x)) < 0.5
    out = np.stack([padded[i, :, a : a + 28, b : b + 28] for i, (a, b) in enumerate(zip(dy, dx))])
    out[flip] = out[flip][..., ::-1]
    return out


def accuracy(x, y):
    return np.mean([np.mean(forward(x[k : k + 500])[0].argmax(1) == y[k : k + 500]) for k in range(0, len(x), 500)])


def train():
    x, y = images("train")
    kept_x, kept_y, x, y = x[55000:], y[55000:], x[:55000], y[:55000]
    velocity = {k: np.zeros_like(v) for k, v in P.items()}
    steps, step = args.epochs * (len(x) // BATCH), 0
    for epoch in range(args.epochs):
        order = rng.permutation(len(x))
        losses = []
        for k in range(0, len(x) - BATCH + 1, BATCH):
            rate = 0.05 * 0.5 * (1 + np.cos(np.pi * step / steps))
            G, loss = gradients(augmented(x[order[k : k + BATCH]]), y[order[k : k + BATCH]])
            for name, g in G.items():
                velocity[name] = 0.9 * velocity[name] + g + (5e-4 * P[name] if name.endswith("weight") else 0)
                P[name] -= (rate * velocity[name]).astype(np.float32)
            losses.append(loss)
            step += 1
        print(f"epoch {epoch + 1}: loss {np.mean(losses):.4f}, kept images {accuracy(kept_x, kept_y):.4f}", flush=True)


def export():
    node, value = helper.make_node, lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    layer = lambda op, x, name, y, **k: node(op, [x, f"{name}.weight", f"{name}.bias"], [y], name=name, **k)
    clip = lambda x, name: node("Clip", [x, "zero", "six"], [name], name=name)
    pooled = lambda x, name: node("MaxPool", [x], [name], name=name, kernel_shape=[2, 2], strides=[2, 2])
    nodes = [layer("Conv", "image", "conv1", "conv1_out", kernel_shape=[5, 5]), clip("conv1_out", "relu1"), pooled("relu1", "max_pool1"),
             layer("Conv", "max_pool1", "conv2", "conv2_out", kernel_shape=[5, 5]), clip("conv2_out", "relu2"), pooled("relu2", "max_pool2"),
             node("Flatten", ["max_pool2"], ["flatten"], name="flatten"), layer("Gemm", "flatten", "fc1", "fc1_out", transB=1), clip("fc1_out", "relu3"),
             layer("Gemm", "relu3", "fc2", "logits", transB=1)]
    initializers = [numpy_helper.from_array(v.astype(np.float32), k) for k, v in {**P, "zero": np.float32(0), "six": np.float32(6)}.items()]
    graph = helper.make_graph(nodes, "fashion_mnist", [value("image", ["N", 1, 28, 28])], [value("logits", ["N", 10])], initializers)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8, producer_name="tools/train_demo.py"), args.output)


train()
test_x, test_y = images("t10k")
print(f"test images {accuracy(test_x, test_y):.4f}")
export()
