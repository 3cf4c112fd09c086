#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails when the source breaks the rules of the house: an include against the layers, a file over 800 lines, a function
over 80 lines, two C files of one name.

    check_layers.py [ROOT]

The layers are those of docs/architecture.md: what a folder may include is a row of LAYERS; nothing else may be included,
public headers apart. Prints one line per breach."""
import pathlib
import re
import sys

# folder -> folders of src it may include, besides itself
LAYERS = {
    "base": [],
    "ir": ["base"],
    "data": ["base"],
    "kernels": ["base"],
    "onnx": ["base", "ir"],
    "interp": ["base", "ir"],
    "backends": ["base", "kernels"],
    "passes": ["base", "ir", "interp"],
    "engine": ["base", "ir", "onnx", "passes", "interp", "backends"],  # backends: their entry functions, in registry.c
    "quant": ["base", "ir", "data", "onnx", "interp", "passes", "engine"],
    "train": ["base", "ir", "data", "kernels", "passes", "quant", "engine"],
    "search": ["base", "ir", "data", "onnx", "quant", "train", "engine"],
    "api": ["base", "ir", "data", "kernels", "onnx", "interp", "backends", "passes", "engine", "quant", "train", "search"],
}
# public header -> folders that may include it; a header not named here belongs to the api and its users
PUBLIC = {
    "base": set(LAYERS) | {"cli", "examples", "plugins"},
    "graph": set(LAYERS) - {"base", "data", "kernels"} | {"plugins", "cli", "examples"},
    "backend": {"interp", "backends", "engine", "quant", "train", "search", "api", "plugins", "cli", "examples"},
}
MAX_FILE, MAX_FUNCTION = 800, 80
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"')


def layer(path):
    """The row of LAYERS, or cli, examples, plugins, include; "" for what has no layer (tests, bench)."""
    return path.parts[1] if path.parts[0] == "src" else path.parts[0] if path.parts[0] in ("cli", "examples", "plugins", "include") else ""


def include_breach(root, path, target):
    """Why `path` may not include `target`, or None."""
    own = layer(path)
    if target == "onnx_min.pb-c.h":
        return None if own == "onnx" else "protobuf is src/onnx's own business"
    head, _, rest = target.partition("/")
    if head == "mixdown":
        name = rest[:-2]
        if not (root / "include" / target).exists():
            return "no such public header"
        if own == "include":
            return None
        allowed = PUBLIC.get(name, {"api", "cli", "examples"})
        return None if own in allowed else f"mixdown/{name}.h is for {', '.join(sorted(allowed))}"
    if own in ("cli", "examples", "plugins"):
        beside = (root / path).parent / target
        return None if beside.exists() else f"{own} sees include/mixdown and its own folder only"
    if own == "include":
        return "public headers include public headers only"
    if head not in LAYERS or not rest:
        return "includes are spelled from src/"
    if head != own and head not in LAYERS[own]:
        return f"{own} may include {', '.join(LAYERS[own]) or 'nothing of src'}"
    if own == "backends" and head == "backends" and path.parts[2] != rest.split("/")[0]:
        return "one backend does not know another"
    return None if (root / "src" / target).exists() else "no such file"


def long_functions(lines):
    """(name, first line, length) of functions over the limit: from the line that opens `{` in column 0 to `}`."""
    start = None
    for number, line in enumerate(lines, 1):
        if line.startswith("{"):
            start = number
        elif line.startswith("}") and start:
            if number - start - 1 > MAX_FUNCTION:
                yield lines[start - 2].strip(), start, number - start - 1
            start = None


def check(root):
    breaches, names = [], {}
    folders = ("include", "src", "cli", "examples", "plugins", "tests", "bench")
    files = [p.relative_to(root) for f in folders for p in sorted((root / f).rglob("*.[chi]*")) if p.suffix in (".c", ".h", ".inc")]
    for path in files:
        lines = (root / path).read_text(encoding="utf-8").splitlines()
        if len(lines) > MAX_FILE:
            breaches.append(f"{path}: {len(lines)} lines, expected at most {MAX_FILE}")
        breaches += [f"{path}:{n}: function of {length} lines, expected at most {MAX_FUNCTION}: {name}"
                     for name, n, length in long_functions(lines)]
        if path.suffix == ".c":
            names.setdefault(path.name, []).append(str(path))
        if layer(path):
            if path.parts[0] == "src" and layer(path) not in LAYERS:
                breaches.append(f"{path}: no such layer")
                continue
            for number, line in enumerate(lines, 1):
                found = INCLUDE.match(line)
                why = include_breach(root, path, found[1]) if found else None
                if why:
                    breaches.append(f"{path}:{number}: {found[1]}: {why}")
    breaches += [f"one name, several files: {', '.join(p)}" for p in names.values() if len(p) > 1]
    return len(files), breaches


if __name__ == "__main__":
    count, found = check(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve())
    print(*found, sep="\n" if found else "")
    print(f"{count} files, {len(found)} breaches")
    sys.exit(1 if found else 0)
