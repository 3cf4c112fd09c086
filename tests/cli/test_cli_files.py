# SPDX-License-Identifier: Apache-2.0
"""Interrupted and failed writes: the old file stays or the new one is whole, and nothing lies beside it; a stdout that is
closed, full or a pipe nobody reads is told by the exit code, never by a signal."""
import os
import resource
import signal
import subprocess
import time
import unittest

from tool import PROGRAM, Case, tiny_onnx


def large_network():
    """Enough work for some seconds of calibration: three convolutions of 24 channels on 32x32."""
    r, nodes, constants, x = tiny_onnx.Numbers(5), [], [], "x"
    for k in range(3):
        channels = 24 if k else 3
        nodes += [tiny_onnx.node("Conv", [x, f"w{k}"], [f"c{k}"], f"conv{k}", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
                  tiny_onnx.node("Relu", [f"c{k}"], [f"r{k}"], f"relu{k}")]
        constants.append(tiny_onnx.tensor(f"w{k}", tiny_onnx.FLOAT, [24, channels, 3, 3], [v / 8 for v in r(24 * channels * 9)]))
        x = f"r{k}"
    return tiny_onnx.model(nodes, [tiny_onnx.value("x", tiny_onnx.FLOAT, ["N", 3, 32, 32])], [tiny_onnx.value(x, tiny_onnx.FLOAT, ["N", 24, 32, 32])], constants)


class Interrupted(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.write("large.onnx", large_network())
        cls.write("many.npy", tiny_onnx.npy([1024, 3, 32, 32], tiny_onnx.Numbers(6)(3 * 32 * 32) * 1024))
        r = cls.run_program("build", "residual.onnx", "-o", "e.mxd")
        assert r.code == 0, r

    def interrupt(self, number, *argv):
        """Signals the process in its middle: sooner, when it was done already."""
        for delay in (0.4, 0.2, 0.1, 0.05, 0.02, 0.01):
            with open(self.folder.parent / f"{self.folder.name}.out", "w+b") as out, open(self.folder.parent / f"{self.folder.name}.err", "w+b") as err:
                p = subprocess.Popen([PROGRAM, *map(str, argv)], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
                time.sleep(delay)
                p.send_signal(number)
                code = p.wait(timeout=60)
                out.seek(0)
                err.seek(0)
                said = out.read().decode(), err.read().decode()
            os.unlink(out.name)
            os.unlink(err.name)
            if code != 0:
                return code, *said
        self.fail("was never met in its middle")

    def test_calibrate(self):
        self.write("c.json", "old")
        before = self.files()
        for number in (signal.SIGINT, signal.SIGTERM):
            code, out, err = self.interrupt(number, "calibrate", "large.onnx", "--data", "npy:many.npy", "-o", "c.json", "--threads", "1")
            self.assertEqual((code, out), (130, ""), err)
            self.assertRegex(err, r"^mixdown: .*interrupted.*\n$")
            self.assertEqual((self.folder / "c.json").read_text(), "old")
            self.assertEqual(self.files(), before)

    def test_bench(self):
        before = self.files()
        code, out, err = self.interrupt(signal.SIGINT, "bench", "e.mxd", "--duration", "30", "--json")
        self.assertEqual(code, 130, err)
        self.assertIn('"error"', out)
        self.assertRegex(err, r"^mixdown: interrupted.*\n$")
        self.assertEqual(self.files(), before)

    def test_work_that_does_not_ask(self):
        code, out, err = self.interrupt(signal.SIGINT, "quantize", "large.onnx", "--data", "npy:many.npy", "--precision", "w8a8", "-o", "q.onnx", "--threads", "1", "--json")
        self.assertEqual(code, 130, err)
        self.assertIn('"E_CANCELLED"', out)
        code, out, err = self.interrupt(signal.SIGINT, "compare", "e.mxd", "e.mxd", "--duration", "30")
        self.assertEqual(code, 130, err)


class Failed(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        r = cls.run_program("calibrate", "residual.onnx", "--data", cls.data, "-o", "c.json")
        assert r.code == 0, r

    def limited(self, kib, *argv):
        """Files past that size cannot be written, as on a full disk; the signal of it is left as it comes."""
        return self.run_program(*argv, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (kib << 10, kib << 10)))

    def test_full_disk(self):
        commands = {
            "full/e.mxd": ["build", "residual.onnx", "-o", "full/e.mxd"],
            "full/c.json": ["calibrate", "residual.onnx", "--data", self.data, "-o", "full/c.json"],
            "full/q.onnx": ["quantize", "residual.onnx", "--precision", "w8a8", "--calibration", "c.json", "-o", "full/q.onnx"],
            "full/y.npy": ["run", "residual.onnx", "--input", "x.npy", "--output", "full"],
        }
        for path, argv in commands.items():
            self.write(path, "old")
            before = self.files("full")
            r = self.limited(0, *argv)
            self.assertEqual((r.code, r.out), (1, ""), r)
            self.assertEqual(len(r.err.splitlines()), 1, r)
            self.assertIn(path, r.err)
            self.assertEqual((self.folder / path).read_text(), "old")
            self.assertEqual(self.files("full"), before)

    def test_files_keep_who_may_read_them(self):
        path = self.folder / self.write("mode.mxd", "old")
        path.chmod(0o640)
        self.ok("build", "residual.onnx", "-o", "mode.mxd")
        self.assertEqual(path.stat().st_mode & 0o777, 0o640)
        os.symlink("mode.mxd", self.folder / "link.mxd")
        self.ok("build", "quantized.onnx", "-o", "link.mxd")
        self.assertTrue((self.folder / "link.mxd").is_symlink())

    def test_stdout(self):
        for argv in (["backends"], ["backends", "--json"], ["inspect", "residual.onnx"], ["--help"], ["bench", "--help"], ["--version"]):
            with open("/dev/full", "wb") as full:
                self.assertEqual(self.run_program(*argv, stdout=full).code, 1, argv)
            closed = self.run_program(*argv, stdout=None, preexec_fn=lambda: os.close(1))
            self.assertEqual(closed.code, 1, argv)
            self.assertIn("stdout", closed.err)
            read, write = os.pipe()
            os.close(read)  # nobody listens
            self.assertEqual(self.run_program(*argv, stdout=write).code, 1, argv)
            os.close(write)


if __name__ == "__main__":
    unittest.main()
