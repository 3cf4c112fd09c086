#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Float networks for bench/amx.sh, with random weights and of nothing but Python: amx_models.py FOLDER.

Chains of equal layers, so that what stands at their ends weighs little, and one small residual network. NAME.onnx
takes any batch; NAME.npy are two samples to calibrate with."""
import array
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/data"))
from tiny_onnx import FLOAT, field, model, node, npy, value  # noqa: E402

CHAIN = 6
rng = random.Random(0)


def floats(n, scale):
    """Multiples of scale/128 in [-scale, scale)."""
    return array.array("f", [(b - 128) * scale / 128 for b in rng.randbytes(n)])


def constant(name, dims, scale):
    size = 1
    for d in dims:
        size *= d
    raw = floats(size, scale).tobytes()
    return b"".join(field(1, d) for d in dims) + field(2, FLOAT) + field(8, name) + field(9, raw)


class Net:
    def __init__(self, shape):
        self.shape, self.nodes, self.constants = shape, [], []

    def layer(self, x, c_in, c_out, k, stride=1, relu=True):
        """A convolution, or with k = 0 a product, of unit gain."""
        name = f"layer{len(self.constants)}"
        dims = [c_out, c_in, k, k] if k else [c_in, c_out]
        self.constants.append(constant(name + ".weight", dims, (6 / (c_in * max(k, 1) ** 2)) ** 0.5))
        ends = [x, name + ".weight"], [name]
        if k:
            self.nodes.append(node("Conv", *ends, name, kernel_shape=[k, k], strides=[stride] * 2, pads=[k // 2] * 4))
        else:
            self.nodes.append(node("MatMul", *ends, name))
        return self.op("Relu", [name]) if relu else name

    def op(self, kind, inputs, **attributes):
        name = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(node(kind, inputs, [name], name, **attributes))
        return name

    def write(self, path, y, shape):
        self.nodes.append(node("Identity", [y], ["y"], "end"))
        ends = [value("x", FLOAT, ["N", *self.shape])], [value("y", FLOAT, ["N", *shape])]
        path.with_suffix(".onnx").write_bytes(model(self.nodes, *ends, self.constants))
        size = 2
        for d in self.shape:
            size *= d
        path.with_suffix(".npy").write_bytes(npy([2, *self.shape], floats(size, 1)))


def conv_chain(folder, c_in, c_out, k, side):
    net, y = Net([c_in, side, side]), "x"
    for _ in range(CHAIN // 2):
        y = net.layer(net.layer(y, c_in, c_out, k), c_out, c_in, k)
    net.write(folder / f"conv{k}x{k}-{c_in}-{c_out}-{side}", y, [c_in, side, side])


def product_chain(folder, rows, c_in, c_out):
    net, y = Net([rows, c_in]), "x"
    for _ in range(CHAIN // 2):
        y = net.layer(net.layer(y, c_in, c_out, 0), c_out, c_in, 0)
    net.write(folder / f"matmul-{rows}-{c_in}-{c_out}", y, [rows, c_in])


def residual(folder):
    """ResNet of three blocks for pictures of 32x32."""
    net = Net([3, 32, 32])
    y, c_in, side = net.layer("x", 3, 64, 3), 64, 32
    for c_out, stride in ((64, 1), (128, 2), (256, 2)):
        branch = net.layer(net.layer(y, c_in, c_out, 3, stride), c_out, c_out, 3, relu=False)
        short = y if stride == 1 else net.layer(y, c_in, c_out, 1, stride, relu=False)
        y, c_in, side = net.op("Relu", [net.op("Add", [branch, short])]), c_out, side // stride
    y = net.layer(net.op("Flatten", [net.op("GlobalAveragePool", [y])]), 256, 10, 0, relu=False)
    net.write(folder / "resnet10", y, [10])


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    conv_chain(folder, 64, 64, 3, 56)
    conv_chain(folder, 128, 128, 3, 28)
    conv_chain(folder, 256, 256, 3, 14)
    conv_chain(folder, 256, 64, 1, 56)
    conv_chain(folder, 96, 24, 1, 28)
    product_chain(folder, 128, 768, 768)
    product_chain(folder, 16, 512, 512)
    residual(folder)


main(pathlib.Path(sys.argv[1]))
