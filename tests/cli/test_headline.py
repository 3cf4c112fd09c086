# SPDX-License-Identifier: Apache-2.0
"""bench/headline.py from end to end, on a few hundred pictures made here, one epoch and one round of timing."""
import csv
import importlib.util
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

from tool import PROGRAM, SOURCE

COLUMNS = """network data strategy batch threads rounds cpu avg_weight_bits avg_act_bits avg_op_bits avg_layer_bits engine_bytes median_ms median_low_ms
median_high_ms speedup_over_own_f32 speedup_over_own_f32_low speedup_over_own_f32_high best_peer speedup_over_best_peer_f32
speedup_over_best_peer_f32_low speedup_over_best_peer_f32_high top1 top1_stderr test_images train_images epochs kept_top1_after_epoch_1
audit_mismatches best_peer_ms best_peer_low_ms best_peer_high_ms best_peer_speedup onnxruntime onnxruntime_ms onnxruntime_low_ms onnxruntime_high_ms
nni_ms nni_speedup nni_top1 nni_avg_bits""".split()
LAYER_BITS = {"mnist": [32, 16, 8], "resnet18": [32, 19.4286, 8]}  # 408/21 with the three shortcuts at 32


def pictures(n, pixels, rng):
    """Labels, and pictures of noise that a class brightens in a place of its own."""
    labels = [rng.randrange(10) for _ in range(n)]
    places = [pixels * c // 10 for c in range(10)]
    for label in labels:
        image = bytearray(rng.randbytes(pixels))
        image[places[label]:places[label] + pixels // 10] = b"\xff" * (pixels // 10)
        yield label, bytes(image)


def write_idx(folder, part, n, rng):
    labels, images = zip(*pictures(n, 28 * 28, rng))
    (folder / f"{part}-images-idx3-ubyte").write_bytes(bytes([0, 0, 8, 3]) + b"".join(d.to_bytes(4, "big") for d in (n, 28, 28)) + b"".join(images))
    (folder / f"{part}-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1]) + n.to_bytes(4, "big") + bytes(labels))


def write_cifar(path, n, rng):
    path.write_bytes(b"".join(bytes([label]) + image for label, image in pictures(n, 3 * 32 * 32, rng)))


@unittest.skipUnless(all(map(importlib.util.find_spec, ("numpy", "onnx", "onnxruntime"))), "needs pip's numpy, onnx and onnxruntime")
class Headline(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder, rng = pathlib.Path(tempfile.mkdtemp(prefix="mixdown-headline-")), random.Random(1)
        for name in ("mnist", "cifar"):
            (cls.folder / name).mkdir()
        write_idx(cls.folder / "mnist", "train", 400, rng)
        write_idx(cls.folder / "mnist", "t10k", 48, rng)
        write_cifar(cls.folder / "cifar/data_batch_1.bin", 160, rng)
        write_cifar(cls.folder / "cifar/test_batch.bin", 16, rng)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def headline(self, *more):
        argv = [sys.executable, SOURCE / "bench/headline.py", "--mixdown", PROGRAM, "--mnist", "mnist", "--epochs", "1", "--rounds", "1", "--batch", "8",
                "--threads", "1", "--cache", "cache", "--output", "results", *more]
        r = subprocess.run(list(map(str, argv)), cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
        with open(self.folder / "results/headline.csv", newline="") as f:
            reader = csv.DictReader(f)
            rows = list(reader)
        self.assertEqual(reader.fieldnames, COLUMNS)
        xml.etree.ElementTree.parse(self.folder / "results/headline.svg")
        return r, rows

    def test_both_networks_then_one_from_the_cache(self):
        r, rows = self.headline("--cifar10", "cifar")
        self.assertEqual([(x["network"], x["strategy"]) for x in rows], [(n, s) for n in LAYER_BITS for s in ("all 32 bit", "mixed", "all 8 bit")])
        for x in rows:
            self.assertEqual(x["audit_mismatches"], "0", x)
            self.assertEqual((x["test_images"], x["train_images"]), ("48", "320") if x["network"] == "mnist" else ("16", "128"))
            self.assertTrue(all(float(x[k]) > 0 for k in ("median_ms", "best_peer_ms", "onnxruntime_ms", "speedup_over_own_f32", "speedup_over_best_peer_f32", "engine_bytes")), x)
        self.assertEqual([float(x["avg_layer_bits"]) for x in rows], LAYER_BITS["mnist"] + LAYER_BITS["resnet18"])
        self.assertIn("0.859", r.stdout)  # NNI's ResNet18 at 8 bits
        self.assertNotIn("left out", r.stdout)
        first = [(x["strategy"], x["top1"]) for x in rows if x["network"] == "mnist"]

        r, rows = self.headline()
        self.assertNotIn("training", r.stderr)
        self.assertIn("ResNet18 is left out", r.stdout)
        self.assertEqual([(x["strategy"], x["top1"]) for x in rows], first)
        self.assertEqual([p.name for p in (self.folder / "cache").glob("work-*")], [])


if __name__ == "__main__":
    unittest.main()
