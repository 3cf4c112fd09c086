#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Networks of fixed batch with random weights, in float, for timing: make_models.py NETWORK BATCH FILE.onnx.

Speed does not depend on the weights' values; accuracy is measured on trained networks elsewhere. NETWORKS below names them.
"""
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save


class Net:
    """A graph that grows node by node; methods give the name of what they made. Weights are He-scaled noise."""

    def __init__(self, shape):
        self.rng, self.nodes, self.constants, self.shape = np.random.default_rng(0), [], [], list(shape)

    def constant(self, array):
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), f"c{len(self.constants)}"))
        return self.constants[-1].name

    def noise(self, shape, scale):
        return self.constant((self.rng.standard_normal(shape) * scale).astype(np.float32))

    def op(self, kind, *inputs, name=None, **attributes):
        name = name or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [f"{name}_out"], name=name, **attributes))
        return f"{name}_out"

    def activate(self, x, how):
        if how == "relu6":
            return self.op("Clip", x, self.constant(np.float32(0)), self.constant(np.float32(6)))
        return self.op("Relu", x) if how else x

    def conv(self, x, name, c_in, c_out, kernel, stride=1, pads=None, group=1, act="relu"):
        w = self.noise((c_out, c_in // group, kernel, kernel), np.sqrt(2 / (c_in // group * kernel * kernel)))
        pads = [kernel // 2] * 4 if pads is None else pads
        y = self.op("Conv", x, w, self.noise(c_out, 0.1), name=name, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=pads, group=group)
        return self.activate(y, act)

    def max_pool(self, x, kernel, stride, pad=0):
        return self.op("MaxPool", x, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4)

    def gemm(self, x, name, n_in, n_out, act=None):
        return self.activate(self.op("Gemm", x, self.noise((n_out, n_in), np.sqrt(2 / n_in)), self.noise(n_out, 0.1), name=name, transB=1), act)

    def classify(self, x, c_in, classes):
        return self.gemm(self.op("Flatten", self.op("GlobalAveragePool", x)), "fc", c_in, classes)

    def save(self, y, path):
        value = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        graph = helper.make_graph(self.nodes, "net", [value("x", self.shape)], [value(y, None)], self.constants)
        save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def basic_blocks(net, x):
    """The body of ResNet18."""
    channels = 64
    for stage, width in enumerate((64, 128, 256, 512)):
        for k in range(2):
            stride, name = 2 if stage and k == 0 else 1, f"layer{stage + 1}.{k}"
            y = net.conv(net.conv(x, f"{name}.conv1", channels, width, 3, stride), f"{name}.conv2", width, width, 3, act=None)
            if stride != 1:
                x = net.conv(x, f"{name}.shortcut", channels, width, 1, stride, pads=[0] * 4, act=None)
            x, channels = net.op("Relu", net.op("Add", y, x)), width
    return net.classify(x, 512, 10)


def resnet18_cifar(net):
    """3x3 stem, no max-pool."""
    return basic_blocks(net, net.conv("x", "stem", 3, 64, 3))


def resnet18_pool(net):
    """3x3 stem and a max-pool, as in NNI's experiment on CIFAR-10."""
    return basic_blocks(net, net.max_pool(net.conv("x", "stem", 3, 64, 3), 3, 2, 1))


def resnet50(net):
    x, channels = net.max_pool(net.conv("x", "stem", 3, 64, 7, 2), 3, 2, 1), 64
    for stage, (width, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
        for k in range(blocks):
            stride, name = 2 if stage and k == 0 else 1, f"layer{stage + 1}.{k}"
            y = net.conv(net.conv(x, f"{name}.conv1", channels, width, 1), f"{name}.conv2", width, width, 3, stride)
            y = net.conv(y, f"{name}.conv3", width, 4 * width, 1, act=None)
            if k == 0:
                x = net.conv(x, f"{name}.shortcut", channels, 4 * width, 1, stride, pads=[0] * 4, act=None)
            x, channels = net.op("Relu", net.op("Add", y, x)), 4 * width
    return net.classify(x, 2048, 1000)


def inverted_residuals(net, stages, stem_pads=None):
    """Rows of `stages`: expansion, kernel, channels, blocks, stride."""
    x, channels, k = net.conv("x", "stem", 3, 32, 3, 2, pads=stem_pads, act="relu6"), 32, 0
    for expand, kernel, c_out, blocks, stride in stages:
        for block in range(blocks):
            step, hidden, y, name = stride if block == 0 else 1, channels * expand, x, f"block{k}"
            if expand > 1:
                y = net.conv(y, f"{name}.expand", channels, hidden, 1, act="relu6")
            y = net.conv(y, f"{name}.depthwise", hidden, hidden, kernel, step, group=hidden, act="relu6")
            y = net.conv(y, f"{name}.project", hidden, c_out, 1, act=None)
            x = net.op("Add", x, y) if step == 1 and channels == c_out else y
            channels, k = c_out, k + 1
    return net.classify(net.conv(x, "head", channels, 1280, 1, act="relu6"), 1280, 1000)


def mobilenet_v2(net):
    return inverted_residuals(net, ((1, 3, 16, 1, 1), (6, 3, 24, 2, 2), (6, 3, 32, 3, 2), (6, 3, 64, 4, 2), (6, 3, 96, 3, 1), (6, 3, 160, 3, 2), (6, 3, 320, 1, 1)))


def efficientnet_lite0(net):
    return inverted_residuals(net, ((1, 3, 16, 1, 1), (6, 3, 24, 2, 2), (6, 5, 40, 2, 2), (6, 3, 80, 3, 2), (6, 5, 112, 3, 1), (6, 5, 192, 4, 2), (6, 3, 320, 1, 1)),
                              [0, 0, 1, 1])


def lenet5(net):
    x = net.max_pool(net.conv("x", "conv1", 1, 6, 5), 2, 2)
    x = net.op("Flatten", net.max_pool(net.conv(x, "conv2", 6, 16, 5, pads=[0] * 4), 2, 2))
    return net.gemm(net.gemm(net.gemm(x, "fc1", 400, 120, "relu"), "fc2", 120, 84, "relu"), "fc3", 84, 10)


def nni_mnist(net):
    """The network of NNI's experiment on MNIST."""
    x = net.max_pool(net.conv("x", "conv1", 1, 20, 5, pads=[0] * 4, act="relu6"), 2, 2)
    x = net.op("Flatten", net.max_pool(net.conv(x, "conv2", 20, 50, 5, pads=[0] * 4, act="relu6"), 2, 2))
    return net.gemm(net.gemm(x, "fc1", 800, 500, "relu6"), "fc2", 500, 10)


def bert_4l(net, layers=4, heads=12):
    """An encoder as BERT-base's, four of its layers, 128 tokens that are embedded already."""
    batch, tokens, width = net.shape
    split, joined = (net.constant(np.array(s, np.int64)) for s in ((batch, tokens, heads, width // heads), (batch, tokens, width)))

    def linear(x, name, n_in, n_out):
        y = net.op("MatMul", x, net.noise((n_in, n_out), np.sqrt(1 / n_in)), name=name)
        return net.op("Add", y, net.noise(n_out, 0.1))

    def norm(x):
        return net.op("LayerNormalization", x, net.constant(np.ones(width, np.float32)), net.constant(np.zeros(width, np.float32)), axis=-1, epsilon=1e-12)

    def gelu(x):
        half = net.op("Mul", x, net.constant(np.float32(0.5)))
        return net.op("Mul", half, net.op("Add", net.op("Erf", net.op("Div", x, net.constant(np.float32(np.sqrt(2))))), net.constant(np.float32(1))))

    x = "x"
    for k in range(layers):
        q, key, v = (net.op("Transpose", net.op("Reshape", linear(x, f"layer{k}.{n}", width, width), split), perm=p)
                     for n, p in (("query", [0, 2, 1, 3]), ("key", [0, 2, 3, 1]), ("value", [0, 2, 1, 3])))
        score = net.op("Mul", net.op("MatMul", q, key, name=f"layer{k}.scores"), net.constant(np.float32((width // heads) ** -0.5)))
        y = net.op("MatMul", net.op("Softmax", score, axis=-1), v, name=f"layer{k}.context")
        y = linear(net.op("Reshape", net.op("Transpose", y, perm=[0, 2, 1, 3]), joined), f"layer{k}.attention", width, width)
        x = norm(net.op("Add", x, y))
        x = norm(net.op("Add", x, linear(gelu(linear(x, f"layer{k}.up", width, 4 * width)), f"layer{k}.down", 4 * width, width)))
    return x


# name -> (maker, shape of a sample)
NETWORKS = {
    "resnet18_cifar": (resnet18_cifar, (3, 32, 32)),
    "resnet18_pool": (resnet18_pool, (3, 32, 32)),
    "nni_mnist": (nni_mnist, (1, 28, 28)),
    "lenet5": (lenet5, (1, 28, 28)),
    "resnet50": (resnet50, (3, 224, 224)),
    "mobilenet_v2": (mobilenet_v2, (3, 224, 224)),
    "efficientnet_lite0": (efficientnet_lite0, (3, 224, 224)),
    "bert_4l": (bert_4l, (128, 768)),
}


def make(name, batch, path):
    maker, sample = NETWORKS[name]
    net = Net((batch, *sample))
    net.save(maker(net), str(path))


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in NETWORKS or not sys.argv[2].isdecimal():
        sys.exit(f"usage: make_models.py NETWORK BATCH FILE.onnx; NETWORK: {' '.join(NETWORKS)}")
    make(sys.argv[1], int(sys.argv[2]), sys.argv[3])
