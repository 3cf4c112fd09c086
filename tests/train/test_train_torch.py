#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One step of training beside PyTorch's: the same weights and batch, every parameter's gradient within 1e-4 of its length.

- Float: a small network with batch normalization, a depthwise layer, a residual and pools, against torch's own operators in binary32.
- Quantized: MINMAX, LSQ and LSQ+ written here from docs/training.md. Integers come from docs/numerics.md and must be those of
  training bit for bit; gradients from torch.autograd over what they stand for, in binary64.

Exits with 77, which ctest shows as skipped, where torch cannot be imported."""
import collections
import copy
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

try:
    import numpy as np
    import torch
    import torch.nn.functional as F
except ImportError as e:
    print(f"skipped: {e} in {sys.executable} (Debian: apt install python3-torch)")
    sys.exit(77)

SOURCE = pathlib.Path(os.environ.get("MIXDOWN_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
BUILD = pathlib.Path(os.environ.get("MIXDOWN_BUILD", SOURCE / "build"))
sys.dont_write_bytecode = True
sys.path.insert(0, str(SOURCE / "tests" / "data"))
import tiny_onnx as onnx  # noqa: E402

BATCH, CLASSES, SIDE = 32, 5, 10
TOLERANCE = 1e-4


def conv(x, y, name, bias=True, **attributes):
    return onnx.node("Conv", [x, name + ".weight"] + [name + ".bias"] * bias, [y], name, **attributes)


# ---- the two networks: their nodes, and what torch needs to know of their parameters

def float_nodes():
    three = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}

    def norm(x, y, name):
        return onnx.node("BatchNormalization", [x] + [f"{name}.{r}" for r in ("gamma", "beta", "mean", "var")], [y], name)
    return [
        conv("x", "a0", "stem", False, **three), norm("a0", "a1", "stem_bn"), onnx.node("Relu", ["a1"], ["a"], "relu_a"),
        conv("a", "b0", "depthwise", False, group=8, **three), norm("b0", "b1", "depthwise_bn"), onnx.node("Relu", ["b1"], ["b2"], "relu_b"),
        conv("b2", "b3", "linear", False, kernel_shape=[1, 1]), norm("b3", "b4", "linear_bn"),
        onnx.node("Add", ["b4", "a"], ["c"], "sum"),
        onnx.node("MaxPool", ["c"], ["d"], "max", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        conv("d", "e0", "wide", True, strides=[2, 2], **three), onnx.node("LeakyRelu", ["e0"], ["e"], "leaky", alpha=0.125),
        onnx.node("AveragePool", ["e"], ["f"], "mean", kernel_shape=[2, 2], pads=[1, 1, 0, 0], count_include_pad=1),
        onnx.node("GlobalAveragePool", ["f"], ["g"], "all"), onnx.node("Flatten", ["g"], ["h"], "flat"),
        onnx.node("Gemm", ["h", "head.weight", "head.bias"], ["y"], "head", transB=1),
    ]


def float_forward(p, x):
    def norm(v, name):
        return F.batch_norm(v, None, None, p[name + ".gamma"], p[name + ".beta"], training=True, eps=1e-5)
    a = F.relu(norm(F.conv2d(x, p["stem.weight"], padding=1), "stem_bn"))
    b = F.relu(norm(F.conv2d(a, p["depthwise.weight"], padding=1, groups=8), "depthwise_bn"))
    c = norm(F.conv2d(b, p["linear.weight"]), "linear_bn") + a
    d = F.max_pool2d(c, 3, 2, 1)
    e = F.leaky_relu(F.conv2d(d, p["wide.weight"], p["wide.bias"], stride=2, padding=1), 0.125)
    f = F.avg_pool2d(F.pad(e, (1, 0, 1, 0)), 2, 1)
    return F.linear(f.mean((2, 3)), p["head.weight"], p["head.bias"])


FLOAT_SHAPES = {
    "stem.weight": (8, 3, 3, 3), "depthwise.weight": (8, 1, 3, 3), "linear.weight": (8, 8, 1, 1), "wide.weight": (20, 8, 3, 3), "wide.bias": (20,),
    "head.weight": (CLASSES, 20), "head.bias": (CLASSES,),
    **{f"{n}_bn.{r}": (8,) for n in ("stem", "depthwise", "linear") for r in ("gamma", "beta", "mean", "var")},
}


def quantized_nodes():
    return [
        conv("x", "a0", "first", kernel_shape=[3, 3], pads=[1, 1, 1, 1]), onnx.node("Relu", ["a0"], ["a"], "relu_a"),
        conv("a", "b", "linear", kernel_shape=[1, 1]),
        conv("b", "c", "third", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        onnx.node("Add", ["c", "a"], ["d0"], "sum"), onnx.node("Relu", ["d0"], ["d1"], "relu_d"),
        onnx.node("MaxPool", ["d1"], ["d2"], "max", kernel_shape=[2, 2], strides=[2, 2]), onnx.node("Flatten", ["d2"], ["d"], "flat"),
        onnx.node("Gemm", ["d", "head.weight", "head.bias"], ["y"], "head", transB=1),
    ]


QUANTIZED_SHAPES = {
    "first.weight": (8, 3, 3, 3), "first.bias": (8,), "linear.weight": (8, 8, 1, 1), "linear.bias": (8,), "third.weight": (8, 8, 3, 3), "third.bias": (8,),
    "head.weight": (CLASSES, 8 * SIDE * SIDE // 4), "head.bias": (CLASSES,),
}


# ---- quantizers from docs/training.md: u in steps, lo and hi the ends behind the zero point

class StraightThrough(torch.autograd.Function):
    """s*q; ds and dz as LSQ and LSQ+ have them, MINMAX ignores them. u is exact in binary32, v and s carry gradients. The step is
    along the last axes of v where s has several."""
    @staticmethod
    def forward(ctx, v, s, z, u, lo, hi, n):
        q = torch.round(torch.clamp(u, lo, hi))
        ctx.save_for_backward(s, u, q)
        ctx.ends = lo, hi, n
        return q.double() * s

    @staticmethod
    def backward(ctx, g):
        s, u, q = ctx.saved_tensors
        lo, hi, n = ctx.ends
        under, over = u <= lo, u >= hi
        inside = (u >= lo) & (u <= hi)
        step = torch.where(under, torch.full_like(u, lo), torch.where(over, torch.full_like(u, hi), q - u)).double()
        scale = 1.0 / np.sqrt(n * hi)
        axes = [k for k in range(g.dim()) if s.dim() == 0 or s.shape[k] == 1]
        ds = (g * step).sum(axes, keepdim=s.dim() > 0) * scale
        dz = -(g * (under | over) * s).sum() * scale
        return g * inside, ds, dz, None, None, None, None


def leaf(x):
    return torch.tensor(x, dtype=torch.float64, requires_grad=True)


class Activation:
    """A quantized value: what it stands for, its integers and its step."""

    def __init__(self, quantizer, v, u):
        self.lo, self.hi, self.step = float(quantizer.q_min - quantizer.z), float(quantizer.q_max - quantizer.z), quantizer.s
        self.s, self.z = leaf(float(quantizer.s)), leaf(float(quantizer.z))
        self.real = StraightThrough.apply(v, self.s, self.z, u, self.lo, self.hi, v[0].numel())
        self.q = torch.round(torch.clamp(u, self.lo, self.hi)).double()


class Layer:
    """Integer sums and what they stand for."""

    def __init__(self, p, name, x, s, learned, bits, product):
        hi = float(2 ** (bits - 1) - 1)
        w, b = p[name + ".weight"], p[name + ".bias"]
        shape = (-1,) + (1,) * (w.dim() - 1)
        u = w.detach().float() / torch.from_numpy(s).reshape(shape)
        u = u if learned else torch.clamp(u, -hi, hi)  # the largest weight is the bound, whatever the division's rounding says
        self.s = leaf(s.astype(np.float64)).reshape(shape)
        self.s.retain_grad()
        wide = StraightThrough.apply(w, self.s, torch.zeros(()).double(), u, -hi, hi, w[0].numel())
        q = torch.round(torch.clamp(u, -hi, hi)).double()
        self.step = x.step.astype(np.float64) * s.astype(np.float64)
        self.acc = product(x.q, q, torch.from_numpy(np.rint(b.detach().numpy() / self.step))).detach()
        self.real = product(x.real, wide, b)

    def times(self, s_y):
        """(float)acc * M, in steps of s_y."""
        m = torch.from_numpy((self.step / np.float64(s_y)).astype(np.float32))
        return self.acc.float() * m.reshape((1, -1) + (1,) * (self.acc.dim() - 2))


def quantized_forward(p, dump, bits):
    def at(name, x, product):
        return Layer(p, name, x, *dump.weight_steps(name, p[name + ".weight"], bits), bits, product)
    quantizer = dump.quantizers
    x = torch.from_numpy(dump.load("x"))
    a_x = Activation(quantizer["x"], x.double(), x / quantizer["x"].s)

    def same(v, w, b):
        return F.conv2d(v, w, b, padding=w.shape[2] // 2)
    first = at("first", a_x, same)
    a = Activation(quantizer["a"], first.real * (first.acc > 0), F.relu(first.times(quantizer["a"].s)))
    linear = at("linear", a, same)
    b = Activation(quantizer["b"], linear.real, linear.times(quantizer["b"].s))
    third = at("third", b, same)
    ratio = np.float32(np.float64(a.step) / np.float64(quantizer["d1"].s))  # one rounding: the product of two binary32 is exact in binary64
    u = (a.q * float(ratio) + third.times(quantizer["d1"].s).double()).float()
    d1 = Activation(quantizer["d1"], (third.real + a.real) * (u > 0), F.relu(u))
    d = copy.copy(d1)
    d.q, where = F.max_pool2d(d1.q, 2, return_indices=True)  # of integers: equal ones are frequent, the first wins
    d.q, d.real = d.q.flatten(1), d1.real.flatten(2).gather(2, where.flatten(2)).flatten(1)
    activations = {"x": a_x, "a": a, "b": b, "d1": d1}
    if quantizer["d"] != quantizer["d1"]:  # another step behind the pool: the engine has a table
        d = activations["d"] = Activation(quantizer["d"], d.real, d.q.float() * d.step / quantizer["d"].s)
    head = at("head", d, F.linear)
    logits = head.acc.float() * torch.from_numpy(head.step.astype(np.float32))
    return logits, head.real, activations, {"first": first, "linear": linear, "third": third, "head": head}


# ---- running

Quantizer = collections.namedtuple("Quantizer", "s z q_min q_max")

class Dump:
    def __init__(self, folder, nodes, shapes, precision, method, smoothing=0.0, seed=1):
        self.folder = folder
        rng = np.random.default_rng(seed)
        self.p = {}
        for name, shape in shapes.items():
            fan = np.prod(shape[1:]) if len(shape) > 1 else 1.0
            values = rng.standard_normal(shape) * (np.sqrt(2.0 / fan) if len(shape) > 1 else 0.2)
            values = np.abs(values) + 0.5 if name.endswith(("gamma", "var")) else values
            self.p[name] = values.astype(np.float32)
        constants = [onnx.tensor(n, onnx.FLOAT, v.shape, v.flatten().tolist()) for n, v in self.p.items()]
        ends = [onnx.value("x", onnx.FLOAT, ["N", 3, SIDE, SIDE])], [onnx.value("y", onnx.FLOAT, ["N", CLASSES])]
        (folder / "net.onnx").write_bytes(onnx.model(nodes, *ends, constants))
        np.save(folder / "in.npy", rng.standard_normal((BATCH, 3, SIDE, SIDE)).astype(np.float32))
        np.save(folder / "labels.npy", rng.integers(0, CLASSES, BATCH))
        argv = [BUILD / "tests" / "dump_training", folder / "net.onnx", folder / "in.npy", folder / "labels.npy", precision, method, smoothing, folder]
        subprocess.run([str(a) for a in argv], check=True, timeout=120)
        self.label = torch.from_numpy(self.load("label"))
        self.params = (folder / "params.txt").read_text().split("\n")[:-1]
        self.values = (folder / "values.txt").read_text().split("\n")[:-1]
        self.quantizers = {}
        for k, line in enumerate((folder / "quantizers.txt").read_text().split("\n")[:-1]):
            name, z, q_min, q_max = line.rsplit(" ", 3)
            self.quantizers[name.removesuffix("_quantized")] = Quantizer(self.load(f"scale_{k}")[0], int(z), int(q_min), int(q_max))

    def load(self, name):
        return np.load(self.folder / (name + ".npy"))

    def weight(self, name):
        return self.load(f"weight_{self.params.index(name)}")

    def grad(self, name):
        return self.load(f"grad_{self.params.index(name)}")

    def value(self, name):
        return self.load(f"value_{self.values.index(name)}")

    def weight_steps(self, name, w, bits):
        """Learned ones, or the largest magnitude of each channel over the largest integer; whether they are learned."""
        if f"{name}.weight.scale" in self.params:
            return self.weight(f"{name}.weight.scale"), True
        most = w.detach().numpy().astype(np.float32).reshape(w.shape[0], -1)
        return np.abs(most).max(1) / np.float32(2 ** (bits - 1) - 1), False


class Torch(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="mixdown-torch-")
        self.folder = pathlib.Path(self.temporary.name)

    def tearDown(self):
        self.temporary.cleanup()

    def near(self, name, got, want):
        got, want = np.asarray(got, np.float64).flatten(), np.asarray(want, np.float64).flatten()
        off = np.linalg.norm(got - want) / max(np.linalg.norm(want), 1e-30)
        self.assertLess(off, TOLERANCE, f"{name}: {got[:3]}, {want[:3]} expected")

    def test_float(self):
        for smoothing in (0.0, 0.1):
            d = Dump(self.folder, float_nodes(), FLOAT_SHAPES, "f32", "lsq", smoothing)
            p = {n: torch.tensor(v, requires_grad=True) for n, v in d.p.items()}
            logits = float_forward(p, torch.from_numpy(d.load("x")))
            self.near("logits", d.load("logits"), logits.detach())
            F.cross_entropy(logits, d.label, label_smoothing=smoothing).backward()
            for name in FLOAT_SHAPES:
                if not name.endswith(("mean", "var")):
                    self.near(name, d.grad(name), p[name].grad)

    def quantized(self, precision, method):
        bits = int(precision[1])
        d = Dump(self.folder, quantized_nodes(), QUANTIZED_SHAPES, precision, method, seed=2)
        p = {n: leaf(v) for n, v in d.p.items()}
        logits, real, activations, layers = quantized_forward(p, d, bits)
        self.assertEqual(sorted(d.quantizers), ["a", "b", "d", "d1", "x"])
        for name, a in activations.items():
            got = d.value(name + "_quantized").reshape(a.q.shape)
            self.assertTrue(np.array_equal(got, a.q.numpy()), f"{precision} {method}: {name}")
        self.assertTrue(np.array_equal(d.load("logits").reshape(logits.shape), logits.numpy()), f"{precision} {method}: logits")
        exact = real + (logits.double() - real).detach()
        F.cross_entropy(exact, d.label).backward()
        compared = 0
        for name in QUANTIZED_SHAPES:
            self.near(f"{precision} {method}: {name}", d.grad(name), p[name].grad)
        for name, layer in layers.items():
            if f"{name}.weight.scale" in d.params:
                self.near(f"{precision} {method}: step of {name}", d.grad(f"{name}.weight.scale"), layer.s.grad)
                compared += 1
        for name in set(activations) - {"x"}:  # no parameter is in front of the input's
            for which, grad in (("scale", activations[name].s.grad), ("offset", activations[name].z.grad)):
                if f"{name}_quantized.{which}" in d.params:
                    self.near(f"{precision} {method}: {which} of {name}", d.grad(f"{name}_quantized.{which}"), grad)
                    compared += 1
        self.assertEqual(compared, {"minmax": 0, "lsq": 8, "lsq+": 9}[method], d.params)

    def test_minmax(self):
        for precision in ("w8a8", "w4a4", "w4a8"):
            self.quantized(precision, "minmax")

    def test_lsq(self):
        for precision in ("w8a8", "w4a4", "w3a6"):
            self.quantized(precision, "lsq")

    def test_lsq_plus(self):
        for precision in ("w8a8", "w4a4"):
            self.quantized(precision, "lsq+")


if __name__ == "__main__":
    unittest.main()
