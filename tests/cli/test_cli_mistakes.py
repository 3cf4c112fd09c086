# SPDX-License-Identifier: Apache-2.0
"""A newcomer's mistakes: each gets its exit code, one line on stderr that holds the words which help, and with --json an
error object on stdout."""
import unittest

from tool import Case, tiny_onnx


class Mistakes(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.write("not.onnx", "hello\n")
        cls.write("empty.onnx", "")
        cls.write("odd.onnx", tiny_onnx.residual(extra=("Quaternion", "turn")))
        cls.write("shape.npy", tiny_onnx.npy([1, 2, 5, 6], [0.0] * 60))
        cls.write("dtype.npy", tiny_onnx.npy([1, 2, 6, 6], [0] * 72, "<i8"))
        cls.write("nan.npy", tiny_onnx.npy([2, 2, 6, 6], [0.0] * 100 + [float("nan")] + [0.0] * 43))
        cls.write("typos.json", '[{"op_types": ["Convv"], "quant_bits": 8, "quant_typos": ["weight"]}]')
        cls.write("own_typos.json", '[{"nams": ["stem"], "precision": "w8a9"}, {"op_types": ["Gem"], "precision": "f32", "scheme": "afine"}]')
        cls.write("no_layer.json", '[{"names": ["stm", "haed"], "precision": "w8a8"}]')
        cls.write("broken.json", '[{"names": ["stem"],\n  "precision" "w8a8"}]')
        for argv in (["build", "quantized.onnx", "-o", "e.mxd"], ["calibrate", "residual.onnx", "--data", cls.data, "-o", "c.json"]):
            r = cls.run_program(*argv)
            assert r.code == 0, r
        raw = (cls.folder / "e.mxd").read_bytes()
        cls.write("cut.mxd", raw[: len(raw) // 2])
        flipped = bytearray(raw)
        flipped[len(raw) // 2] ^= 0x10
        cls.write("flip.mxd", bytes(flipped))
        other = bytearray(raw)
        other[8] = 99
        cls.write("version.mxd", bytes(other))

    def test_files_that_are_none(self):
        self.mistake(1, "nowhere.onnx", "inspect", "nowhere.onnx")
        self.mistake(1, "not.onnx ONNX", "inspect", "not.onnx")
        self.mistake(1, "empty.onnx", "build", "empty.onnx", "-o", "x.mxd")
        self.mistake(1, "folder", "inspect", ".")
        self.mistake(1, "nowhere.json", "quantize", "residual.onnx", "--recipe", "nowhere.json", "-o", "q.onnx")
        self.mistake(1, "nowhere.npy", "run", "e.mxd", "--input", "nowhere.npy")
        self.mistake(1, "nowhere", "verify", "nowhere")

    def test_words_that_are_none(self):
        self.mistake(2, "inspekt inspect", "inspekt", "residual.onnx")
        self.mistake(2, "inspekt inspect", "help", "inspekt")
        self.mistake(2, "--shap --shape", "inspect", "residual.onnx", "--shap", "1")
        self.mistake(2, "-z", "inspect", "residual.onnx", "-z")
        self.mistake(2, "-o --output", "build", "residual.onnx")
        self.mistake(2, "NET", "inspect")
        self.mistake(2, "unexpected more.onnx", "inspect", "residual.onnx", "more.onnx")
        self.mistake(2, "--iterations many", "bench", "e.mxd", "--iterations", "many")
        self.mistake(2, "--batch 8,1", "build", "residual.onnx", "-o", "x.mxd", "--batch", "8,1")
        self.mistake(2, "--shape 1xtwo", "inspect", "residual.onnx", "--shape", "x=1xtwo")
        self.mistake(2, "--threads 0", "bench", "e.mxd", "--threads", "0")
        self.mistake(2, "avx1024 avx", "bench", "residual.onnx", "--isa", "avx1024")
        self.mistake(2, "cpuu cpu", "bench", "residual.onnx", "--backend", "cpuu")
        self.mistake(2, "minmaxx minmax", "calibrate", "residual.onnx", "--data", self.data, "-o", "d.json", "--method", "minmaxx")
        self.mistake(2, "--exact", "build", "residual.onnx", "-o", "x.mxd", "--exact=yes")
        self.mistake(2, "--fail-on", "compare", "e.mxd", "e.mxd", "--duration", "0", "--fail-on", "top1=3")

    def test_what_is_not_supported(self):
        self.mistake(3, "Quaternion turn", "build", "odd.onnx", "-o", "x.mxd")
        self.mistake(3, "Quaternion turn", "bench", "odd.onnx", "--iterations", "1")
        self.mistake(3, "w16a16", "quantize", "residual.onnx", "--precision", "w16a16", "--data", self.data, "-o", "q.onnx")
        self.mistake(3, "i8mm", "bench", "residual.onnx", "--isa", "i8mm", "--iterations", "1")
        self.mistake(2, "timed", "build", "residual.onnx", "-o", "x.mxd", "--algorithms", "time")
        self.mistake(2, "fixed", "build", "residual.onnx", "-o", "x.mxd", "--algorithms", "fixed", "--timingCache", "t.json")
        for text, says in (("", "line 1"), ("[]", "not a timing cache"), ('{"mixdown_timing_cache": 2}', "version 2"), ('{"mixdown_timing_cache": 1, "choices": [{}]}', "'device'")):
            (self.folder / "t.json").write_text(text)
            self.mistake(1, says, "build", "residual.onnx", "-o", "x.mxd", "--timingCache", "t.json")
            self.assertEqual((self.folder / "t.json").read_text(), text)

    def test_inputs_that_do_not_fit(self):
        self.mistake(1, "1x2x6x6 1x2x5x6", "run", "e.mxd", "--input", "shape.npy", "--output", "o")
        self.mistake(1, "2x6x6 5", "run", "residual.onnx", "--input", "shape.npy", "--output", "o")
        self.mistake(1, "f32 s64", "run", "e.mxd", "--input", "dtype.npy", "--output", "o")
        self.mistake(2, "left", "run", "two_ends.onnx", "--input", "right=x.npy")
        self.mistake(1, "npy not.onnx", "run", "e.mxd", "--input", "not.onnx")

    def test_data(self):
        self.mistake(1, "nan sample 1", "calibrate", "residual.onnx", "--data", "npy:nan.npy", "-o", "d.json")
        self.mistake(2, "sclae scale", "eval", "e.mxd", "--data", "npy:x.npy,sclae=1")
        self.mistake(2, "nyp npy", "eval", "e.mxd", "--data", "nyp:x.npy")
        self.mistake(2, "labels", "eval", "e.mxd", "--data", "npy:x.npy")
        self.mistake(1, "2x5x6 2x6x6", "calibrate", "residual.onnx", "--data", "npy:shape.npy", "-o", "d.json")
        self.mistake(2, "--data calibration", "quantize", "residual.onnx", "--precision", "w8a8", "-o", "q.onnx")
        quantize = ["quantize", "residual.onnx", "--precision", "w4a8", "--calibration", "c.json", "-o", "q.onnx"]
        self.mistake(2, "adarond adaround", *quantize, "--data", self.data, "--repair", "bias,adarond")
        self.mistake(2, "none,cle cle", *quantize, "--data", self.data, "--repair", "none,cle")
        for repair in ("bias", "adaround"):
            self.mistake(2, f"{repair} --data", *quantize, "--repair", repair)
        self.mistake(2, "blok block", *quantize, "--data", self.data, "--repair", "adaround", "--reconstruct", "blok")
        self.mistake(2, "block adaround", *quantize, "--data", self.data, "--repair", "bias", "--reconstruct", "block")
        self.write("a.json", '[{"precision": "w4-f32", "rounding": "adaround"}]')
        self.mistake(2, "adaround --data", "quantize", "residual.onnx", "--recipe", "a.json", "-o", "q.onnx")

    def test_recipes(self):
        quantize = ["quantize", "residual.onnx", "--calibration", "c.json", "-o", "q.onnx", "--recipe"]
        self.mistake(2, "typos.json Convv Conv quant_typos quant_types", *quantize, "typos.json")
        self.mistake(2, "nams names w8a9 Gem Gemm afine affine", *quantize, "own_typos.json")
        self.mistake(2, "stm stem haed head", *quantize, "no_layer.json")
        self.mistake(1, "broken.json line 2", *quantize, "broken.json")
        self.mistake(2, "w8a88", "quantize", "residual.onnx", "--calibration", "c.json", "-o", "q.onnx", "--precision", "w8a88")
        self.mistake(2, "--nni-dialect v2 v3", "quantize", "residual.onnx", "--calibration", "c.json", "-o", "q.onnx", "--precision", "w8a8", "--nni-dialect", "v4")
        self.write("nni.json", '{"stm": {"weight_bits": 8}}')
        self.mistake(2, "stm stem", "quantize", "residual.onnx", "--calibration", "nni.json", "-o", "q.onnx", "--precision", "w8a8")
        self.write("nni_typo.json", '{"stem": {"weight_bitts": 8}}')
        self.mistake(1, "nni_typo.json stem weight_bits", "inspect", "nni_typo.json")
        self.mistake(2, "--recipe --precision", "quantize", "residual.onnx", "--calibration", "c.json", "-o", "q.onnx")
        self.mistake(1, "e.mxd", "quantize", "e.mxd", "--calibration", "c.json", "-o", "q.onnx", "--precision", "w8a8")

    def test_engines(self):
        for command in (["audit"], ["bench", "--iterations", "1"], ["run", "--input", "x.npy"]):
            self.mistake(1, "cut.mxd cut short", command[0], "cut.mxd", *command[1:])
            self.mistake(1, "flip.mxd checksum", command[0], "flip.mxd", *command[1:])
            self.mistake(1, "version.mxd version 99", command[0], "version.mxd", *command[1:])

    def test_outputs_that_cannot_be(self):
        self.mistake(1, "/proc/nowhere", "build", "residual.onnx", "-o", "/proc/nowhere/x.mxd")
        self.mistake(1, "folder", "build", "residual.onnx", "-o", "case_relu")
        self.mistake(1, "/proc/nowhere", "calibrate", "residual.onnx", "--data", self.data, "-o", "/proc/nowhere/c.json")
        self.mistake(1, "/proc/nowhere", "quantize", "residual.onnx", "--precision", "w4-f32", "-o", "/proc/nowhere/q.onnx")
        self.mistake(1, "x.npy", "run", "e.mxd", "--input", "x.npy", "--output", "x.npy")


if __name__ == "__main__":
    unittest.main()
