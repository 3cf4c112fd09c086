#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails where a page and the code say different things: check_docs.py [ROOT]. With the environment variable MIXDOWN, the program, the
options in docs/cli.md are compared with its help pages. Prints one line per difference.

- docs/ops.md lists each operator of src/ir/ops.inc once, where src/backends/cpu/cpu_ops.c says that it runs.
- docs/cli.md has every option of every command, and no other.
- Links between pages, and files named in them, exist."""
import os
import pathlib
import re
import subprocess
import sys

OPTION = re.compile(r"--[a-zA-Z][\w-]*")
FILE = re.compile(r"`((?:src|include|cli|tests|tools|bench|docs|data|plugins|examples)/[\w./-]*[\w/])`")


def rows(path, macro):
    """Names in domain "" of a table's rows: MACRO("Name", "" or { "Name", ""."""
    return set(re.findall(macro + r'\s*"(\w+)",\s*""', path.read_text()))


def check_ops(root):
    known = rows(root / "src/ir/ops.inc", r"MXDI_OP\(")
    fast = rows(root / "src/backends/cpu/cpu_ops.c", r"\{")
    run = rows(root / "src/interp/interp_ops.inc", r"MXD_INTERP\(")
    yield from (f"src/backends/cpu/cpu_ops.c: {op} is not in src/ir/ops.inc" for op in sorted(fast - known))
    yield from (f"src/interp/interp_ops.inc: {op} of src/ir/ops.inc is missing" for op in sorted(known - run))
    page = (root / "docs/ops.md").read_text()
    table = [re.findall(r"`(\w+)`", line) for line in page.splitlines() if line.startswith("| ")]
    columns = [line.split("|")[2:4] for line in page.splitlines() if line.startswith("| ")]
    listed = {k: [op for c in columns for op in re.findall(r"`(\w+)`", c[k])] for k in (0, 1)}
    for k, expected, where in (0, known & fast, "the CPU backend"), (1, known - fast, "the interpreter"):
        yield from (f"docs/ops.md: {op} runs in {where}, and is not listed there" for op in sorted(expected - set(listed[k])))
        yield from (f"docs/ops.md: {op} is listed for {where}, and does not run there" for op in sorted(set(listed[k]) - expected))
    if sum(map(len, table)) != len({op for line in table for op in line}):
        yield "docs/ops.md: an operator twice"


def check_cli(root, program):
    page = (root / "docs/cli.md").read_text()
    everywhere, commands = page.split("## Commands")[0], page.split("## Commands")[1].split("\n## ")[0]
    sections = {re.match(r"\w+", s)[0]: s for s in re.split(r"\n\*\*`", commands)[1:]}
    usage = subprocess.run([program, "--help"], capture_output=True, text=True).stdout
    names = re.findall(r"^  (\w+) +\w", usage, re.M)
    yield from (f"docs/cli.md: there is no command {n}" for n in sections.keys() - set(names))
    yield from (f"docs/cli.md: {n} is missing" for n in names if n not in sections)
    for name in sections.keys() & set(names):
        text = subprocess.run([program, name, "--help"], capture_output=True, text=True).stdout
        own, common = (set(re.findall(r"^ +(?:-\w, )?(--[\w-]+)", part, re.M)) for part in text.split("common options:"))
        told = set(OPTION.findall(sections[name]))
        yield from (f"docs/cli.md: {name}: {o} is missing" for o in sorted(own - told))
        yield from (f"docs/cli.md: {name} has no {o}" for o in sorted(told - own - common))
        yield from (f"docs/cli.md: common option {o} is missing" for o in sorted(common - set(OPTION.findall(everywhere))))


def check_links(root):
    pages = [*root.glob("*.md"), *root.glob("docs/*.md"), *root.glob("data/*.md"), *root.glob("tests/*/*.md")]
    for page in pages:
        text, name = page.read_text(), page.relative_to(root)
        yield from (f"{name}: link to {t}: no such file" for t in re.findall(r"\]\(([^)#:]+)\)", text) if not (page.parent / t).exists())
        yield from (f"{name}: {t}: no such file" for t in FILE.findall(text) if not (root / t).exists())


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent).resolve()
    program = os.environ.get("MIXDOWN")
    found = [*check_ops(root), *(check_cli(root, program) if program else []), *check_links(root)]
    print(*found, sep="\n" if found else "")
    print(f"{len(found)} differences" + ("" if program else "; MIXDOWN is not set, so options were not compared"))
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
