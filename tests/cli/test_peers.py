# SPDX-License-Identifier: Apache-2.0
"""bench/peers.py: its rows, and that its networks go through the whole path. Times are no test's business."""
import importlib.util
import pathlib
import subprocess
import sys
import tempfile
import unittest

from tool import PROGRAM, SOURCE


def peers(*argv):
    return subprocess.run([sys.executable, SOURCE / "bench/peers.py", *argv], capture_output=True, text=True)


class Peers(unittest.TestCase):
    def test_rows(self):
        r = peers("--list")
        self.assertEqual((r.returncode, r.stderr), (0, ""))
        self.assertIn("resnet50-int8-b1", r.stdout.split())
        r = peers("resnet50-int8-b2")
        self.assertEqual(r.returncode, 2)
        self.assertIn("no row resnet50-int8-b2", r.stderr)

    @unittest.skipUnless(all(map(importlib.util.find_spec, ("numpy", "onnx"))), "needs pip's numpy and onnx")
    def test_networks(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("lenet5", "nni_mnist", "bert_4l"):
                path = pathlib.Path(folder, f"{name}.onnx")
                subprocess.run([sys.executable, SOURCE / "bench/make_models.py", name, "2", path], check=True)
                r = subprocess.run([PROGRAM, "inspect", path], capture_output=True, text=True)
                self.assertEqual((r.returncode, r.stderr), (0, ""), name)
            r = subprocess.run([sys.executable, SOURCE / "bench/make_models.py", "lenet", "2", path], capture_output=True, text=True)
            self.assertEqual(r.returncode, 1)
            self.assertIn("resnet50", r.stderr)


if __name__ == "__main__":
    unittest.main()
