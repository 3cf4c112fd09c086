#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seeds of the fuzz targets: tests/fuzz/make_corpus.py MIXDOWN (the program, for engine files).

Small networks with every op family, engines of them, recipes and calibrations of both formats, .npy of every type.
"""
import io
import json
import os
import subprocess
import sys

import numpy as np
from onnx import TensorProto as T, helper as h, numpy_helper

here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")
rng = np.random.default_rng(1)


def folder(name):
    path = os.path.join(here, name)
    os.makedirs(path, exist_ok=True)
    return path


def const(name, value):
    return numpy_helper.from_array(np.asarray(value), name)


def weights(*shape):
    return rng.standard_normal(shape, dtype=np.float32)


def model(name, nodes, inputs, outputs, constants=(), opset=21):
    info = [h.make_tensor_value_info(n, t, s) for n, t, s in inputs]
    out = [h.make_tensor_value_info(n, t, None) for n, t in outputs]
    graph = h.make_graph(nodes, name, info, out, list(constants))
    m = h.make_model(graph, opset_imports=[h.make_opsetid("", opset)], ir_version=8)
    with open(os.path.join(folder("onnx"), name + ".onnx"), "wb") as f:
        f.write(m.SerializeToString())


X = [("x", T.FLOAT, [1, 4, 6, 6])]
Y = [("y", T.FLOAT)]


def one(name, op, constants=(), inputs=X, outputs=Y, **attr):
    names = [i[0] for i in inputs] + [c.name for c in constants]
    model(name, [h.make_node(op, names, [o[0] for o in outputs], **attr)], inputs, outputs, constants)


def float_networks():
    one("conv", "Conv", [const("w", weights(5, 4, 3, 3)), const("b", weights(5))], pads=[1, 1, 1, 1])
    one("conv_dw", "Conv", [const("w", weights(4, 1, 3, 3))], group=4, strides=[2, 2])
    one("conv_t", "ConvTranspose", [const("w", weights(4, 2, 3, 3))], strides=[2, 2])
    one("gemm", "Gemm", [const("w", weights(3, 6)), const("b", weights(3))], [("x", T.FLOAT, [2, 6])], transB=1)
    one("matmul", "MatMul", [const("w", weights(6, 3))])
    one("bn", "BatchNormalization", [const(n, np.abs(weights(4))) for n in "sbmv"])
    one("pool", "MaxPool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
    one("avg", "AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)
    one("gap", "GlobalAveragePool")
    one("softmax", "Softmax", axis=1)
    one("ln", "LayerNormalization", [const("s", weights(6)), const("b", weights(6))], axis=-1)
    one("in", "InstanceNormalization", [const("s", weights(4)), const("b", weights(4))])
    one("mean", "ReduceMean", [const("a", np.array([2, 3]))], keepdims=0)
    one("reshape", "Reshape", [const("s", np.array([0, -1]))])
    one("transpose", "Transpose", perm=[0, 2, 3, 1])
    one("slice", "Slice", [const(n, np.array([v])) for n, v in (("s", 1), ("e", -1), ("a", 2), ("t", 2))])
    one("pad", "Pad", [const("p", np.array([0, 0, 1, 1, 0, 0, 1, 1]))], mode="reflect")
    one("resize", "Resize", [const("r", np.zeros(0, np.float32)), const("s", np.array([1, 1, 2, 2], np.float32))],
        mode="linear")
    one("gather", "Gather", [const("i", np.array([1, 0]))], axis=1)
    one("topk", "TopK", [const("k", np.array([2]))], outputs=[("y", T.FLOAT), ("i", T.INT64)])
    one("split", "Split", outputs=[("y", T.FLOAT), ("z", T.FLOAT)], axis=1, num_outputs=2)
    one("clip", "Clip", [const("lo", np.float32(0)), const("hi", np.float32(6))])
    one("where", "Where", [const("x1", weights(6)), const("x2", weights(1))], [("c", T.BOOL, [1, 6])])
    one("cast", "Cast", outputs=[("y", T.INT8)], to=T.INT8)
    one("sum", "Sum", inputs=[(n, T.FLOAT, [3]) for n in "abc"])
    for op in ("Relu", "Sigmoid", "Tanh", "Gelu", "Erf", "HardSwish", "LeakyRelu"):
        one(op.lower(), op)
    model("shapes", [h.make_node("Shape", ["x"], ["s"]), h.make_node("Gather", ["s", "i"], ["n"]),
                     h.make_node("Concat", ["n", "m"], ["t"], axis=0), h.make_node("Reshape", ["x", "t"], ["r"]),
                     h.make_node("Add", ["r", "r"], ["y"])],
          X, Y, [const("i", np.array([0])), const("m", np.array([-1]))])


def quantizer(x, scale, zero, axis=None):
    attr = {} if axis is None else {"axis": axis}
    return [h.make_node("QuantizeLinear", [x, scale, zero], [x + "_q"], **attr),
            h.make_node("DequantizeLinear", [x + "_q", scale, zero], [x + "_r"], **attr)]


def quantized_networks():
    w = rng.integers(-127, 128, (4, 4, 3, 3)).astype(np.int8)
    shared = [const("s", np.float32(0.05)), const("z", np.uint8(128)), const("w", w),
              const("ws", np.full(4, 0.01, np.float32)), const("wz", np.zeros(4, np.int8))]
    wdq = h.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wr"], axis=0)
    conv = h.make_node("Conv", ["x_r", "wr"], ["c"], pads=[1, 1, 1, 1])
    model("qdq_conv", quantizer("x", "s", "z") + [wdq, conv] + quantizer("c", "s", "z") +
          [h.make_node("Identity", ["c_r"], ["y"])], X, Y, shared)
    model("qdq_add", quantizer("x", "s", "z") + [wdq, conv, h.make_node("Add", ["c", "x_r"], ["a"]),
          h.make_node("Relu", ["a"], ["r"])] + quantizer("r", "s", "z") + [h.make_node("Identity", ["r_r"], ["y"])],
          X, Y, shared)
    model("qlinearconv", [h.make_node("QLinearConv", ["x", "s", "z", "w", "ws", "wz", "s", "z"], ["y"])],
          [("x", T.UINT8, [1, 4, 6, 6])], [("y", T.UINT8)], shared)
    model("convinteger", [h.make_node("ConvInteger", ["x", "w", "z"], ["y"])], [("x", T.UINT8, [1, 4, 6, 6])],
          [("y", T.INT32)], shared)
    model("dynamic", [h.make_node("DynamicQuantizeLinear", ["x"], ["y", "s", "z"])], X,
          [("y", T.UINT8), ("s", T.FLOAT), ("z", T.UINT8)])
    nibbles = numpy_helper.from_array(rng.integers(-7, 8, (3, 36)).astype(np.int8), "w")
    int4 = h.make_tensor("w", T.INT4, [3, 36], numpy_helper.to_array(nibbles).flatten())
    model("w4", [h.make_node("DequantizeLinear", ["w", "ws"], ["wr"], axis=0),
                 h.make_node("Flatten", ["x"], ["f"]), h.make_node("Gemm", ["f", "wr"], ["y"], transB=1)],
          [("x", T.FLOAT, [1, 4, 3, 3])], Y, [int4, const("ws", np.full(3, 0.1, np.float32))])


def engines(mixdown):
    models = folder("onnx")
    for name in ("conv", "gemm", "qdq_conv", "qdq_add", "w4", "shapes", "softmax"):
        out = os.path.join(folder("engine"), name + ".mxd")
        subprocess.run([mixdown, "build", os.path.join(models, name + ".onnx"), "-o", out, "--backend", "interp"],
                       check=True, stdout=subprocess.DEVNULL)


def text(kind, name, value):
    with open(os.path.join(folder(kind), name), "w") as f:
        json.dump(value, f)


def recipes():
    text("recipe", "own.json", [
        {"op_types": ["Conv"], "precision": "w8a8", "method": "mse", "scheme": "symmetric", "allow": "f32"},
        {"names": ["G*"], "precision": "w4-f32", "granularity": "block:32", "rounding": "nearest"},
        {"regex": ["Mat.*"], "exclude": True}])
    text("recipe", "nni2.json", [{"quant_types": ["weight", "input"], "quant_bits": {"weight": 8, "input": 8},
                                  "op_types": ["Conv2d"], "op_names": ["Conv"]}, {"op_names": ["Gemm"], "exclude": True}])
    text("recipe", "nni3.json", [{"op_types": ["Linear"], "target_names": ["weight", "_input_"], "target_settings": {
        "weight": {"quant_dtype": "int8", "quant_scheme": "symmetric", "granularity": "per_channel"}}}])


def calibrations(mixdown):
    data = os.path.join(here, "x.npy")
    np.save(data, weights(4, 4, 6, 6))
    try:
        for name in ("conv", "softmax"):
            subprocess.run([mixdown, "calibrate", os.path.join(folder("onnx"), name + ".onnx"), "--data", "npy:" + data,
                            "-o", os.path.join(folder("calibration"), name + ".json")], check=True,
                           stdout=subprocess.DEVNULL)
    finally:
        os.unlink(data)


def calibrations_of_nni():
    text("calibration", "nni2.json", {
        "Conv": {"weight_bits": 8, "weight_scale": [[0.01], [0.02]], "weight_zero_point": [131.0], "input_bits": 8, "tracked_min_input": -1.5,
                 "tracked_max_input": 2.5, "tracked_qmin_input": 0},
        "Relu": {"activation_bit": 8, "tracked_min_activation": 0, "tracked_max_activation": 1.8}})
    text("calibration", "nni3.json", {"Conv": {
        "weight": {"scale": 0.01, "zero_point": 0, "quant_dtype": "int8", "quant_scheme": "symmetric", "quant_bits": 8, "tracked_max": 1.27, "tracked_min": -1.27},
        "_input_0": {"scale": None, "zero_point": None, "quant_dtype": "uint8", "tracked_max": 1, "tracked_min": -1}}})


def arrays():
    for dtype in ("f4", "f8", "f2", "i1", "u1", "i2", "u2", "i4", "i8", "b1"):
        buffer = io.BytesIO()
        np.save(buffer, np.arange(6).reshape(2, 3).astype(dtype))
        with open(os.path.join(folder("npy"), dtype + ".npy"), "wb") as f:
            f.write(buffer.getvalue())


SPECS = [
    "fashion-mnist:train",
    "idx:a.gz,b.gz,scale=1/255,skip=5,subset=100,shuffle=3",
    "cifar10:data_batch_1.bin,mean=0.49:0.48:0.45,std=0.2:0.2:0.2,scale=1/255,channels=bgr",
    "npy:a,,b.npy,labels=l.npy,layout=nhwc,shape=1:4:4",
    "npz:f.npz,x=data,labels=y,inputs=left:l:right:r",
    "images:folder,resize=32:40,crop=28,labels=names.txt",
    "onnx:dir",
    '{"kind": "npy", "files": ["mfcc.npy"], "labels": "labels.npy", "scale": 0.5847029, "mean": 48.53, "skip": 200}',
    '{"kind": "npz", "files": "f.npz", "inputs": {"left": "l"}, "std": [0.1, "1/3", 2], "shape": [3, 4, 4], "shuffle": 7}',
]


def specifications():
    for k, spec in enumerate(SPECS):
        with open(os.path.join(folder("data_spec"), f"{k}.txt"), "w") as f:
            f.write(spec)


float_networks()
quantized_networks()
engines(sys.argv[1])
recipes()
specifications()
calibrations(sys.argv[1])
calibrations_of_nni()
arrays()
