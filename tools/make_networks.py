#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the two networks of NNI's published experiments without trained weights, for `mixdown train --init kaiming`.

    make_networks.py mnist|resnet18 FILE.onnx

mnist is NNI's MNIST network: 5x5 convolutions of 20 and 50 channels, ReLU6 and 2x2 max-pooling behind each, fully connected layers of
500 and 10. resnet18 is torchvision's ResNet18 for 32x32 pictures as NNI ran it: the first convolution is 3x3 with stride 1, the
max-pooling behind it stays, ten classes. Nodes are named after the modules, weights as in state_dict; the batch is symbolic. Every
weight is 0 and every normalization the identity. Needs numpy and onnx.
"""
import sys

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save


class Net:
    """Nodes and weights, in order. Every method returns the name of the value it makes."""

    def __init__(self):
        self.nodes, self.weights = [], []

    def constant(self, name, value, shape=()):
        self.weights.append(numpy_helper.from_array(np.full(shape, value, np.float32), name))
        return name

    def node(self, op, name, *inputs, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [f"{name}_out"], name=name, **attributes))
        return f"{name}_out"

    def conv(self, name, x, c_in, c_out, size, stride=1, bias=False):
        tensors = [x, self.constant(f"{name}.weight", 0, (c_out, c_in, size, size))]
        if bias:
            tensors.append(self.constant(f"{name}.bias", 0, (c_out,)))
        pad = 0 if bias else size // 2
        return self.node("Conv", name, *tensors, kernel_shape=[size] * 2, strides=[stride] * 2, pads=[pad] * 4)

    def norm(self, name, x, channels):
        parts = (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1))
        return self.node("BatchNormalization", name, x, *(self.constant(f"{name}.{part}", v, (channels,)) for part, v in parts))

    def linear(self, name, x, n_in, n_out):
        return self.node("Gemm", name, x, self.constant(f"{name}.weight", 0, (n_out, n_in)), self.constant(f"{name}.bias", 0, (n_out,)), transB=1)

    def max_pool(self, name, x, size, pad=0):
        return self.node("MaxPool", name, x, kernel_shape=[size] * 2, strides=[2, 2], pads=[pad] * 4)

    def save(self, path, title, x, shape, y):
        """Names the output `logits` and writes the file."""
        self.nodes[-1].output[0] = "logits"
        value = lambda name, dims: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *dims])
        graph = helper.make_graph(self.nodes, title, [value(x, shape)], [value("logits", y)], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8, producer_name="tools/make_networks.py")
        checker.check_model(model, full_check=True)
        save(model, path)


def mnist(path):
    net = Net()
    ends = net.constant("zero", 0), net.constant("six", 6)
    x = net.conv("conv1", "image", 1, 20, 5, bias=True)
    x = net.max_pool("max_pool1", net.node("Clip", "relu1", x, *ends), 2)
    x = net.conv("conv2", x, 20, 50, 5, bias=True)
    x = net.max_pool("max_pool2", net.node("Clip", "relu2", x, *ends), 2)
    x = net.linear("fc1", net.node("Flatten", "flatten", x), 800, 500)
    net.linear("fc2", net.node("Clip", "relu3", x, *ends), 500, 10)
    net.save(path, "nni_mnist", "image", [1, 28, 28], [10])


def block(net, name, x, c_in, c_out, stride):
    """torchvision's BasicBlock."""
    y = net.norm(f"{name}.bn1", net.conv(f"{name}.conv1", x, c_in, c_out, 3, stride), c_out)
    y = net.conv(f"{name}.conv2", net.node("Relu", f"{name}.relu1", y), c_out, c_out, 3)
    y = net.norm(f"{name}.bn2", y, c_out)
    if stride != 1 or c_in != c_out:
        x = net.norm(f"{name}.downsample.1", net.conv(f"{name}.downsample.0", x, c_in, c_out, 1, stride), c_out)
    return net.node("Relu", f"{name}.relu2", net.node("Add", f"{name}.add", y, x))


def resnet18(path):
    net, channels = Net(), 64
    x = net.norm("bn1", net.conv("conv1", "image", 3, channels, 3), channels)
    x = net.max_pool("maxpool", net.node("Relu", "relu", x), 3, pad=1)
    for stage, width in enumerate((64, 128, 256, 512), 1):
        for k in range(2):
            x = block(net, f"layer{stage}.{k}", x, channels, width, 2 if stage > 1 and k == 0 else 1)
            channels = width
    x = net.node("Flatten", "flatten", net.node("GlobalAveragePool", "avgpool", x))
    net.linear("fc", x, channels, 10)
    net.save(path, "nni_resnet18", "image", [3, 32, 32], [10])


NETWORKS = {"mnist": mnist, "resnet18": resnet18}

if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in NETWORKS:
        sys.exit(__doc__.split("\n\n")[1].strip())
    NETWORKS[sys.argv[1]](sys.argv[2])
