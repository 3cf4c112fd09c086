# SPDX-License-Identifier: Apache-2.0
"""Every command on tiny networks: what it writes, the keys of its JSON (docs/cli.md), its exit code."""
import json
import re
import unittest

from tool import BUILD, COMMANDS, NETS, Case, tiny_onnx

AUDIT = "node op asked stored computed verdict kernel reason"


class Help(Case):
    def test_list_of_commands(self):
        r = self.run_program("--help")
        self.assertEqual((r.code, r.err), (0, ""))
        for name in COMMANDS:
            self.assertRegex(r.out, rf"(?m)^  {name} +\w")
        self.assertEqual(self.run_program("help").out, r.out)
        nothing = self.run_program()
        self.assertEqual((nothing.code, nothing.out), (2, ""))

    def test_a_page_for_each(self):
        for name in COMMANDS:
            r = self.run_program(name, "--help")
            self.assertEqual((r.code, r.err), (0, ""), r)
            self.assertIn(f"usage: mixdown {name}", r.out)
            self.assertIn("common options:", r.out)
            self.assertEqual(self.run_program("help", name).out, r.out)
            self.assertEqual(self.run_program(name, "-h").out, r.out)
            for line in re.findall(r"(?m)^  -.*\n.*", r.out):  # an option and what it does, beside it or below
                self.assertRegex(line, r"^  (-\w, )?--[\w-]+( \S+)?(  +\S|\n {31}\S)")

    def test_version(self):
        for argv in (["--version"], ["backends", "--version"]):
            r = self.run_program(*argv)
            self.assertEqual(r.code, 0)
            self.assertRegex(r.out, r"mixdown \d+\.\d+\.\d+\n")


class Commands(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for argv in (
            ["calibrate", "residual.onnx", "--data", cls.data, "-o", "c.json"],
            ["quantize", "residual.onnx", "--precision", "w8a8", "--calibration", "c.json", "-o", "q.onnx"],
            ["build", "q.onnx", "-o", "q.mxd", "--batch", "1,4"],
            ["build", "residual.onnx", "-o", "f.mxd", "--batch", "4"],
        ):
            r = cls.run_program(*argv)
            assert r.code == 0, r

    def test_inspect(self):
        r = self.ok("inspect", "residual.onnx")
        self.keys(r, "opset inputs outputs nodes macs parameters weight_bytes layers unsupported")
        self.assertEqual((r["opset"], r["nodes"], r["unsupported"]), (17, 9, []))
        self.assertEqual(r["inputs"], [{"name": "x", "dtype": "f32", "shape": ["N", 2, 6, 6]}])
        self.assertEqual(r["macs"], 36 * 18 * 4 + 36 * 16 + 12)
        self.assertEqual((r["parameters"], r["weight_bytes"]), (107, 428))
        self.keys(r["layers"][0], "node op macs parameters precision")
        fixed = self.ok("inspect", "residual.onnx", "--shape", "x=3x2x6x6")
        self.assertEqual(fixed["inputs"][0]["shape"], [3, 2, 6, 6])
        ranges = self.ok("inspect", "c.json")
        self.keys(ranges["tensors"][0], "tensor min max low high outliers channels dead_channels")
        self.assertEqual(ranges["samples"], 7)

    def test_inspect_unsupported(self):
        self.write("odd.onnx", tiny_onnx.residual(extra=("Quaternion", "turn")))
        r = self.ok("inspect", "odd.onnx", code=3)
        self.keys(r["unsupported"][0], "node op reason hint")
        self.assertEqual((r["unsupported"][0]["node"], r["unsupported"][0]["op"]), ("turn", "Quaternion"))
        self.assertIn("turn", self.run_program("inspect", "odd.onnx", "--why").out)

    def test_verify(self):
        r = self.ok("verify", "case_relu")
        self.keys(r, "cases passed failed refused")
        self.keys(r["cases"][0], "name status reason max_abs_error max_rel_error sqnr_db")
        self.assertEqual((r["passed"], r["cases"][0]["status"]), (1, "pass"))
        wrong = self.folder / "wrong"
        for name in ("model.onnx", "test_data_set_0/input_0.pb"):
            self.write(f"wrong/{name}", (self.folder / "case_relu" / name).read_bytes())
        self.write("wrong/test_data_set_0/output_0.pb", tiny_onnx.tensor("y", tiny_onnx.FLOAT, [2, 3], [0.0, 0.0, 0.5, 2.5, 0.0, 3.0]))
        r = self.ok("verify", wrong, "case_relu", code=1)
        self.assertEqual([c["status"] for c in r["cases"]], ["fail", "pass"])
        self.assertEqual(r["cases"][0]["max_abs_error"], 0.5)
        self.ok("verify", wrong, "--atol", "0.6")
        self.write("wrong/model.onnx", tiny_onnx.model([tiny_onnx.node("Quaternion", ["x"], ["y"])], [tiny_onnx.value("x", 1, [2, 3])], [tiny_onnx.value("y", 1, [2, 3])]))
        r = self.ok("verify", wrong)
        self.assertEqual((r["refused"], r["cases"][0]["status"]), (1, "refused"))
        self.assertIn("Quaternion", r["cases"][0]["reason"])

    def test_calibrate(self):
        for method in ("minmax", "percentile", "mse", "entropy"):
            r = self.ok("calibrate", "residual.onnx", "--data", self.data, "-o", f"{method}.json", "--method", method)
            self.assertEqual(r["samples"], 7)
            saved = json.loads((self.folder / f"{method}.json").read_text())
            self.assertEqual((saved["method"], len(saved["tensors"])), (method, r["tensors"]))

    def test_quantize(self):
        for precision in ("w8a8", "w4a8", "w4-f32", "bf16", "w6a6", "w3-f32", "w4-bf16"):
            r = self.ok("quantize", "residual.onnx", "--precision", precision, "--data", self.data, "-o", "p.onnx")
            self.assertEqual({layer["node"]: layer["precision"] for layer in r["layers"]}, dict.fromkeys(["stem", "branch", "head"], precision))
            self.keys(r["average_bits"], "avg_weight_bits avg_weight_bits_stored avg_act_bits avg_op_bits avg_layer_bits avg_layer_bits_all peak_act_bytes")
            audit = self.ok("audit", "p.onnx")
            asked = {row["asked"] for row in audit["layers"] if row["op"] in ("Conv", "Gemm")}
            self.assertEqual((asked, audit["mismatches"]), ({precision}, 0), precision)
            shown = {row["precision"] for row in self.ok("inspect", "p.onnx")["layers"] if row["op"] in ("Conv", "Gemm")}
            self.assertEqual(shown, {precision})

    def test_quantize_by_recipe(self):
        self.write("r.json", '[{"op_types": ["Conv"], "precision": "w8a8"}, {"names": ["branch"], "precision": "f32"}]')
        r = self.ok("quantize", "residual.onnx", "--recipe", "r.json", "--calibration", "c.json", "-o", "r.onnx")
        self.assertEqual([layer["precision"] for layer in r["layers"]], ["w8a8", "f32", "f32"])
        rows = {row["node"]: row for row in self.ok("audit", "r.onnx")["layers"]}
        self.assertEqual([rows[n]["stored"] for n in ("stem", "branch", "head")], ["w8a8", "f32", "f32"])

    def test_repair(self):
        quantize = ["quantize", "residual.onnx", "--precision", "w4a8", "--data", self.data, "--repair"]
        made = {}
        for repair in ("none", "cle", "bias", "adaround", "cle,bias,adaround"):
            self.ok(*quantize, repair, "-o", f"{repair}.onnx")
            made[repair] = (self.folder / f"{repair}.onnx").read_bytes()
            self.assertEqual(self.ok("audit", f"{repair}.onnx")["mismatches"], 0)
        self.assertEqual(len(set(made.values())), 3)  # nothing to equalize beside a residual
        self.ok(*quantize, "cle,bias,adaround", "-o", "again.onnx", "--threads", "3")
        self.assertEqual(made["cle,bias,adaround"], (self.folder / "again.onnx").read_bytes())
        self.write("a.json", '[{"precision": "w4-f32"}, {"names": ["head"], "precision": "w4-f32", "rounding": "adaround"}]')
        self.ok("quantize", "residual.onnx", "--recipe", "a.json", "--data", self.data, "-o", "a.onnx")
        self.ok("quantize", "residual.onnx", "--precision", "w4a8", "--calibration", "c.json", "--data", self.data, "--repair", "bias", "-o", "b.onnx")

    def test_reconstruct(self):
        r = tiny_onnx.Numbers(5)
        node, tensor, F = tiny_onnx.node, tiny_onnx.tensor, tiny_onnx.FLOAT
        conv = lambda x, y, name: node("Conv", [x, name + ".weight"], [y], name, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        nodes = [
            conv("x", "a", "stem"), node("Relu", ["a"], ["b"], "r0"), conv("b", "c", "one"), node("Relu", ["c"], ["d"], "r1"), conv("d", "e", "two"),
            node("Add", ["b", "e"], ["f"], "sum"), node("Relu", ["f"], ["g"], "r2"), node("GlobalAveragePool", ["g"], ["h"], "mean"),
            node("Flatten", ["h"], ["i"], "flatten"), node("Gemm", ["i", "head.weight"], ["y"], "head", transB=1),
        ]
        weights = [tensor(n + ".weight", F, [4, c, 3, 3], r(36 * c)) for n, c in (("stem", 2), ("one", 4), ("two", 4))] + [tensor("head.weight", F, [3, 4], r(12))]
        self.write("block.onnx", tiny_onnx.model(nodes, [tiny_onnx.value("x", F, ["N", 2, 6, 6])], [tiny_onnx.value("y", F, ["N", 3])], weights))
        quantize = ["quantize", "block.onnx", "--precision", "w3a8", "--data", self.data, "--repair", "adaround"]
        self.assertNotIn("blocks", self.ok(*quantize, "-o", "layer.onnx", "--reconstruct", "layer"))
        block, = self.ok(*quantize, "-o", "block_q.onnx", "--reconstruct", "block", "--threads", "1")["blocks"]
        self.assertEqual((block["layers"], block["why"]), (["one", "two"], None))
        self.assertGreater(block["iterations"], 0)
        closer = block["error_block"] < block["error_layer"]  # else the layers' own roundings stay
        self.assertEqual(closer, (self.folder / "layer.onnx").read_bytes() != (self.folder / "block_q.onnx").read_bytes())
        self.assertEqual(self.ok("audit", "block_q.onnx")["mismatches"], 0)
        again, = self.ok(*quantize, "-o", "again.onnx", "--reconstruct", "block", "--threads", "3")["blocks"]
        self.assertEqual(again, block)
        self.assertEqual((self.folder / "again.onnx").read_bytes(), (self.folder / "block_q.onnx").read_bytes())
        alone = self.ok("quantize", "residual.onnx", "--precision", "w3a8", "--data", self.data, "--repair", "adaround", "--reconstruct", "block", "-o", "alone.onnx")
        self.assertEqual(alone["blocks"], [])

    def test_quantize_for_nni(self):
        for dialect, precision in (("v2", "w8a8"), ("v3", "w6a6"), (None, "w4a8")):
            quantize = ["quantize", "residual.onnx", "--precision", precision]
            self.ok(*quantize, "--calibration", "c.json", "-o", "n.onnx", "--nni-calibration", "n.json", *(["--nni-dialect", dialect] if dialect else []))
            stem = json.loads((self.folder / "n.json").read_text())["stem"]
            self.assertIn("_input_0" if dialect == "v3" else "tracked_min_input", stem)
            self.ok(*quantize, "--calibration", "n.json", "-o", "again.onnx")
            self.assertEqual((self.folder / "n.onnx").read_bytes(), (self.folder / "again.onnx").read_bytes())
            self.ok("quantize", "residual.onnx", "--recipe", "n.json", "--calibration", "n.json", "-o", "alone.onnx")  # its bits, too
            if precision != "w6a6":  # where the network's input has 8 bits, and stem is asked for them
                self.assertEqual((self.folder / "n.onnx").read_bytes(), (self.folder / "alone.onnx").read_bytes())
            shown = self.ok("inspect", "n.json")
            self.assertIn("stem.input", [t["tensor"] for t in shown["tensors"]])

    def test_weights_of_nni(self):
        """Zero points other than 0 run as integers, and all kernels agree on them."""
        told = {"stem": {"weight_bits": 8, "weight_scale": [0.0078125], "weight_zero_point": [160.0], "input_bits": 8, "tracked_min_input": -2, "tracked_max_input": 2},
                "branch": {"weight_bits": 8, "weight_scale": [0.005], "weight_zero_point": [100.0], "input_bits": 8, "tracked_min_input": 0, "tracked_max_input": 5},
                "relu2": {"output_bits": 8, "tracked_min_output": 0, "tracked_max_output": 8},
                "head": {"weight_bits": 8, "weight_scale": [0.007], "weight_zero_point": [90.0], "input_bits": 8, "tracked_min_input": 0, "tracked_max_input": 5}}
        self.write("weights.json", json.dumps(told))
        self.ok("quantize", "residual.onnx", "--precision", "w8a8", "--calibration", "weights.json", "-o", "w.onnx")
        self.assertEqual(self.ok("audit", "w.onnx")["mismatches"], 0)
        r = self.ok("compare", "w.onnx", "w.onnx", "--backend", "cpu,interp", "--data", self.data, "--duration", "0")
        self.assertTrue(r["integers_equal"])
        self.assertTrue(any(layer["integers_differing"] == 0 for layer in r["layers"]))

    def test_same_input_same_bytes(self):
        for k in range(2):
            self.ok("quantize", "residual.onnx", "--precision", "w8a8", "--data", self.data, "-o", f"same{k}.onnx", "--threads", 1 + k)
            self.ok("build", "q.onnx", "-o", f"same{k}.mxd", "--threads", "1")
        for suffix in ("onnx", "mxd"):
            self.assertEqual((self.folder / f"same0.{suffix}").read_bytes(), (self.folder / f"same1.{suffix}").read_bytes())

    def test_timing_cache(self):
        def build(name, *more):
            self.ok("build", "q.onnx", "-o", name, "--batch", "1,4", "--threads", "1", *more)
            return (self.folder / name).read_bytes()
        first, cache = build("t0.mxd", "--timingCache", "t.json"), self.folder / "t.json"
        if not cache.exists():
            self.skipTest("nothing to time with this instruction set")
        known = json.loads(cache.read_text())
        self.assertEqual(known["mixdown_timing_cache"], 1)
        self.assertEqual(len({c["shape"] for c in known["choices"]}), 2)  # a plan each
        self.assertEqual(build("t1.mxd", "--algorithms", "timed", "--timingCache", "t.json"), first)
        for choice in ("direct", "winograd"):
            for c in known["choices"]:
                self.keys(c, "device threads op shape nanoseconds choice")
                c["choice"] = choice
            cache.write_text(json.dumps(known))
            forced = build("t2.mxd", "--timingCache", "t.json")
            self.assertEqual(json.loads(cache.read_text()), known)  # as it was: nothing was timed
            kernels = {row["kernel"] for row in self.ok("audit", "t2.mxd")["layers"] if row["op"] == "Conv"}
            self.assertEqual(any("winograd" in k for k in kernels), choice == "winograd", kernels)
            r = self.ok("bench", "t2.mxd", "--iterations", "1", "--warmUp", "0", "--dumpProfile")
            self.assertIn(choice, {row["algorithm"] for row in r["layers"]})
            self.ok("compare", "t2.mxd", "q.mxd", "--data", self.data, "--duration", "0")
        self.assertIn(b'"choice":"winograd"', forced)
        build("t3.mxd", "--algorithms", "timed")

    def test_build_and_audit(self):
        r = self.ok("build", "q.onnx", "-o", "b.mxd", "--batch", "1,4")
        self.keys(r, "bytes peak_memory_bytes seconds layers")
        self.assertEqual(r["bytes"], (self.folder / "b.mxd").stat().st_size)
        self.keys(r["layers"][0], AUDIT)
        a = self.ok("audit", "b.mxd")
        self.assertEqual((a["layers"], a["mismatches"]), (r["layers"], 0))
        for row in a["layers"]:
            if row["op"] in ("Conv", "Gemm"):
                self.assertEqual((row["asked"], row["stored"], row["verdict"]), ("w8a8", "w8a8", "as asked"))

    def test_run(self):
        r = self.ok("run", "q.mxd", "--input", "x.npy", "--output", "out")
        self.keys(r, "outputs ms")
        self.assertEqual(r["outputs"], [{"name": "y", "dtype": "f32", "shape": [7, 3], "file": "out/y.npy"}])
        shape, whole = tiny_onnx.read_npy((self.folder / "out/y.npy").read_bytes())
        self.assertEqual(shape, (7, 3))  # more than the batch of 4: in pieces
        _, x = tiny_onnx.read_npy((self.folder / "x.npy").read_bytes())
        for k in range(7):
            self.write("one.npy", tiny_onnx.npy([1, 2, 6, 6], x[k * 72 : k * 72 + 72]))
            self.ok("run", "q.mxd", "--input", "x=one.npy", "--output", "one", "--threads", "1")
            self.assertEqual(tiny_onnx.read_npy((self.folder / "one/y.npy").read_bytes())[1], whole[3 * k : 3 * k + 3])
        text = self.run_program("run", "q.mxd", "--input", "x.npy")
        self.assertEqual((text.code, text.err), (0, ""))

    def test_run_two_ends(self):
        self.write("l.npy", tiny_onnx.npy([2, 3], [1.0, 0.0, 0.0, 0.0, 2.0, 0.0]))
        self.write("r.npy", tiny_onnx.npy([2, 2], [0.5, -0.5, 0.25, 0.0]))
        r = self.ok("run", "two_ends.onnx", "--input", "right=r.npy", "--input", "left=l.npy", "--output", "ends")
        self.assertEqual([o["name"] for o in r["outputs"]], ["sum", "out/sigmoid:0"])
        self.assertEqual([o["file"] for o in r["outputs"]], ["ends/sum.npy", "ends/out_sigmoid_0.npy"])
        by_place = self.ok("run", "two_ends.onnx", "--input", "l.npy", "--input", "r.npy", "--output", "ends2")
        self.assertEqual(len(by_place["outputs"]), 2)
        w = tiny_onnx.Numbers(3)(6)
        self.assertEqual(tiny_onnx.read_npy((self.folder / "ends/sum.npy").read_bytes())[1], [w[0] + 0.5, w[1] - 0.5, 2 * w[2] + 0.25, 2 * w[3]])
        self.assertEqual((self.folder / "ends/sum.npy").read_bytes(), (self.folder / "ends2/sum.npy").read_bytes())

    def test_trace_is_the_same_everywhere(self):
        seen = {}
        for name in (["--backend", "interp"], ["--isa", "scalar"], ["--isa", "avx2"], ["--threads", "1"], []):
            r = self.run_program("run", "quantized.onnx", "--input", "x.npy", "--output", "o", "--trace", "t", *name)
            if r.code == 3:
                continue  # not this CPU's
            self.assertEqual(r.code, 0, r)
            index = json.loads((self.folder / "t/trace.json").read_text())["values"]
            for v in index:
                self.keys(v, "name file dtype shape")
                value = (v["dtype"], v["shape"], (self.folder / "t" / v["file"]).read_bytes())
                self.assertEqual(seen.setdefault(v["name"], value), value, f"{name} {v['name']}")
            self.assertEqual(self.files("t"), sorted([f"t/{v['file']}" for v in index] + ["t/trace.json"]))
            for f in (self.folder / "t").iterdir():
                f.unlink()
        self.assertIn("bq", seen)
        self.assertIn("cq", seen)

    def test_eval(self):
        r = self.ok("eval", "f.mxd", "--data", self.data)
        self.keys(r, "samples top1 top1_stderr top5")
        self.ok("run", "f.mxd", "--input", "x.npy", "--output", "e")
        _, y = tiny_onnx.read_npy((self.folder / "e/y.npy").read_bytes())
        rows = [y[k : k + 3] for k in range(0, 21, 3)]
        right = sum(row.index(max(row)) == label for row, label in zip(rows, [0, 1, 2, 0, 1, 2, 0]))
        self.assertEqual((r["samples"], r["top1"], r["top5"]), (7, right / 7, None))
        metric = self.ok("eval", "f.mxd", "--data", "npy:x.npy", "--metric-cmd", "echo 0.25 #")
        self.assertEqual(metric["metric"], 0.25)

    def test_bench(self):
        r = self.ok("bench", "q.mxd", "--iterations", "30", "--warmUp", "0", "--batch", "2", "--threads", "1", "--dumpProfile")
        self.keys(r, "batch threads isa runs median_ms min_ms p90_ms p99_ms ci95_ms throughput_per_s load_ms first_ms peak_memory_bytes layers")
        self.assertEqual((r["batch"], r["threads"], r["runs"]), (2, 1, 30))
        self.assertTrue(r["min_ms"] <= r["ci95_ms"][0] <= r["median_ms"] <= r["ci95_ms"][1] <= r["p99_ms"])
        self.keys(r["layers"][0], "node kernel ms gops percent_of_peak")
        r = self.ok("bench", "residual.onnx", "--iterations", "1", "--warmUp", "0")
        self.assertEqual(r["runs"], 1)

    def test_compare(self):
        r = self.ok("compare", "residual.onnx", "q.mxd", "--data", self.data, "--duration", "0.05")
        self.keys(r, "a b speedup speedup_ci95 top1_drop agreement integers_equal end_to_end_equal layers")
        self.keys(r["a"], "median_ms ci95_ms top1 bytes")
        self.assertTrue(r["integers_equal"])
        self.assertFalse(r["end_to_end_equal"])
        self.assertEqual([layer["node"] for layer in r["layers"]], ["stem", "branch", "head"])
        for layer in r["layers"]:
            self.keys(layer, "node sqnr_db integers_differing")
            self.assertGreater(layer["sqnr_db"], 20)
            self.assertIsNone(layer["integers_differing"])  # floats on one side
        r = self.ok("compare", "q.mxd", "q.mxd", "--data", self.data, "--duration", "0", "--backend", "interp,cpu")
        self.assertTrue(r["integers_equal"] and r["end_to_end_equal"])
        self.assertEqual([layer["integers_differing"] for layer in r["layers"]], [0, None, None])  # a sum and an output are not quantized
        self.assertIsNone(r["a"]["median_ms"])

    def test_compare_limits(self):
        quick = ["compare", "q.mxd", "q.mxd", "--data", self.data, "--duration", "0.02"]
        self.ok(*quick, "--fail-on", "top1_drop=0.5")
        r = self.run_program(*quick, "--fail-on", "speedup=1000", "--json")
        self.assertEqual(r.code, 1, r)
        self.assertIn("speedup=1000", r.err)
        self.keys(r.json, "speedup error")

    def test_plugin(self):
        plugin = BUILD / "plugins" / "mixdown_template.so"
        r = self.ok("backends", "--plugin", plugin)
        self.assertEqual([b["name"] for b in r["backends"]], ["cpu", "interp", "template"])
        rows = self.ok("audit", "residual.onnx", "--plugin", plugin, "--backend", "template")["layers"]
        self.assertEqual({a["kernel"] for a in rows if a["op"] == "Relu"}, {"relu_template"})
        self.assertEqual({a["reason"] for a in rows if a["op"] != "Relu"}, {"the template runs Relu only"})
        self.ok("backends", "--plugin", plugin, "--plugin", plugin, code=1)

    def test_backends(self):
        r = self.ok("backends")
        self.assertEqual([b["name"] for b in r["backends"]][:2], ["cpu", "interp"])
        self.keys(r["backends"][0], "name devices description")

    def test_text_goes_to_stdout_alone(self):
        for argv in (["inspect", "residual.onnx"], ["audit", "q.mxd"], ["verify", "case_relu"], ["eval", "q.mxd", "--data", self.data],
                     ["compare", "q.mxd", "q.mxd", "--data", self.data, "--duration", "0"], ["backends"], ["inspect", "c.json"],
                     ["bench", "q.mxd", "--iterations", "3", "--warmUp", "0", "--why"]):
            r = self.run_program(*argv)
            self.assertEqual((r.code, r.err), (0, ""), r)
            self.assertGreater(len(r.out), 10)


class Data(unittest.TestCase):
    def test_committed_networks_are_what_the_writer_writes(self):
        for name, make in tiny_onnx.FILES.items():
            self.assertEqual((NETS / name).read_bytes(), make(), name)


if __name__ == "__main__":
    unittest.main()
