#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The official ONNX backend tests, case by case, against conformance.tsv.

    run_conformance.py [--data DIR] [--backend NAME [--plugin FILE]] [--write]

DIR, or the environment variable MIXDOWN_CONFORMANCE, which wins: a folder with onnx's archive of backend test data
(*.tar.xz), or with its cases extracted. Each case has to give the status and the kind of reason that stand in
conformance.tsv. --write makes that list anew, and docs/conformance.md from it; review both as a diff. Exits with 77
when there is no data. The program is $MIXDOWN, or build/mixdown.
"""
import argparse
import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import textwrap

SOURCE = pathlib.Path(__file__).resolve().parents[2]
LIST = SOURCE / "tests/onnx/conformance.tsv"
PAGE = SOURCE / "docs/conformance.md"
PROGRAM = os.environ.get("MIXDOWN", str(SOURCE / "build/mixdown"))
BATCH = 200  # cases a process
SKIP = 77

# (pattern of a reason, kind, what it means). The first that matches names the kind; {} is its group.
KINDS = [
    (r"(\w+) '[^']*': this op is not supported", "op {}", "`{}` is not among the ops"),
    (r"this op of domain (\S+) is not supported", "domain {}", "ops of domain `{}`"),
    (r"element type (\w+) \(\d+\) is not supported", "type {}", "elements of type {}"),
    (r"expected a tensor, got another type or none", "value", "sequences, maps and optional values"),
    (r"opset: expected", "opset", "versions of ONNX before 6, or none at all"),
    (r"dimension \d+: expected 1 or more, got 0", "empty", "inputs without elements"),
    (r"(\w+) '[^']*': no reference kernel of this op for (\w+)", "form {}", "`{}`: a form or type that has no kernel"),
    (r"(\w+) '[^']*': ", "form {}", "`{}`: a form or type that has no kernel"),
]


def find_cases(data, build):
    """{name: directory}, of the extracted archive. Extracts it once."""
    archives = sorted(data.glob("*.tar.xz"))
    root = data
    if archives:
        root = build / "onnx_conformance"
        stamp, state = root / "stamp", f"{archives[-1].name} {archives[-1].stat().st_size}"
        if not stamp.exists() or stamp.read_text() != state:
            with tarfile.open(archives[-1]) as f:
                f.extractall(root, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
            stamp.write_text(state)
    return {f"{m.parent.parent.name}/{m.parent.name}": m.parent for m in sorted(root.glob("*/*/model.onnx"))}


def verify(names, cases, options):
    """[(status, reason)] of the cases. A process that does not answer is run again in halves, down to the culprit."""
    run = subprocess.run([PROGRAM, "verify", "--json", *options, *(str(cases[n]) for n in names)],
                         capture_output=True, text=True, check=False)
    try:
        answers = json.loads(run.stdout)["cases"] if run.returncode in (0, 1) and not run.stderr else []
    except (ValueError, KeyError):
        answers = []
    if len(answers) == len(names):
        return [(a["status"], a["reason"] or "") for a in answers]
    if len(names) == 1:
        return [("crash", f"exit status {run.returncode}: {run.stderr.strip()[-400:]}")]
    half = len(names) // 2
    return verify(names[:half], cases, options) + verify(names[half:], cases, options)


def kind_of(status, reason):
    if status != "refused":
        return "-"
    for pattern, kind, _ in KINDS:
        found = re.search(pattern, reason)
        if found:
            return kind.format(*found.groups())
    return "no reason" if not reason else "other"


def meaning_of(kind):
    for _, form, meaning in KINDS:
        found = re.fullmatch(re.escape(form).replace(r"\{\}", r"(\S+)"), kind)
        if found:
            return meaning.format(*found.groups())
    return kind


def table(results):
    """Counts by suite, as lines of Markdown."""
    words = ["pass", "refused", "fail", "crash"]
    count = collections.defaultdict(collections.Counter)
    for name, (status, _) in results.items():
        count[name.split("/")[0]][status] += 1
        count["all"][status] += 1
    suites = sorted(count, key=lambda s: (s == "all", s))
    lines = ["| suite | cases | passed | refused | failed | crashed |", "|---|--:|--:|--:|--:|--:|"]
    return lines + [f"| {s} | {sum(count[s].values())} | " + " | ".join(str(count[s][w]) for w in words) + " |" for s in suites]


def write_page(results):
    by_kind = collections.defaultdict(list)
    for name, (status, reason) in results.items():
        if status == "refused":
            by_kind[kind_of(status, reason)].append(name.replace("node/", ""))
    lines = ["# Conformance", "",
             "What `mixdown verify` says of the backend tests that ONNX publishes, on the CPU backend and on the interpreter",
             "alike. `tests/onnx/run_conformance.py --write` made this page and `tests/onnx/conformance.tsv`, which ctest",
             "holds every case to. Refused means: understood as far as needed to say, with the node's name, what is not",
             "supported. Nothing fails.", "", *table(results), "", "## Refused, by reason", "",
             "Cases without a folder are in `node`.", ""]
    for kind, names in sorted(by_kind.items(), key=lambda k: (-len(k[1]), k[0])):
        text = f"- **{meaning_of(kind)}** ({len(names)}): " + " ".join(sorted(names))
        lines += textwrap.wrap(text, 118, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    PAGE.write_text("\n".join(lines).rstrip() + "\n")


def write_list(results):
    rows = [f"{name}\t{status}\t{kind_of(status, reason)}" for name, (status, reason) in sorted(results.items())]
    head = "# Case, status, kind of reason (run_conformance.py --write)."
    LIST.write_text("\n".join([head, *rows]) + "\n")


def compare(results):
    """Lines that say what is not as listed."""
    listed = [line.split("\t") for line in LIST.read_text().splitlines() if line and line[0] != "#"]
    want = {name: (status, kind) for name, status, kind in listed}
    wrong = [f"{n}: listed, but not in the data" for n in sorted(want.keys() - results.keys())]
    for name, (status, reason) in results.items():
        got = (status, kind_of(status, reason))
        if name not in want:
            wrong.append(f"{name}: not listed; {got[0]} ({got[1]})")
        elif got != want[name]:
            wrong.append(f"{name}: expected {want[name][0]} ({want[name][1]}), got {got[0]} ({got[1]}): {reason}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--plugin")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    data = pathlib.Path(os.environ.get("MIXDOWN_CONFORMANCE") or args.data or "/nonexistent")
    if not data.is_dir():
        print("no conformance data: set MIXDOWN_CONFORMANCE, or -DMIXDOWN_DATA= of CMake")
        return SKIP
    cases = find_cases(data, pathlib.Path(os.environ.get("MIXDOWN_BUILD", SOURCE / "build")))
    if not cases:
        print(f"{data}: no archive and no cases in it")
        return SKIP
    options = ["--backend", args.backend, *(["--plugin", args.plugin] if args.plugin else [])]
    names, results = list(cases), {}
    for k in range(0, len(names), BATCH):
        results.update(zip(names[k : k + BATCH], verify(names[k : k + BATCH], cases, options)))
    print("\n".join(table(results)))
    if args.write:
        write_list(results)
        write_page(results)
        return 0
    wrong = compare(results)
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
