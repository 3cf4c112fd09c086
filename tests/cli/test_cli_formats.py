# SPDX-License-Identifier: Apache-2.0
"""`build --inputIOFormats`: engines fed with bytes of pictures give what the network gives for the same pictures scaled before."""
import unittest

from tool import Case, tiny_onnx

FLOAT = tiny_onnx.FLOAT
SCALING = "scale=1/255,mean=0.485:0.456:0.406,std=0.229:0.224:0.225"
LAST = f"npy:last.npy,labels=labels.npy,layout=nhwc,{SCALING}"


class Formats(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        r = tiny_onnx.Numbers(3)
        nodes = [tiny_onnx.node("Conv", ["x", "one.weight"], ["a"], "one", kernel_shape=[3, 3], pads=[1, 1, 1, 1]), tiny_onnx.node("Relu", ["a"], ["b"], "relu"),
                 tiny_onnx.node("Conv", ["b", "two.weight"], ["c"], "two", kernel_shape=[6, 5]), tiny_onnx.node("Flatten", ["c"], ["y"], "flatten")]
        constants = [tiny_onnx.tensor("one.weight", FLOAT, [8, 3, 3, 3], r(216)), tiny_onnx.tensor("two.weight", FLOAT, [3, 8, 6, 5], r(720))]
        cls.write("net.onnx", tiny_onnx.model(nodes, [tiny_onnx.value("x", FLOAT, ["N", 3, 6, 5])], [tiny_onnx.value("y", FLOAT, ["N", 3])], constants))
        seed, cls.pictures = 7, []
        for _ in range(11 * 90):
            seed = (seed * 1103515245 + 12345) % 2**31
            cls.pictures.append(seed >> 16 & 255)
        cls.write("last.npy", tiny_onnx.npy([11, 6, 5, 3], cls.pictures, "|u1"))
        first = [cls.pictures[(n * 30 + p) * 3 + c] for n in range(11) for c in range(3) for p in range(30)]
        cls.write("first.npy", tiny_onnx.npy([11, 3, 6, 5], first, "|u1"))
        cls.write("labels.npy", tiny_onnx.npy([11], [k % 3 for k in range(11)], "<i8"))
        r = cls.run_program("quantize", "net.onnx", "-o", "q.onnx", "--precision", "w8a8", "--data", LAST)
        assert r.code == 0, r

    def output(self, engine, *options):
        """Predictions as `run` writes them."""
        self.ok("run", engine, "--output", "out", *options)
        return (self.folder / "out" / "y.npy").read_bytes()

    def test_same_outputs_on_every_instruction_set(self):
        for net in "net.onnx", "q.onnx":
            exact = ["--exact"] if net == "net.onnx" else []
            for where in ["--isa", "scalar"], ["--isa", "avx2"], ["--isa", "avx512"], [], ["--backend", "interp"]:
                build = self.run_program("build", net, "-o", "f.mxd", "--batch", "8", *where, *exact)
                if build.code == 3:  # an instruction set that this machine lacks
                    continue
                self.assertEqual(build.code, 0, build)
                self.ok("build", net, "-o", "h.mxd", "--batch", "8", "--inputIOFormats", "u8:hwc", "--preprocess", SCALING, *where, *exact)
                self.ok("build", net, "-o", "c.mxd", "--batch", "8", "--inputIOFormats=u8:chw", f"--preprocess={SCALING}", *where, *exact)
                last, first = self.output("h.mxd", "--input", "last.npy"), self.output("c.mxd", "--input", "x=first.npy")
                self.assertEqual(last, first)
                for engine in "h.mxd", "c.mxd":
                    r = self.ok("compare", "f.mxd", engine, "--data", LAST, "--duration", "0")
                    self.assertTrue(r["integers_equal"] and r["end_to_end_equal"], r)
                    self.assertEqual(r["agreement"], 1)
                    self.assertEqual(r["a"]["top1"], self.ok("eval", engine, "--data", LAST)["top1"])

    def test_one_lookup_in_front(self):
        self.ok("build", "q.onnx", "-o", "h.mxd", "--inputIOFormats", "u8:hwc", "--preprocess", SCALING)
        layers = self.ok("bench", "h.mxd", "--iterations", "2", "--duration", "0", "--warmUp", "0", "--dumpProfile")["layers"]
        self.assertIn("lookup_channels", layers[0]["kernel"])
        self.assertNotIn("lookup_channels", layers[1]["kernel"])
        rows = {row["node"]: row for row in self.ok("audit", "h.mxd")["layers"]}
        for op in "Transpose", "Cast", "Mul", "Sub", "Div":
            self.assertIn("lookup_channels", rows[f"x.{op}"]["kernel"])

    def test_a_model_that_scales_itself(self):
        """TensorFlow's way: cast and scaled with the channels last, then transposed; calibrated, quantized and evaluated on bytes."""
        r = tiny_onnx.Numbers(3)
        nodes = [tiny_onnx.node("Cast", ["x"], ["f"], "cast", to=1), tiny_onnx.node("Sub", ["f", "mean"], ["s"], "sub"), tiny_onnx.node("Div", ["s", "std"], ["d"], "div"),
                 tiny_onnx.node("Transpose", ["d"], ["t"], "transpose", perm=[0, 3, 1, 2]), tiny_onnx.node("Conv", ["t", "w"], ["c"], "conv", kernel_shape=[6, 5]),
                 tiny_onnx.node("Flatten", ["c"], ["y"], "flatten")]
        constants = [tiny_onnx.tensor("w", FLOAT, [4, 3, 6, 5], r(360)), tiny_onnx.tensor("mean", FLOAT, [3], [123.0, 117.0, 104.0]), tiny_onnx.tensor("std", FLOAT, [3], [58.0, 57.0, 57.5])]
        self.write("own.onnx", tiny_onnx.model(nodes, [tiny_onnx.value("x", tiny_onnx.UINT8, ["N", 6, 5, 3])], [tiny_onnx.value("y", FLOAT, ["N", 4])], constants))
        self.ok("quantize", "own.onnx", "-o", "own_q.onnx", "--precision", "w8a8", "--data", LAST)
        for net in "own.onnx", "own_q.onnx":
            layers = self.ok("bench", net, "--iterations", "2", "--duration", "0", "--warmUp", "0", "--dumpProfile")["layers"]
            self.assertEqual((layers[0]["node"], "lookup_channels" in layers[0]["kernel"]), ("cast", True), layers)
            r = self.ok("compare", net, net, "--backend", "interp,cpu", "--data", LAST, "--duration", "0")
            self.assertTrue(r["integers_equal"], r)
            self.assertEqual(r["agreement"], 1)

    def test_inspect(self):
        self.ok("build", "q.onnx", "-o", "h.mxd", "--batch", "4", "--inputIOFormats", "u8:hwc", "--preprocess", "scale=1/255")
        r = self.ok("inspect", "h.mxd")
        self.assertEqual(r["inputs"], [{"name": "x", "dtype": "u8", "shape": ["N", 6, 5, 3], "format": "u8:hwc,scale=1/255"}])
        self.assertEqual((r["outputs"], r["batch"]), ([{"name": "y", "dtype": "f32", "shape": ["N", 3]}], 4))
        self.assertIn("x: u8 Nx6x5x3\ninput x was built as u8:hwc,scale=1/255\n", self.run_program("inspect", "h.mxd").out)
        self.ok("build", "q.onnx", "-o", "f.mxd", "--inputIOFormats", "f32:chw")
        self.assertEqual(self.ok("inspect", "f.mxd")["inputs"], [{"name": "x", "dtype": "f32", "shape": ["N", 3, 6, 5], "format": None}])

    def test_shapes_are_those_of_the_format(self):
        self.ok("build", "net.onnx", "-o", "h.mxd", "--inputIOFormats", "u8:hwc", "--shape", "x=5x6x5x3")
        self.assertEqual(self.ok("inspect", "h.mxd")["inputs"][0]["shape"], [5, 6, 5, 3])
        self.mistake(1, "'x' dimension 1 expected 6 got 3", "build", "net.onnx", "-o", "n.mxd", "--inputIOFormats", "u8:hwc", "--shape", "x=5x3x6x5")

    def test_mistakes(self):
        build = ["build", "net.onnx", "-o", "n.mxd"]
        self.mistake(2, "'u9:hwc' did you mean 'u8:hwc'", *build, "--inputIOFormats", "u9:hwc")
        self.mistake(2, "'pictures' u8:hwc", *build, "--inputIOFormats", "pictures")
        self.mistake(2, "2 input formats 1 input", *build, "--inputIOFormats", "u8:hwc,u8:hwc")
        self.mistake(2, "'x' is f32 u8:hwc 's8:hwc'", *build, "--inputIOFormats", "s8:hwc")
        self.mistake(1, "'x' Nx3xHxW 1 or 3 channels", "build", "residual.onnx", "-o", "n.mxd", "--inputIOFormats", "u8:hwc")
        self.mistake(2, "preprocess no input is u8", *build, "--preprocess", "mean=1")
        self.mistake(2, "preprocess no input is u8", *build, "--inputIOFormats", "f32:chw", "--preprocess", "mean=1")
        self.mistake(2, "preprocess 'skip='", *build, "--inputIOFormats", "u8:hwc", "--preprocess", "skip=1")
        self.mistake(2, "mean 1 or 3 numbers got 2", *build, "--inputIOFormats", "u8:hwc", "--preprocess", "mean=1:2")
        self.ok("build", "net.onnx", "-o", "h.mxd", "--inputIOFormats", "u8:hwc")
        self.mistake(1, "'x' u8 expected got f32", "run", "h.mxd", "--input", "x.npy")
        self.mistake(1, "'x' 6x5x3", "run", "h.mxd", "--input", "first.npy")
        self.write("scaled.npy", tiny_onnx.npy([11, 3, 6, 5], [0.5] * 990))
        self.mistake(1, "'x' u8 expected got f32", "eval", "h.mxd", "--data", "npy:scaled.npy,labels=labels.npy")
        self.mistake(1, "'x' 6x5x3 got", "eval", "h.mxd", "--data", "npy:last.npy,labels=labels.npy,shape=3:5:6")


if __name__ == "__main__":
    unittest.main()
