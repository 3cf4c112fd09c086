#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/read_engine.py, written from docs/engine-format.md, agrees with the program about what an engine file is:
it finds the network's nodes and weights in it, and both refuse a damaged file with one line."""
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

import numpy
import onnx
from onnx import numpy_helper

SOURCE = pathlib.Path(os.environ["MIXDOWN_SOURCE"])
NET = SOURCE / "data/fashion_mnist.onnx"
TOOL = SOURCE / "tools/read_engine.py"
sys.path.insert(0, str(TOOL.parent))
import read_engine  # noqa: E402

DTYPE = {"f32": "<f4", "s64": "<i8", "s32": "<i4", "s8": "i1", "u8": "u1"}


def run(*argv):
    return subprocess.run([*map(str, argv)], capture_output=True, text=True)


def program(*argv):
    return run(os.environ["MIXDOWN"], *argv)


def reader(*argv):
    return run(sys.executable, TOOL, *argv)


def same_network(engine, data):
    """The engine holds the nodes and the initializers of NET, and nothing else that is constant."""
    model = onnx.load(NET).graph
    graph = json.loads(reader("--json", engine).stdout)["graph"]
    assert len(graph["nodes"]) == len(model.node), (len(graph["nodes"]), len(model.node))
    for a, b in zip(graph["nodes"], model.node):
        inputs = [k or "" for k in a["inputs"]]
        assert (a["op"], a["domain"], inputs, a["outputs"]) == (b.op_type, b.domain, [*b.input], [*b.output]), (a, b)
        stored = {k["name"]: k["value"] for k in a["attributes"]}
        assert stored == {k.name: onnx.helper.get_attribute_value(k) for k in b.attribute}, (a["name"], stored)
    assert graph["inputs"] == [k.name for k in model.input] and graph["outputs"] == [k.name for k in model.output]
    constants = {t["name"]: t for t in graph["tensors"] if t["constant"]}
    assert constants.keys() == {k.name for k in model.initializer}, sorted(constants)
    for initializer in model.initializer:
        t, expected = constants[initializer.name], numpy_helper.to_array(initializer)
        assert t["shape"] == list(expected.shape), (t, expected.shape)
        assert numpy.dtype(DTYPE[t["dtype"]]) == expected.dtype, (t, expected.dtype)
        raw = data[t["offset"]:t["offset"] + t["bytes"]]
        assert raw == expected.tobytes(), f"{t['name']} has other values"


def refused(folder, what, data):
    """Reader and program both fail on such a file, with one line on stderr."""
    file = folder / "damaged.mxd"
    file.write_bytes(data)
    for who, result in ("reader", reader(file)), ("audit", program("audit", file)):
        assert result.returncode == 1, f"{what}: {who} ended with {result.returncode}: {result.stderr}"
        line = result.stderr.rstrip("\n")
        assert line and "\n" not in line and not result.stdout, f"{what}: {who} said {result.stdout!r} {result.stderr!r}"
    return line


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


def sealed(data):
    """The file with the checksum of its bytes, so that what is behind the checksum is reached."""
    digest = read_engine.xxh3_128(data[:112] + read_engine.xxh3_128(data[128:]))
    return data[:112] + digest + data[128:]


def damage(folder, data):
    metadata, _, graph, graph_bytes, blob, blob_bytes = struct.unpack_from("<6Q", data, 24)
    places = {"magic": 0, "version": 8, "bytes of the header": 12, "bytes of the file": 16, "offset of the metadata": 24,
              "bytes of the graph": 48, "offset of the data": 56, "zeros of the header": 100, "checksum": 112,
              "metadata": metadata + 5, "graph": graph + 9, "gap": graph + graph_bytes, "data": blob, "a weight": blob + blob_bytes // 2,
              "last byte": len(data) - 1}
    assert graph + graph_bytes < blob, "no gap to damage"
    for what, at in places.items():
        refused(folder, f"{what} at {at}", flipped(data, at))
    for n in 0, 7, 127, 128, graph, blob, len(data) - 1:
        refused(folder, f"truncated to {n}", data[:n])
    refused(folder, "a byte behind the end", data + b"\0")


def damage_behind_the_checksum(folder, data):
    """Broken files whose checksum is right."""
    metadata, meta_bytes, graph, graph_bytes, blob, blob_bytes = struct.unpack_from("<6Q", data, 24)
    assert sealed(data) == data
    name = struct.unpack_from("<I", data, graph)[0]
    values = graph + 4 + name + 4
    first = values + 4 + 4 + struct.unpack_from("<I", data, values + 4)[0]  # dtype of the first value
    constant = first + 5 + 8 * max(0, struct.unpack_from("<i", data, first + 1)[0])
    assert data[constant] in (0, 1) and data[constant - 1] in (0, 255)
    both = {"version": 8, "bytes of the header": 12, "bytes of the file": 16, "offset of the data": 56, "metadata": metadata, "bytes of a string": graph + 3,
            "count of values": values + 3, "zeros of the header": 100, "gap": graph + graph_bytes, "padding of the data": len(data) - 1}
    for what, at in both.items():
        refused(folder, f"sealed: {what} at {at}", sealed(flipped(data, at)))
    moved = bytearray(data)
    struct.pack_into("<QQ", moved, 56, blob - 1, blob_bytes + 1)  # from the last byte of the gap
    refused(folder, "sealed: data not aligned", sealed(bytes(moved)))
    refused(folder, "sealed: truncated", sealed(data[:-64]))
    two = bytearray(data)
    two[constant] = 2
    refused(folder, "sealed: constant is 2", sealed(bytes(two)))
    swapped = bytearray(data)
    swapped[24:40], swapped[40:56] = data[40:56], data[24:40]
    refused(folder, "sealed: graph before the metadata", sealed(bytes(swapped)))
    longer = bytearray(data) + bytes(64)
    struct.pack_into("<Q", longer, 16, len(longer))
    refused(folder, "sealed: bytes behind the data", sealed(bytes(longer)))
    text = data[metadata:metadata + meta_bytes]
    twice = data[:metadata] + text.replace(b'"exact"', b'"timed"', 1) + data[metadata + meta_bytes:]
    refused(folder, "sealed: a key twice", sealed(twice))
    assert "128" in refused(folder, "bytes of the header", flipped(data, 12)) and "cut short" in refused(folder, "cut", data[:-64])


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        engine = folder / "X.mxd"
        built = program("build", NET, "--backend", "cpu", "-o", engine)
        assert built.returncode == 0, built.stderr
        assert reader(engine).returncode == 0 and program("audit", engine).returncode == 0
        data = engine.read_bytes()
        same_network(engine, data)
        damage(folder, data)
        damage_behind_the_checksum(folder, data)


if __name__ == "__main__":
    main()
