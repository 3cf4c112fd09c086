#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ResNet18 for CIFAR (3x3 stem, no max-pool) with random weights, for timing: make_models.py FILE.onnx BATCH.

Speed does not depend on the weights' values; accuracy is measured on trained networks elsewhere.
"""
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

rng = np.random.default_rng(0)
nodes, initializers = [], []


def constant(name, array):
    initializers.append(numpy_helper.from_array(array.astype(np.float32), name))
    return name


def conv(x, name, c_in, c_out, k, stride, relu=True):
    w = constant(f"{name}.weight", rng.standard_normal((c_out, c_in, k, k)) * np.sqrt(2 / (c_in * k * k)))
    b = constant(f"{name}.bias", rng.standard_normal(c_out) * 0.1)
    nodes.append(helper.make_node("Conv", [x, w, b], [name], name=name, kernel_shape=[k, k], strides=[stride] * 2, pads=[k // 2] * 4))
    if not relu:
        return name
    nodes.append(helper.make_node("Relu", [name], [f"{name}_relu"], name=f"{name}_relu"))
    return f"{name}_relu"


def block(x, name, c_in, c_out, stride):
    y = conv(conv(x, f"{name}.conv1", c_in, c_out, 3, stride), f"{name}.conv2", c_out, c_out, 3, 1, relu=False)
    if stride != 1 or c_in != c_out:
        x = conv(x, f"{name}.shortcut", c_in, c_out, 1, stride, relu=False)
    nodes.append(helper.make_node("Add", [y, x], [f"{name}_sum"], name=f"{name}_add"))
    nodes.append(helper.make_node("Relu", [f"{name}_sum"], [f"{name}_out"], name=f"{name}_relu"))
    return f"{name}_out"


def main(path, batch):
    x, channels = conv("x", "stem", 3, 64, 3, 1), 64
    for stage, width in enumerate((64, 128, 256, 512)):
        for k in range(2):
            x = block(x, f"layer{stage + 1}.{k}", channels, width, 2 if stage and k == 0 else 1)
            channels = width
    nodes.append(helper.make_node("GlobalAveragePool", [x], ["pooled"], name="pool"))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["flat"], name="flatten"))
    w, b = constant("fc.weight", rng.standard_normal((10, 512)) * 0.05), constant("fc.bias", rng.standard_normal(10) * 0.1)
    nodes.append(helper.make_node("Gemm", ["flat", w, b], ["y"], name="fc", transB=1))
    value = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "resnet18_cifar", [value("x", [batch, 3, 32, 32])], [value("y", [batch, 10])], initializers)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


main(sys.argv[1], int(sys.argv[2]))
