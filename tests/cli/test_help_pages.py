# SPDX-License-Identifier: Apache-2.0
"""The manual page and the completion for bash, made by tools/help_pages.sh, say what --help says."""
import os
import re
import shutil
import subprocess
import unittest

from tool import BUILD, COMMANDS, PROGRAM, Case


def options_of(text):
    """Every "--name" at the beginning of a line, and the names of arguments."""
    return set(re.findall(r"(?m)^  (?:-\w, )?(--[\w-]+)", text))


class HelpPages(Case):
    def test_manual(self):
        page = (BUILD / "mixdown.1").read_text()
        plain = page.replace("\\-", "-").replace("\\e", "\\").replace("\\&", "")
        sections = dict(re.findall(r"(?ms)^\.SH ([A-Z ]+)\n(.*?)(?=^\.SH|\Z)", plain))
        self.assertIn(f'"mixdown {self.version()}"', plain)
        for name in COMMANDS:
            self.assertIn(f".B {name}\n", sections["COMMANDS"])
            own, common = self.run_program(name, "--help").out.split("common options:")
            for text, section in (own, name.upper()), (common, "COMMON OPTIONS"):
                tags = set(re.findall(r"(?m)^\.B (?:-\w, )?(--[\w-]+)", sections[section]))
                self.assertEqual(tags, options_of(text), name)
                for line in re.findall(r"(?m)^ {2,}\S.*?(?: {2,}(\S.*))?$", text):
                    self.assertIn(line, sections[section])  # every explanation, word for word
        for code in "0 1 2 3 130".split():
            self.assertRegex(sections["EXIT STATUS"], rf"(?m)^\.B {code}\n\w")

    def test_manual_is_well_formed(self):
        if not shutil.which("groff"):
            self.skipTest("no groff")
        r = subprocess.run(["groff", "-man", "-Tascii", "-ww", "-z", BUILD / "mixdown.1"], capture_output=True, text=True, check=False)
        self.assertEqual((r.returncode, r.stderr), (0, ""))

    def complete(self, *words):
        """What pressing tab behind the last word offers."""
        script = '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _mixdown; printf "%s\\n" "${COMPREPLY[@]}"'
        r = subprocess.run(["bash", "-uc", script, "bash", BUILD / "mixdown.bash", "mixdown", *words], capture_output=True, text=True, check=True)
        self.assertEqual(r.stderr, "")
        return set(r.stdout.split())

    def test_completion(self):
        self.assertEqual(self.complete(""), {*COMMANDS, "--help", "--version"})
        self.assertEqual(self.complete("b"), {"build", "bench", "backends"})
        for name in COMMANDS:
            self.assertEqual(self.complete(name, "x.onnx", "--"), {*options_of(self.run_program(name, "--help").out), "--help"})
        self.assertEqual(self.complete("bench", "--du"), {"--duration", "--dumpProfile"})
        self.assertEqual(self.complete("bench", "net"), set())  # bash goes on with file names
        self.assertEqual(self.complete("nothing", "--"), set())

    def test_without_commands(self):
        self.write("mute", "#!/bin/sh\n")
        os.chmod(self.folder / "mute", 0o755)
        tool = os.path.join(os.path.dirname(__file__), "..", "..", "tools", "help_pages.sh")
        for argv, code in ([self.folder / "mute", "man"], 1), ([PROGRAM, "html"], 2):
            r = subprocess.run([tool, *argv, self.folder / "page"], capture_output=True, text=True, check=False)
            self.assertEqual((r.returncode, r.stdout), (code, ""))
            self.assertFalse((self.folder / "page").exists())

    def version(self):
        return self.run_program("--version").out.split()[1]


if __name__ == "__main__":
    unittest.main()
