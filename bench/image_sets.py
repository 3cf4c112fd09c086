# SPDX-License-Identifier: Apache-2.0
"""The data sets of the headline, found in folders, as data specifications (docs/data.md). The last training samples are kept from
training and evaluate it; the test set stands apart."""
import gzip
import hashlib
import lzma
import pathlib
import sys

FASHION_MNIST = pathlib.Path("/usr/share/datasets/fashion-mnist")
CIFAR_RECORD = 1 + 3 * 32 * 32


class ImageSet:
    """Specifications `train`, `kept` and `test`, the numbers of their samples `n_train`, `n_kept` and `n_test`, and `digest` of all that
    training sees."""

    def __init__(self, name, kind, keys, train, test, counts, kept, samples):
        n, self.n_test = counts
        n = min(n, samples or n)
        self.name, self.n_kept = name, min(kept, n // 5)
        self.n_train = n - self.n_kept
        spec = lambda files: f"{kind}:" + ",".join(str(f).replace(",", ",,") for f in files) + f",{keys}"
        self.train = f"{spec(train)},subset={self.n_train}"
        self.kept = f"{spec(train)},skip={self.n_train},subset={self.n_kept}"
        self.test = spec(test)
        self.digest = hashlib.sha256(repr((kind, keys, self.n_train, self.n_kept)).encode())
        for f in train:
            self.digest.update(f.read_bytes())
        self.digest = self.digest.hexdigest()


def unpacked(path):
    return {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix, open)(path, "rb")


def found(folder, pattern):
    """Files of that name or with .gz or .xz behind it, here or in folders below; of several forms of one file the first."""
    forms = {}
    for path in sorted(p for suffix in ("", ".gz", ".xz") for p in pathlib.Path(folder).rglob(pattern + suffix)):
        forms.setdefault(path.name.removesuffix(".gz").removesuffix(".xz"), path)
    if not forms:
        sys.exit(f"{folder}: {pattern} (also .gz and .xz) expected, not found")
    return [forms[name] for name in sorted(forms)]


def idx_count(path):
    with unpacked(path) as f:
        return int.from_bytes(f.read(8)[4:], "big")


def mnist(folder=None, samples=None):
    """MNIST's four files in `folder`; without one Debian's Fashion-MNIST."""
    part = lambda name: [found(folder or FASHION_MNIST, f"{name}-{what}*ubyte")[0] for what in ("images", "labels")]
    train, test = part("train"), part("t10k")
    keys = "scale=1/255,mean=0.1307,std=0.3081" if folder else "scale=1/255,mean=0.2860,std=0.3530"
    return ImageSet("MNIST" if folder else "Fashion-MNIST", "idx", keys, train, test, (idx_count(train[0]), idx_count(test[0])), 5000, samples)


def cifar_count(paths):
    total = 0
    for path in paths:
        with unpacked(path) as f:
            while piece := f.read(1 << 20):
                total += len(piece)
    return total // CIFAR_RECORD


def cifar10(folder, samples=None):
    """CIFAR-10's binary batches in `folder`: those data_batch_*.bin that are there, and test_batch.bin or another test*.bin."""
    train, test = found(folder, "data_batch_*.bin"), found(folder, "test*.bin")
    test = [path for path in test if path.name.startswith("test_batch")] or test
    keys = "scale=1/255,mean=0.4914:0.4822:0.4465,std=0.2470:0.2435:0.2616"
    return ImageSet("CIFAR-10", "cifar10", keys, train, test, (cifar_count(train), cifar_count(test)), 1000, samples)
