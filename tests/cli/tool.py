# SPDX-License-Identifier: Apache-2.0
"""Running the program in a folder of its own, for the tests of this folder."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ.get("MIXDOWN_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
PROGRAM = os.environ.get("MIXDOWN", str(SOURCE / "build" / "mixdown"))
BUILD = pathlib.Path(os.environ.get("MIXDOWN_BUILD", SOURCE / "build"))
sys.dont_write_bytecode = True
sys.path.insert(0, str(SOURCE / "tests" / "data"))
import tiny_onnx  # noqa: E402

NETS = SOURCE / "tests" / "data"
COMMANDS = "inspect calibrate quantize train build run eval bench compare audit verify backends".split()


class Result:
    def __init__(self, argv, code, out, err):
        self.argv, self.code, self.out, self.err = argv, code, out, err

    @property
    def json(self):
        return json.loads(self.out)

    def __str__(self):
        return f"{' '.join(self.argv)}: exit {self.code}\n{self.out[-1500:]}{self.err}"


class Case(unittest.TestCase):
    """One folder for each class, with a network, its quantized form, samples and labels in it."""

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="mixdown-cli-"))
        for name in ("residual.onnx", "quantized.onnx", "two_ends.onnx"):
            shutil.copy(NETS / name, cls.folder / name)
        shutil.copytree(NETS / "case_relu", cls.folder / "case_relu")
        cls.write("x.npy", tiny_onnx.npy([7, 2, 6, 6], tiny_onnx.Numbers(9)(7 * 72)))
        cls.write("labels.npy", tiny_onnx.npy([7], [0, 1, 2, 0, 1, 2, 0], "<i8"))
        cls.data = "npy:x.npy,labels=labels.npy"

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    @classmethod
    def write(cls, name, data):
        path = cls.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return name

    @classmethod
    def run_program(cls, *argv, timeout=120, **options):
        argv = [str(a) for a in argv]
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        p = subprocess.run([PROGRAM, *argv], cwd=cls.folder, stdin=subprocess.DEVNULL, timeout=timeout, **options)
        return Result(argv, p.returncode, (p.stdout or b"").decode(), (p.stderr or b"").decode())

    def ok(self, *argv, code=0):
        """Runs with --json: one object on stdout, nothing on stderr unless the answer is no."""
        r = self.run_program(*argv, "--json")
        self.assertEqual(r.code, code, r)
        if code == 0:
            self.assertEqual(r.err, "", r)
        return r.json

    def mistake(self, code, words, *argv):
        """exit code, words that the message must hold in any case of letters, the command."""
        before = self.files()
        r = self.run_program(*argv)
        lines = r.err.splitlines()
        self.assertEqual((r.code, r.out), (code, ""), r)
        self.assertEqual(len(lines), 1, r)
        self.assertTrue(lines[0].startswith("mixdown: "), r)
        for word in words.split():
            self.assertIn(word.lower(), lines[0].lower(), r)
        as_json = self.run_program(*argv, "--json")
        self.assertEqual((as_json.code, as_json.err), (code, r.err))
        self.assertEqual("mixdown: " + as_json.json["error"]["message"], lines[0])
        self.assertRegex(as_json.json["error"]["code"], r"^E_[A-Z]+$")
        self.assertEqual(self.files(), before, "a file was left")

    def keys(self, value, names, message=""):
        missing = [n for n in names.split() if n not in value]
        self.assertFalse(missing, f"{message}: no {missing} in {sorted(value)}")

    def files(self, folder="."):
        return sorted(str(p.relative_to(self.folder)) for p in (self.folder / folder).rglob("*") if p.is_file())
