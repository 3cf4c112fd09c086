# SPDX-License-Identifier: Apache-2.0
"""`compare` layer by layer: two engines are compared where their values mean the same, however each writes its precision."""
import unittest

from tool import Case, tiny_onnx

FLOAT, INT8, UINT8 = tiny_onnx.FLOAT, tiny_onnx.INT8, tiny_onnx.UINT8


class Layers(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        r = cls.run_program("calibrate", cls.clamped(), "--data", cls.data, "-o", "c.json")
        assert r.code == 0, r

    @classmethod
    def network(cls, name, nodes, constants):
        r = tiny_onnx.Numbers(5)
        weights = [tiny_onnx.tensor("one.weight", FLOAT, [4, 2, 3, 3], r(72)), tiny_onnx.tensor("two.weight", FLOAT, [3, 4, 1, 1], r(12))]
        path = cls.folder / name
        path.write_bytes(tiny_onnx.model(nodes, [tiny_onnx.value("x", FLOAT, ["N", 2, 6, 6])], [tiny_onnx.value("y", FLOAT, ["N", 3, 6, 6])], weights + constants))
        return name

    @classmethod
    def clamped(cls):
        """A clamp that cuts off most of what the layer before it makes."""
        nodes = [tiny_onnx.node("Conv", ["x", "one.weight"], ["a"], "one", pads=[1, 1, 1, 1]),
                 tiny_onnx.node("Clip", ["a", "low", "high"], ["b"], "clip"), tiny_onnx.node("Conv", ["b", "two.weight"], ["y"], "two")]
        return cls.network("clamped.onnx", nodes, [tiny_onnx.tensor("low", FLOAT, [], [0.0]), tiny_onnx.tensor("high", FLOAT, [], [0.5])])

    def sqnr(self, a, b):
        r = self.ok("compare", a, b, "--data", self.data, "--duration", "0")
        self.assertEqual([layer["node"] for layer in r["layers"]], ["one", "two"])
        return [layer["sqnr_db"] for layer in r["layers"]]

    def test_every_precision_beside_floats(self):
        for precision, least in (("bf16", 40), ("f16", 60), ("w8a8", 30), ("w6a6", 18), ("w8-f32", 35), ("w8-bf16", 35)):
            self.ok("quantize", "clamped.onnx", "--precision", precision, "--calibration", "c.json", "-o", "q.onnx")
            for pair in (("clamped.onnx", "q.onnx"), ("q.onnx", "clamped.onnx")):
                self.assertGreater(min(self.sqnr(*pair)), least, (precision, pair))

    def test_one_layer_each(self):
        """The layer before the clamp in 16 bits, the one behind it as integers, and the other way around."""
        for first, second in (("bf16", "w8a8"), ("w8a8", "bf16"), ("f32", "w8a8"), ("w6a6", "f32")):
            self.write("r.json", f'[{{"names": ["one"], "precision": "{first}"}}, {{"names": ["two"], "precision": "{second}"}}]')
            self.ok("quantize", "clamped.onnx", "--recipe", "r.json", "--calibration", "c.json", "-o", "q.onnx")
            self.assertGreater(min(self.sqnr("clamped.onnx", "q.onnx")), 18, (first, second))

    def test_clamp_behind_the_quantizer(self):
        """As other tools write it; and without the clamp, which the range of the integers makes needless."""
        pair = lambda x, y, p: [tiny_onnx.node("QuantizeLinear", [x, p, p + "_zero"], [y + "q"], "q_" + y),
                                tiny_onnx.node("DequantizeLinear", [y + "q", p, p + "_zero"], [y], "d_" + y)]
        parameters = [tiny_onnx.tensor("wide", FLOAT, [], [2**-4]), tiny_onnx.tensor("wide_zero", UINT8, [], [128]),
                      tiny_onnx.tensor("fine", FLOAT, [], [0.5 / 255]), tiny_onnx.tensor("fine_zero", UINT8, [], [0]),
                      tiny_onnx.tensor("low", FLOAT, [], [0.0]), tiny_onnx.tensor("high", FLOAT, [], [0.5])]
        first, second = tiny_onnx.node("Conv", ["x", "one.weight"], ["a"], "one", pads=[1, 1, 1, 1]), tiny_onnx.node("Conv", ["c", "two.weight"], ["y"], "two")
        clip = tiny_onnx.node("Clip", ["b", "low", "high"], ["b2"], "clip")
        self.network("behind.onnx", [first, *pair("a", "b", "wide"), clip, *pair("b2", "c", "fine"), second], parameters)
        self.network("without.onnx", [first, *pair("a", "c", "fine"), second], parameters)
        self.assertGreater(min(self.sqnr("clamped.onnx", "behind.onnx")), 15)
        for pair in (("clamped.onnx", "without.onnx"), ("without.onnx", "clamped.onnx")):
            self.assertGreater(min(self.sqnr(*pair)), 40)
        self.assertGreater(min(self.sqnr("without.onnx", "without.onnx")), 300)

    def test_clamp_behind_something_else(self):
        """What stands before the clamp is compared where one side has more than the clamp behind the layer."""
        bounds = [tiny_onnx.tensor("low", FLOAT, [], [0.0]), tiny_onnx.tensor("high", FLOAT, [], [0.5])]
        nodes = [tiny_onnx.node("Conv", ["x", "one.weight"], ["a"], "one", pads=[1, 1, 1, 1]), tiny_onnx.node("MaxPool", ["a"], ["m"], "pool", kernel_shape=[1, 1]),
                 tiny_onnx.node("Clip", ["m", "low", "high"], ["b"], "clip"), tiny_onnx.node("Conv", ["b", "two.weight"], ["y"], "two")]
        self.network("pooled.onnx", nodes, bounds)
        for pair in (("clamped.onnx", "pooled.onnx"), ("pooled.onnx", "clamped.onnx")):
            self.assertGreater(min(self.sqnr(*pair)), 100)


if __name__ == "__main__":
    unittest.main()
