#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A second reader of engine files, written from docs/engine-format.md alone: verifies a file and prints what it holds.

    read_engine.py [--json] FILE.mxd

Prints the header, the metadata, the tensors and the nodes of the graph; --json prints them as one JSON object, in which `offset`
of a tensor counts from the start of the file. Exit code 1: the file breaks the format; one line on stderr says where.
Python's standard library only.
"""
import argparse
import json
import math
import pathlib
import struct
import sys

HEADER, CHECKSUM, ALIGN, MAX_RANK, LEFT_OUT = 128, 112, 64, 8, 0xFFFFFFFF
SECTIONS = ["metadata", "graph", "data"]
# dtype -> name and bits of an element
DTYPES = [("none", 0), ("f32", 32), ("f16", 16), ("bf16", 16), ("f8e4m3", 8), ("s8", 8), ("u8", 8), ("s4", 4), ("u4", 4),
          ("s16", 16), ("s32", 32), ("s64", 64), ("bool", 8), ("f64", 64), ("u16", 16)]
METADATA = {"mixdown": str, "model_hash": str, "backend": str, "isa": (str, type(None)), "device": str, "threads": int, "batch": list,
            "shapes": dict, "exact": bool, "timed": bool, "choices": list, "workspace": int, "layers": list, "mismatches": int}
CHOICE = {"device": str, "threads": int, "op": str, "shape": str, "candidates": list, "choice": str}
LAYER = {"node", "op", "asked", "stored", "computed", "verdict", "kernel", "reason"}
KINDS = ["int", "float", "string", "ints", "floats", "tensor"]


class Broken(Exception):
    """The file is not what docs/engine-format.md says; the text is one line."""


def check(good, text):
    if not good:
        raise Broken(text)


# ---- XXH3-128, seed 0, of at least 17 bytes (github.com/Cyan4973/xxHash, doc/xxhash_spec.md) ----

M64 = (1 << 64) - 1
P32_1, P32_2, P32_3 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D
P1, P2, P3, P4, P5 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
    "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e")


def words(data, at, n):
    return struct.unpack_from(f"<{n}Q", data, at)


def fold(a, b):
    return (a * b & M64) ^ (a * b >> 64)


def avalanche(h):
    h = (h ^ h >> 37) * 0x165667919E3779F9 & M64
    return h ^ h >> 32


def short_hash(data):
    """17 to 240 bytes."""
    n = len(data)
    low, high = n * P1 & M64, 0

    def mix(a, b, secret):
        nonlocal low, high
        (a0, a1), (b0, b1), s = words(data, a, 2), words(data, b, 2), words(SECRET, secret, 4)
        low = (low + fold(a0 ^ s[0], a1 ^ s[1]) & M64) ^ (b0 + b1 & M64)
        high = (high + fold(b0 ^ s[2], b1 ^ s[3]) & M64) ^ (a0 + a1 & M64)

    if n <= 128:
        for k in range((n - 1) // 32, -1, -1):
            mix(16 * k, n - 16 * (k + 1), 32 * k)
    else:
        for k in range(4):
            mix(32 * k, 32 * k + 16, 32 * k)
        low, high = avalanche(low), avalanche(high)
        for k in range(4, n // 32):
            mix(32 * k, 32 * k + 16, 3 + 32 * (k - 4))
        mix(n - 16, n - 32, 103)
    return avalanche(low + high & M64), -avalanche(low * P1 + high * P4 + n * P2 & M64) & M64


def long_hash(data):
    """More than 240 bytes."""
    n = len(data)
    acc = [P32_3, P1, P2, P3, P4, P32_2, P5, P32_1]

    def stripe(at, key):
        d = words(data, at, 8)
        for i in range(8):
            k = d[i] ^ key[i]
            acc[i ^ 1] += d[i]
            acc[i] += (k & 0xFFFFFFFF) * (k >> 32)

    keys = [words(SECRET, 8 * k, 8) for k in range(16)]
    for k in range((n - 1) // 64):
        stripe(64 * k, keys[k % 16])
        if k % 16 == 15:
            acc[:] = [((a & M64) ^ (a & M64) >> 47 ^ s) * P32_1 & M64 for a, s in zip(acc, words(SECRET, 128, 8))]
    stripe(n - 64, words(SECRET, 121, 8))
    acc = [a & M64 for a in acc]

    def merge(secret, start):
        s = words(SECRET, secret, 8)
        return avalanche(start + sum(fold(acc[i] ^ s[i], acc[i + 1] ^ s[i + 1]) for i in range(0, 8, 2)) & M64)
    return merge(11, n * P1 & M64), merge(117, ~(n * P2) & M64)


def xxh3_128(data):
    """16 bytes, the low 64 bits first."""
    return struct.pack("<QQ", *(short_hash if len(data) <= 240 else long_hash)(data))


# ---- the graph section ----

class Stream:
    """Fields without padding. Every count is bounded by the bytes that are left."""

    def __init__(self, data, base, blob):
        self.data, self.at, self.base, self.blobs = data, 0, base, blob

    def take(self, n):
        left = len(self.data) - self.at
        check(n <= left, f"graph: {n} bytes at {self.at}, {left} are left")
        self.at += n
        return self.data[self.at - n:self.at]

    def number(self, kind):
        n = struct.unpack("<" + kind, self.take(struct.calcsize("<" + kind)))[0]
        return n if math.isfinite(n) else str(n)  # JSON has no infinity

    def list(self, read):
        n = self.number("I")
        check(n <= len(self.data) - self.at, f"graph: {n} items at {self.at}, {len(self.data) - self.at} bytes are left")
        return [read() for _ in range(n)]

    def numbers(self, kind):
        return self.list(lambda: self.number(kind))

    def str(self):
        raw = self.take(self.number("I"))
        check(0 not in raw, f"graph: a zero byte in the text before {self.at}")
        return raw.decode("utf-8", "surrogateescape")

    def type(self):
        dtype, rank = self.number("B"), self.number("i")
        check(dtype < len(DTYPES), f"graph: dtype {dtype} before {self.at}")
        check(-1 <= rank <= MAX_RANK, f"graph: rank {rank} before {self.at}")
        dims = None if rank < 0 else [self.number("q") for _ in range(rank)]
        check(min(dims or [0]) >= -1, f"graph: a dimension below -1 before {self.at}")
        return DTYPES[dtype], dims

    def blob(self, dtype, dims):
        """Where the elements of a constant are: their place in the file and their bytes."""
        offset, size = self.number("Q"), self.number("Q")
        check(dtype[1] and dims is not None and min(dims, default=0) >= 0, f"graph: a constant of unknown type before {self.at}")
        want = (math.prod(dims) * dtype[1] + 7) // 8
        check(size == want, f"graph: {size} bytes of a constant before {self.at}, {want} expected")
        end = offset + size + -size % ALIGN
        check(offset % ALIGN == 0 and end <= len(self.blobs), f"graph: data {offset}+{size} before {self.at} out of place")
        check(not any(self.blobs[offset + size:end]), f"data: the padding behind {offset}+{size} is not zero")
        return {"offset": self.base + offset, "bytes": size}

    def value(self):
        name, (dtype, dims), constant = self.str(), self.type(), self.number("B")
        check(constant <= 1, f"graph: constant is {constant} before {self.at}")
        return {"name": name, "dtype": dtype[0], "shape": dims, "constant": bool(constant)} | (self.blob(dtype, dims) if constant else {})

    def attribute(self):
        name, kind = self.str(), self.number("B")
        check(kind < len(KINDS), f"graph: attribute of kind {kind} before {self.at}")
        if KINDS[kind] == "tensor":
            dtype, dims = self.type()
            value = {"dtype": dtype[0], "shape": dims} | self.blob(dtype, dims)
        else:
            value = [lambda: self.number("q"), lambda: self.number("f"), self.str, lambda: self.numbers("q"), lambda: self.numbers("f")][kind]()
        return {"name": name, "kind": KINDS[kind], "value": value}

    def node(self):
        return {"name": self.str(), "op": self.str(), "domain": self.str(), "version": self.number("i"), "inputs": self.numbers("I"),
                "outputs": self.numbers("I"), "attributes": self.list(self.attribute), "origins": self.list(self.str)}

    def symbol(self):
        return {"value": self.number("I"), "axis": self.number("i"), "name": self.str()}

    def graph(self):
        g = {"name": self.str(), "opset": self.number("i"), "tensors": self.list(self.value), "nodes": self.list(self.node),
             "inputs": self.numbers("I"), "outputs": self.numbers("I"), "symbols": self.list(self.symbol),
             "meta": self.list(lambda: {"key": self.str(), "text": self.str()})}
        check(len({m["key"] for m in g["meta"]}) == len(g["meta"]), "graph: two metadata_props of one key")
        check(self.at == len(self.data), f"graph: {len(self.data) - self.at} bytes behind its end")
        return g


def verify(g):
    """Every id names a value; each value is made once, before it is used. Replaces ids by names; left out is None."""
    values = g["tensors"]
    for what in "tensors", "nodes":
        check(len({k["name"] for k in g[what]}) == len(g[what]), f"graph: two {what} of one name")
    made = {k for k, v in enumerate(values) if v["constant"]}

    def name(k):
        check(k == LEFT_OUT or k < len(values), f"graph: value {k} of {len(values)}")
        return None if k == LEFT_OUT else values[k]["name"]

    def make(k, where):
        check(k == LEFT_OUT or k not in made, f"graph: {where} makes {name(k)!r} again")
        made.add(k)

    for k in g["inputs"]:
        make(k, "the list of inputs")
    for n in g["nodes"]:
        check(n["op"] and n["outputs"], f"graph: node {n['name']!r} has no op or no output")
        for k in n["inputs"]:
            check(k == LEFT_OUT or k in made, f"graph: node {n['name']!r} uses {name(k)!r} before it is made")
        for k in n["outputs"]:
            name(k)
            make(k, f"node {n['name']!r}")
        n["inputs"], n["outputs"] = [*map(name, n["inputs"])], [*map(name, n["outputs"])]
    check(LEFT_OUT not in g["inputs"] + g["outputs"], "graph: an input or output of the graph left out")
    check(made.issuperset(g["outputs"]), "graph: an output that nothing makes")
    for s in g["symbols"]:
        s["value"], dims = name(s["value"]), values[s["value"]]["shape"] if s["value"] != LEFT_OUT else None
        check(dims is not None and 0 <= s["axis"] < len(dims), f"graph: symbol {s['name']!r} of axis {s['axis']}")
    g["inputs"], g["outputs"] = [*map(name, g["inputs"])], [*map(name, g["outputs"])]


# ---- the file ----

def once(pairs):
    check(len(dict(pairs)) == len(pairs), "metadata: a key twice")
    return dict(pairs)


def read_metadata(raw):
    try:
        m = json.loads(raw.decode(), object_pairs_hook=once)
    except (ValueError, RecursionError) as e:
        raise Broken(f"metadata: {e}")
    check(isinstance(m, dict), "metadata: no JSON object")
    for key, kind in METADATA.items():
        check(isinstance(m.get(key, ...), kind), f"metadata: '{key}' is missing or of another type")
    check(len(m["model_hash"]) in (0, 32) and len(m["batch"]) <= 8, "metadata: 'model_hash' or 'batch' of another length")
    check(all(isinstance(row, dict) and row.keys() >= LAYER for row in m["layers"]), "metadata: a row of 'layers' lacks a field")
    for row in m["choices"]:
        check(isinstance(row, dict) and all(isinstance(row.get(key, ...), kind) for key, kind in CHOICE.items()) and row["choice"] in row["candidates"],
              "metadata: a row of 'choices' lacks a field, or its choice is no candidate")
    return m


def read(data):
    """The whole file as one object. Magic, version, sizes and checksum are verified before anything else is read."""
    check(data[:8] == b"MXDENGIN", "no engine file: the magic is not MXDENGIN")
    check(len(data) >= HEADER, f"{len(data)} bytes, a header takes {HEADER}")
    version, header, size, *section = struct.unpack_from("<IIQ6Q", data, 8)
    check(version == 1, f"version {version}, this reader knows 1")
    check(header == HEADER, f"header: {header} bytes, {HEADER} expected")
    check(size == len(data), f"header: a file of {size} bytes, there are {len(data)}")
    end, places = HEADER, {}
    for name, offset, n in zip(SECTIONS, section[::2], section[1::2]):
        check(end <= offset and offset + n <= size, f"header: {name} {offset}+{n} outside {end}..{size}")
        places[name], end = (offset, n), offset + n
    check(end == size, f"header: {size - end} bytes behind the data")
    check(places["data"][0] % ALIGN == 0, "header: the data is not aligned")
    check(size - HEADER > 16, "header: empty sections")
    check(xxh3_128(data[:CHECKSUM] + xxh3_128(data[HEADER:])) == data[CHECKSUM:HEADER], "the checksum differs: the file is damaged")
    check(not any(data[72:CHECKSUM]), "header: bytes 72 to 111 are not zero")
    end = HEADER
    for name, (offset, n) in places.items():
        check(not any(data[end:offset]), f"header: the gap before the {name} is not zero")
        end = offset + n
    meta, graph, blob = (data[offset:offset + n] for offset, n in places.values())
    result = {"header": {"version": version, "bytes": size, "sections": {k: {"offset": o, "bytes": n} for k, (o, n) in places.items()},
                         "checksum": data[CHECKSUM:HEADER].hex()},
              "metadata": read_metadata(meta), "graph": Stream(graph, places["data"][0], blob).graph()}
    verify(result["graph"])
    return result


def show(file):
    h, g = file["header"], file["graph"]
    print(f"version {h['version']}, {h['bytes']} bytes, checksum {h['checksum']}")
    for name, s in h["sections"].items():
        print(f"  {name} at {s['offset']}, {s['bytes']} bytes")
    print("metadata")
    for key, value in file["metadata"].items():
        print(f"  {key}: {json.dumps(value) if key != 'layers' else f'{len(value)} nodes'}")
    print(f"graph '{g['name']}', opset {g['opset']}: {', '.join(g['inputs'])} -> {', '.join(g['outputs'])}")
    for s in g["symbols"]:
        print(f"  symbol {s['name']}: axis {s['axis']} of {s['value']}")
    for m in g["meta"]:
        print(f"  meta {m['key']}: {m['text']}")
    print(f"{len(g['tensors'])} tensors")
    for t in g["tensors"]:
        print(f"  {t['name']}: {t['dtype']} {'?' if t['shape'] is None else t['shape']}" + (f", {t['bytes']} bytes" if t["constant"] else ""))
    print(f"{len(g['nodes'])} nodes")
    for n in g["nodes"]:
        ends = " -> ".join(", ".join(k or "''" for k in n[side]) for side in ("inputs", "outputs"))
        print(f"  {n['domain'] or 'ai.onnx'}.{n['op']}-{n['version']} {n['name']}: {ends}")
        for a in n["attributes"]:
            print(f"    {a['name']} ({a['kind']}) = {a['value']}")


def main():
    parser = argparse.ArgumentParser(description="verify an engine file and print what it holds")
    parser.add_argument("file", metavar="FILE.mxd")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    args = parser.parse_args()
    sys.stdout.reconfigure(errors="backslashreplace")  # names are bytes that a model's author chose
    try:
        file = read(pathlib.Path(args.file).read_bytes())
    except OSError as e:
        sys.exit(f"{args.file}: {e.strerror}")
    except Broken as e:
        sys.exit(f"{args.file}: {e}")
    if args.json:
        print(json.dumps(file, indent=1))
    else:
        show(file)


if __name__ == "__main__":
    main()
