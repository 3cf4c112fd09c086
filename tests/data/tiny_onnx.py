#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The tiny networks of the tests, written byte by byte: ONNX is protobuf, and a writer of it is thirty lines.

    tiny_onnx.py [--check]

Writes (or with --check compares) the files beside it. Other tests import it to make what they need: models with
mistakes in them, .npy arrays. Weights come from a generator of its own, so the bytes never change."""
import pathlib
import struct
import sys

FLOAT, UINT8, INT8, INT32, INT64 = 1, 2, 3, 6, 7
FORMAT = {FLOAT: "f", UINT8: "B", INT8: "b", INT32: "i", INT64: "q"}


# ---- the wire format

def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out) + bytes([n])


def field(number, value):
    """One field: an int, a float, or bytes, text and messages by length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


# ---- messages of onnx.proto

def tensor(name, kind, dims, values):
    raw = struct.pack(f"<{len(values)}{FORMAT[kind]}", *values)
    return b"".join(field(1, d) for d in dims) + field(2, kind) + field(8, name) + field(9, raw)


def attribute(name, value):
    kind, body = {
        int: (2, lambda v: field(3, v)),
        float: (1, lambda v: field(2, v)),
        str: (3, lambda v: field(4, v)),
        bytes: (4, lambda v: field(5, v)),  # a tensor
        list: (7, lambda v: b"".join(field(8, i) for i in v)),
    }[type(value)]
    return field(1, name) + body(value) + field(20, kind)


def node(op, inputs, outputs, name="", **attributes):
    ends = b"".join(field(1, i) for i in inputs) + b"".join(field(2, o) for o in outputs)
    return ends + field(3, name) + field(4, op) + b"".join(field(5, attribute(k, v)) for k, v in attributes.items())


def value(name, kind, dims):
    """Numbers, or names of dimensions that stay open."""
    shape = b"".join(field(1, field(1, d) if isinstance(d, int) else field(2, d)) for d in dims)
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, shape)))


def model(nodes, inputs, outputs, initializers=(), opset=17):
    graph = b"".join(field(1, n) for n in nodes) + field(2, "tiny") + b"".join(field(5, i) for i in initializers)
    graph += b"".join(field(11, i) for i in inputs) + b"".join(field(12, o) for o in outputs)
    return field(1, 8) + field(2, "mixdown tests") + field(7, graph) + field(8, field(2, opset))


def npy(dims, values, kind="<f4"):
    code = {"<f4": "f", "<i8": "q", "|u1": "B"}[kind]
    shape = "(" + ", ".join(map(str, dims)) + ("," if len(dims) == 1 else "") + ")"
    head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"
    head += " " * (-(len(head) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + struct.pack(f"<{len(values)}{code}", *values)


def read_npy(data):
    """(shape, values) of a little-endian .npy file, version 1."""
    length = struct.unpack("<H", data[8:10])[0]
    head = eval(data[10 : 10 + length].decode(), {})  # a literal by the format's definition
    code = {"<f4": "f", "<i8": "q", "|u1": "B", "|i1": "b", "<i4": "i"}[head["descr"]]
    body = data[10 + length :]
    return head["shape"], list(struct.unpack(f"<{len(body) // struct.calcsize(code)}{code}", body))


# ---- networks

class Numbers:
    """Multiples of 1/64 in [-1, 1): exact in binary32, so that sums in tests are easy to follow."""

    def __init__(self, seed):
        self.state = seed

    def __call__(self, n):
        out = []
        for _ in range(n):
            self.state = (self.state * 1103515245 + 12345) % 2**31
            out.append((self.state >> 16) % 128 / 64 - 1)
        return out


def residual(opset=17, batch="N", extra=None):
    """Convolutions with a residual sum, pooling and a classifier; `extra`: (op, name) of one more node at the end."""
    r = Numbers(1)
    nodes = [
        node("Conv", ["x", "stem.weight", "stem.bias"], ["a"], "stem", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("Relu", ["a"], ["b"], "relu"),
        node("Conv", ["b", "branch.weight"], ["c"], "branch", kernel_shape=[1, 1]),
        node("Add", ["c", "b"], ["d"], "sum"),
        node("Relu", ["d"], ["e"], "relu2"),
        node("MaxPool", ["e"], ["f"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        node("GlobalAveragePool", ["f"], ["g"], "mean"),
        node("Flatten", ["g"], ["h"], "flatten"),
        node("Gemm", ["h", "head.weight", "head.bias"], ["y0" if extra else "y"], "head", transB=1),
    ]
    if extra:
        nodes.append(node(extra[0], ["y0"], ["y"], extra[1]))
    constants = [
        tensor("stem.weight", FLOAT, [4, 2, 3, 3], r(72)), tensor("stem.bias", FLOAT, [4], r(4)),
        tensor("branch.weight", FLOAT, [4, 4, 1, 1], r(16)),
        tensor("head.weight", FLOAT, [3, 4], r(12)), tensor("head.bias", FLOAT, [3], r(3)),
    ]
    return model(nodes, [value("x", FLOAT, [batch, 2, 6, 6])], [value("y", FLOAT, [batch, 3])], constants, opset)


def quantized():
    """The form that quantizers write: u8 activations, s8 weights per channel, an s32 bias, everything dequantized before use."""
    r = Numbers(2)
    dq, q = "DequantizeLinear", "QuantizeLinear"
    nodes = [
        node(q, ["x", "x_scale", "x_zero"], ["xq"], "x_quantize"), node(dq, ["xq", "x_scale", "x_zero"], ["xd"], "x_dequantize"),
        node(dq, ["conv.weight", "w_scale", "w_zero"], ["wd"], "w_dequantize", axis=0),
        node(dq, ["conv.bias", "b_scale", "b_zero"], ["bd"], "b_dequantize", axis=0),
        node("Conv", ["xd", "wd", "bd"], ["a"], "conv", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("Relu", ["a"], ["b"], "relu"),
        node(q, ["b", "y_scale", "y_zero"], ["bq"], "b_quantize"), node(dq, ["bq", "y_scale", "y_zero"], ["bd2"], "b_dequantize2"),
        node("AveragePool", ["bd2"], ["c"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        node(q, ["c", "y_scale", "y_zero"], ["cq"], "c_quantize"), node(dq, ["cq", "y_scale", "y_zero"], ["y"], "c_dequantize"),
    ]
    w_scale = [2**-7, 2**-6, 2**-8, 2**-7]
    constants = [
        tensor("x_scale", FLOAT, [], [2**-6]), tensor("x_zero", UINT8, [], [128]),
        tensor("y_scale", FLOAT, [], [0.03]), tensor("y_zero", UINT8, [], [3]),
        tensor("conv.weight", INT8, [4, 2, 3, 3], [int(v * 127) for v in r(72)]),
        tensor("w_scale", FLOAT, [4], w_scale), tensor("w_zero", INT8, [4], [0] * 4),
        tensor("conv.bias", INT32, [4], [500, -300, 0, 41]),
        tensor("b_scale", FLOAT, [4], [s * 2**-6 for s in w_scale]), tensor("b_zero", INT32, [4], [0] * 4),
    ]
    return model(nodes, [value("x", FLOAT, ["N", 2, 6, 6])], [value("y", FLOAT, ["N", 4, 3, 3])], constants)


def two_ends():
    """Two inputs and two outputs, one of them with a name that no file can have."""
    r = Numbers(3)
    nodes = [
        node("MatMul", ["left", "weight"], ["product"], "product"),
        node("Add", ["product", "right"], ["sum"], "add"),
        node("Sigmoid", ["sum"], ["out/sigmoid:0"], "sigmoid"),
    ]
    ends = [value("left", FLOAT, ["N", 3]), value("right", FLOAT, ["N", 2])]
    return model(nodes, ends, [value("sum", FLOAT, ["N", 2]), value("out/sigmoid:0", FLOAT, ["N", 2])], [tensor("weight", FLOAT, [3, 2], r(6))])


def relu():
    return model([node("Relu", ["x"], ["y"], "relu")], [value("x", FLOAT, [2, 3])], [value("y", FLOAT, [2, 3])])


CASE = [-1.0, 0.0, 0.5, 2.0, -0.25, 3.0]
FILES = {
    "residual.onnx": residual, "quantized.onnx": quantized, "two_ends.onnx": two_ends,
    "x.npy": lambda: npy([8, 2, 6, 6], Numbers(9)(576)),
    "case_relu/model.onnx": relu,
    "case_relu/test_data_set_0/input_0.pb": lambda: tensor("x", FLOAT, [2, 3], CASE),
    "case_relu/test_data_set_0/output_0.pb": lambda: tensor("y", FLOAT, [2, 3], [max(v, 0.0) for v in CASE]),
}


def main():
    here = pathlib.Path(__file__).resolve().parent
    stale = []
    for name, make in FILES.items():
        path = here / name
        if "--check" not in sys.argv[1:]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(make())
        elif not path.exists() or path.read_bytes() != make():
            stale.append(name)
    if stale:
        sys.exit(f"tests/data: written by another tiny_onnx.py: {' '.join(stale)}")


if __name__ == "__main__":
    main()
