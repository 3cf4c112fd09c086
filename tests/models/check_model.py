#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What holds for every trained network: check_model.py [--brief] FOLDER, with model.onnx and test_data_set_* in it.

- Its outputs are the reference's (`mixdown verify`).
- Quantized w8a8, w4a8 and by a mixed recipe (where it is not quantized already), its integers are those of docs/numerics.md in the interpreter and
  on every instruction set that this CPU has, region by region.
- An engine from its file, on one thread or two, gives the bits of the engine built in memory.
- The same input gives the same bytes: of the quantized model, whatever the threads, and of the engine.
- The audit finds no layer that runs otherwise than asked.

--brief, for builds with sanitizers, where plain C takes minutes: the reference outputs, and that a quantized engine builds, is audited and runs."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

PROGRAM = os.environ.get("MIXDOWN", "build/mixdown")
failures = []


def mixdown(*argv, code=0):
    """The JSON of one command; None where this CPU lacks an instruction set."""
    p = subprocess.run([PROGRAM, *map(str, argv), "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=600)
    if p.returncode == 3 and "--isa" in argv:
        return None
    if p.returncode != code:
        sys.exit(f"mixdown {' '.join(map(str, argv))}: exit {p.returncode}: {p.stderr.decode()}")
    return json.loads(p.stdout)


def expect(condition, what):
    if not condition:
        failures.append(what)
    print(f"{'ok    ' if condition else 'FAILED'} {what}", flush=True)


def same_bytes(first, second, what):
    expect(first.read_bytes() == second.read_bytes(), what)


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at


def given_shapes(folder):
    """--shape options for inputs that the file leaves open: name and dimensions of the tensors in test_data_set_0."""
    options = []
    for path in sorted((folder / "test_data_set_0").glob("input_*.pb")):
        data, at, dims, name = path.read_bytes(), 0, [], ""
        while at < len(data):
            key, at = varint(data, at)
            value, after = varint(data, at)  # a number, or the length of what follows
            if key == 1 << 3:
                dims.append(value)
            elif key == 1 << 3 | 2:  # packed
                while after < at + 1 + value:
                    d, after = varint(data, after)
                    dims.append(d)
                value = 0
            elif key == 8 << 3 | 2:
                name = data[after : after + value].decode()
            at = after + (value if key & 7 == 2 else 0)
        if dims and name:
            options += ["--shape", f"{name}={'x'.join(map(str, dims))}"]
    return options


def mixed_recipe(layers):
    """Precisions in turn, one layer after the other."""
    names = [layer["node"] for layer in layers if layer["op"] in ("Conv", "Gemm", "MatMul")]
    return [{"names": [n], "precision": ("w8a8", "f32", "w4a8", "bf16")[k % 4], "allow": "f32"} for k, n in enumerate(names)]


def quantized(folder, tmp, data, layers):
    """(name, network) of each way to quantize it; a network that is quantized already: itself."""
    net = folder / "model.onnx"
    if any(layer["op"] in ("QuantizeLinear", "QLinearConv") for layer in layers):
        yield "its own", net
        return
    (tmp / "mixed.json").write_text(json.dumps(mixed_recipe(layers)))
    ways = {"w8a8": ["--precision", "w8a8"], "w4a8": ["--precision", "w4a8"], "mixed": ["--recipe", tmp / "mixed.json"]}
    for name, options in ways.items():
        for threads in (1, 2):
            mixdown("quantize", net, *options, "--data", data, "-o", tmp / f"{name}{threads}.onnx", "--threads", threads)
        same_bytes(tmp / f"{name}1.onnx", tmp / f"{name}2.onnx", f"{name}, on 1 and 2 threads: the same file")
        yield name, tmp / f"{name}1.onnx"
        if not (folder / "calib.json").exists():
            return  # one way is enough for the large ones


def check_integers(engine, data):
    """Two sides at a time; each is compared with the interpreter on its own integers."""
    seen = 0
    for backends, isas in (("interp,cpu", "scalar,scalar"), ("cpu,cpu", "avx2,avxvnni"), ("cpu,cpu", "avx512,avx512vnni"),
                           ("cpu,cpu", "neon,dotprod"), ("cpu,cpu", "i8mm,i8mm")):
        for pair in (isas, ",".join([isas.split(",")[0]] * 2)):  # the lower one alone, where the CPU lacks the other
            r = mixdown("compare", engine, engine, "--data", data, "--samples", 1, "--duration", 0, "--backend", backends, "--isa", pair)
            if r is not None:
                seen += 1
                expect(r["integers_equal"], f"integers by definition: {backends} {pair}")
                break
    expect(seen > 0, "some instruction set was there")


def check_engine(net, engine, data, shapes):
    for k in range(2):
        mixdown("build", net, "-o", engine.with_name(f"{k}.mxd"), "--threads", 2, *shapes)
    same_bytes(engine, engine.with_name("1.mxd"), "built twice: the same file")
    expect(mixdown("audit", engine)["mismatches"] == 0, "every layer as asked")
    r = mixdown("compare", net, engine, "--data", data, "--samples", 3, "--duration", 0, "--threads", "1,2", "--batch", 1)
    expect(r["end_to_end_equal"], "in memory on 1 thread, from a file on 2: the same bits")
    check_integers(engine, data)


def check_that_it_runs(net, engine, shapes):
    mixdown("build", net, "-o", engine, "--threads", 2, *shapes)
    expect(mixdown("audit", engine)["mismatches"] == 0, "every layer as asked")
    for threads in (1, 2):
        r = mixdown("bench", engine, "--warmUp", 0, "--duration", 0, "--iterations", 1, "--threads", threads)
        expect(r["runs"] == 1, f"runs on {threads}")


def main(folder, brief):
    verified = mixdown("verify", folder)
    expect(verified["passed"] == 1, f"reference outputs: {verified['cases'][0]['reason'] or 'equal'}")
    data = f"@{folder}/calib.json" if (folder / "calib.json").exists() else f"onnx:{folder}"
    shapes = given_shapes(folder)
    layers = mixdown("inspect", folder / "model.onnx", *shapes)["layers"]
    with tempfile.TemporaryDirectory(prefix="mixdown-model-") as name:
        tmp = pathlib.Path(name)
        for way, net in quantized(folder, tmp, data, layers):
            print(f"{way}:")
            if brief:
                check_that_it_runs(net, tmp / "0.mxd", shapes)
                break
            check_engine(net, tmp / "0.mxd", data, shapes)
    if failures:
        sys.exit(f"{len(failures)} failed")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[-1]).resolve(), "--brief" in sys.argv)
