# SPDX-License-Identifier: Apache-2.0
"""mixdown train on a few tiny pictures: what it writes, mistakes, and trainings that are stopped: by Ctrl-C, and killed at any instant."""
import json
import os
import random
import signal
import struct
import subprocess
import time
import unittest

from tool import PROGRAM, Case, tiny_onnx

PICTURES, SIDE, CLASSES = 192, 8, 3


def idx(dims, values):
    return struct.pack(f">HBB{len(dims)}I", 0, 8, len(dims), *dims) + bytes(values)


def network(extra=None):
    """A layer with a normalization, a residual, a pool and a classifier; extra: op and name of one more node."""
    r = tiny_onnx.Numbers(4)
    node, tensor, F = tiny_onnx.node, tiny_onnx.tensor, tiny_onnx.FLOAT
    nodes = [
        node("Conv", ["x", "stem.weight"], ["a"], "stem", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("BatchNormalization", ["a", "gamma", "beta", "mean", "var"], ["b"], "norm"), node("Relu", ["b"], ["c"], "relu"),
        node("Conv", ["c", "branch.weight", "branch.bias"], ["d"], "branch", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("Add", ["d", "c"], ["e"], "sum"), node("Relu", ["e"], ["f"], "relu2"),
        node("MaxPool", ["f"], ["g"], "pool", kernel_shape=[2, 2], strides=[2, 2]), node("Flatten", ["g"], ["h"], "flatten"),
        node("Gemm", ["h", "head.weight", "head.bias"], ["y0" if extra else "y"], "head", transB=1),
    ]
    if extra:
        nodes.append(node(extra[0], ["y0"], ["y"], extra[1]))
    constants = [
        tensor("stem.weight", F, [4, 1, 3, 3], r(36)), tensor("gamma", F, [4], [1.0] * 4), tensor("beta", F, [4], [0.0] * 4), tensor("mean", F, [4], [0.0] * 4),
        tensor("var", F, [4], [1.0] * 4), tensor("branch.weight", F, [4, 4, 3, 3], [v / 4 for v in r(144)]), tensor("branch.bias", F, [4], r(4)),
        tensor("head.weight", F, [CLASSES, 64], [v / 4 for v in r(64 * CLASSES)]), tensor("head.bias", F, [CLASSES], r(CLASSES)),
    ]
    return tiny_onnx.model(nodes, [tiny_onnx.value("x", F, ["N", 1, SIDE, SIDE])], [tiny_onnx.value("y", F, ["N", CLASSES])], constants)


class Train(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        rng = random.Random(3)
        labels = [rng.randrange(CLASSES) for _ in range(PICTURES)]
        bright = [[(k // (SIDE * SIDE // 4)) == label for k in range(SIDE * SIDE)] for label in labels]  # a band for each class
        pixels = [rng.randrange(120) + 100 * b for picture in bright for b in picture]
        cls.write("net.onnx", network())
        cls.write("odd.onnx", network(("Erf", "turn")))
        cls.write("images", idx([PICTURES, SIDE, SIDE], pixels))
        cls.write("labels", idx([PICTURES], labels))
        cls.write("wrong_labels", idx([PICTURES], labels[:-1] + [CLASSES]))
        cls.data = "idx:images,labels,scale=1/255"

    # ---- what it writes

    def test_float(self):
        r = self.ok("train", "net.onnx", "-o", "f.onnx", "--data", self.data, "--eval", self.data, "--init", "kaiming", "--epochs", "4", "--batch", "16", "--log", "log")
        self.keys(r, "epochs top1 images_per_second resumed_from_step seconds")
        self.assertEqual((len(r["epochs"]), r["resumed_from_step"]), (4, 0))
        for e in r["epochs"]:
            self.keys(e, "loss train_top1 top1 images_per_second")
        self.assertLess(r["epochs"][3]["loss"], r["epochs"][0]["loss"])
        self.assertEqual(r["top1"], 1.0, r)
        self.assertEqual(self.ok("eval", "f.onnx", "--data", self.data)["top1"], 1.0)
        lines = [json.loads(line) for line in (self.folder / "log").read_text().splitlines()]
        self.assertEqual([line["epoch"] for line in lines], [1, 2, 3, 4])
        for line, e in zip(lines, r["epochs"]):
            self.assertAlmostEqual(line["loss"], e["loss"], places=6)
        self.assertFalse((self.folder / "f.onnx.checkpoint").exists())

    def test_quantized(self):
        self.ok("train", "net.onnx", "-o", "f.onnx", "--data", self.data, "--init", "kaiming", "--epochs", "3", "--batch", "16")
        for precision, method in (("w8a8", "minmax"), ("w4a4", "lsq"), ("w4a4", "lsq+"), ("w4a8", "pact"), ("w6a6", "dorefa")):
            r = self.ok("train", "f.onnx", "-o", "q.onnx", "--data", self.data, "--eval", self.data, "--precision", precision, "--method", method, "--epochs", "1", "--batch", "16")
            top1 = self.ok("eval", "q.onnx", "--data", self.data)["top1"]
            self.assertEqual(r["top1"], top1, "what the last epoch said is the file's")
            self.assertGreater(top1, 0.9, (precision, method))
            self.ok("quantize", "f.onnx", "-o", "p.onnx", "--data", self.data, "--precision", precision)
            asked = [[row["asked"] for row in self.ok("audit", name)["layers"]] for name in ("q.onnx", "p.onnx")]
            self.assertEqual(asked[0], asked[1])

    def test_lines_for_people(self):
        r = self.run_program("train", "net.onnx", "-o", "f.onnx", "--data", self.data, "--batch", "16")
        self.assertEqual((r.code, r.err), (0, ""), r)
        self.assertEqual([line.split(":")[0] for line in r.out.splitlines()], ["epoch 1", "epoch 2"])

    def test_threads_and_seeds(self):
        argv = ["train", "net.onnx", "-o", "t.onnx", "--data", self.data, "--init", "kaiming", "--batch", "16", "--epochs", "1"]
        files = []
        for more in (["--threads", "1"], ["--threads", "2"], ["--threads", "1", "--seed", "9"]):
            self.ok(*argv, *more)
            files.append((self.folder / "t.onnx").read_bytes())
        self.assertEqual(files[0], files[1])
        self.assertNotEqual(files[0], files[2])

    # ---- mistakes

    def test_words(self):
        train = ["train", "net.onnx", "-o", "x.onnx", "--data", self.data]
        self.mistake(2, "method lsqq lsq", *train, "--method", "lsqq")
        self.mistake(2, "optimizer adma adam", *train, "--optimizer", "adma")
        self.mistake(2, "schedule cosin cosine", *train, "--schedule", "cosin")
        self.mistake(2, "init kamiing kaiming", *train, "--init", "kamiing")
        self.mistake(2, "augment flop flip", *train, "--augment", "flop")
        self.mistake(2, "--recipe --precision", *train, "--precision", "w8a8", "--recipe", "r.json")
        self.mistake(2, "w8a88", *train, "--precision", "w8a88")
        self.mistake(2, "-o --output", "train", "net.onnx", "--data", self.data)
        self.mistake(2, "--data", "train", "net.onnx", "-o", "x.onnx")
        self.mistake(2, "--lr fast", *train, "--lr", "fast")
        self.mistake(1, "nowhere.json", *train, "--recipe", "nowhere.json")

    def test_numbers(self):
        train = ["train", "net.onnx", "-o", "x.onnx", "--data", self.data]
        self.mistake(2, "batch 12 multiple 8", *train, "--batch", "12")
        self.mistake(2, "epochs -1", *train, "--epochs", "-1")
        self.mistake(2, "smoothing", *train, "--label-smoothing", "2")
        self.mistake(2, "distill", *train, "--distill", "-1")
        self.mistake(1, f"{PICTURES} 200", *train, "--batch", "200")

    def test_data(self):
        train = ["train", "net.onnx", "-o", "x.onnx", "--data"]
        self.mistake(2, "labels", *train, "idx:images,scale=1/255")
        self.mistake(2, "eval labels", *train, self.data, "--eval", "idx:images,scale=1/255")
        self.mistake(1, f"label {CLASSES} below {CLASSES}", *train, "idx:images,wrong_labels,scale=1/255", "--batch", "16")
        self.mistake(1, "'x'", *train, "npy:x.npy,labels=labels.npy")

    def test_networks(self):
        more = ["-o", "x.onnx", "--data", self.data]
        self.mistake(3, "Erf turn", "train", "odd.onnx", *more)
        self.mistake(3, "Erf turn", "train", "odd.onnx", *more, "--precision", "w8a8")
        self.mistake(3, "one input 2", "train", "two_ends.onnx", *more)
        self.mistake(1, "not.onnx", "train", self.write("not.onnx", "hello\n"), *more)

    def test_what_diverges(self):
        self.mistake(1, "step --lr", "train", "net.onnx", "-o", "x.onnx", "--data", self.data, "--lr", "1e38", "--clip-norm", "0", "--batch", "16")

    def test_outputs_that_cannot_be(self):
        self.mistake(1, "/proc/nowhere", "train", "net.onnx", "-o", "/proc/nowhere/x.onnx", "--data", self.data)

    # ---- stopping

    def command(self, out, *more):
        return ["train", "net.onnx", "-o", out, "--data", self.data, "--eval", self.data, "--batch", "16", "--epochs", "100", "--init", "kaiming", *more]

    def start(self, out, *more):
        """The command with a checkpoint after every step, once it has written one (or has ended)."""
        argv = [PROGRAM, *self.command(out, *more), "--checkpoint-seconds", "0"]
        p = subprocess.Popen(argv, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while p.poll() is None and not (self.folder / f"{out}.checkpoint" / "state.ckpt").exists():
            time.sleep(0.001)
        return p

    def undisturbed(self, *more):
        r = self.ok(*self.command("whole.onnx", *more))
        return (self.folder / "whole.onnx").read_bytes(), [{k: e[k] for k in ("loss", "train_top1", "top1")} for e in r["epochs"]]

    def finished(self, out, *more):
        """The same command to its end: the file's bytes, and all epochs with those before the stop."""
        r = self.ok(*self.command(out, *more))
        self.assertFalse((self.folder / f"{out}.checkpoint").exists())
        return r, ((self.folder / out).read_bytes(), [{k: e[k] for k in ("loss", "train_top1", "top1")} for e in r["epochs"]])

    def test_interrupted(self):
        want = self.undisturbed()
        p = self.start("i.onnx")
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=60)
        self.assertEqual(p.returncode, 130, err)
        self.assertIn(b"after step", err)
        self.assertFalse((self.folder / "i.onnx").exists())
        r, got = self.finished("i.onnx")
        self.assertGreater(r["resumed_from_step"], 0)
        self.assertEqual(got, want)

    def test_killed(self):
        rng = random.Random(5)
        for more in ([], ["--precision", "w4a4", "--method", "lsq+"]):
            want = self.undisturbed(*more)
            for _ in range(10):
                p = self.start("k.onnx", *more)
                time.sleep(rng.random() * 0.02)
                p.kill()
                p.communicate(timeout=60)
                if p.returncode == 0:
                    os.remove(self.folder / "k.onnx")
            r, got = self.finished("k.onnx", *more)
            self.assertEqual(got, want)

    def test_folders_of_other_trainings(self):
        p = self.start("o.onnx")
        p.kill()
        p.communicate(timeout=60)
        self.assertLess(p.returncode, 0, "it had ended before")
        self.mistake(1, "o.onnx.checkpoint another", *self.command("n.onnx", "--seed", "5", "--checkpoint", "o.onnx.checkpoint"))
        r = self.ok(*self.command("o.onnx", "--seed", "5"))  # the default folder is the command's own: it begins anew
        self.assertEqual(r["resumed_from_step"], 0)
        kept = self.ok(*self.command("n.onnx", "--checkpoint", "kept"))
        self.assertTrue((self.folder / "kept" / "state.ckpt").exists())
        again = self.ok(*self.command("n.onnx", "--checkpoint", "kept"))
        self.assertEqual([e["loss"] for e in again["epochs"]], [e["loss"] for e in kept["epochs"]])
        self.write("kept/state.ckpt", (self.folder / "kept" / "state.ckpt").read_bytes()[:-7])
        self.mistake(1, "kept/state.ckpt", *self.command("n.onnx", "--checkpoint", "kept"))


if __name__ == "__main__":
    unittest.main()
