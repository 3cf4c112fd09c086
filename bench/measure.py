# SPDX-License-Identifier: Apache-2.0
"""What every measurement here shares: our program, other engines on the same file, medians and their intervals."""
import json
import math
import pathlib
import statistics
import subprocess
import sys
import time

import numpy as np
import onnxruntime as ort

try:
    import openvino
except ImportError:
    openvino = None

PEER = f"onnxruntime {ort.__version__}"


class Program:
    """The program `mixdown`: calling it gives the JSON that a command prints. A command that fails ends the script."""

    def __init__(self, path):
        self.path = str(pathlib.Path(path).resolve())

    def __call__(self, *argv, ok=(0,)):
        try:
            r = subprocess.run([self.path, *map(str, argv), "--json"], stdout=subprocess.PIPE, text=True)
        except OSError as e:
            sys.exit(f"{self.path}: {e.strerror}; `make` builds it")
        if r.returncode not in ok:
            if r.returncode != 130:  # interrupted: the program has told, or had nothing to tell
                print(f"mixdown {' '.join(map(str, argv))}: exit code {r.returncode}", file=sys.stderr)
            sys.exit(r.returncode if r.returncode > 0 else 1)
        return json.loads(r.stdout)

    def time(self, engine, batch, threads, seconds=0.3):
        """Milliseconds of one run: the median of a short series."""
        return self("bench", engine, "--batch", batch, "--threads", threads, "--warmUp", 50, "--duration", seconds, "--iterations", 3)["median_ms"]


def ort_call(path, batch, threads):
    """A call that runs an ONNX file once in ONNX Runtime, on zeros. The first dimension of its input is the batch."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.add_free_dimension_override_by_name("N", batch)
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: np.zeros([batch, *session.get_inputs()[0].shape[1:]], np.float32)}
    return lambda: session.run(None, feed)


def openvino_call(path, batch, threads, precision="f32"):
    """The same in OpenVINO, its float layers in f32 as the file has them; precision None: as it chooses."""
    core = openvino.Core()
    model = core.read_model(str(path))
    model.reshape([batch, *(d.get_length() for d in list(model.input(0).partial_shape)[1:])])
    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1}
    if precision:
        settings["INFERENCE_PRECISION_HINT"] = precision
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    request.set_input_tensor(openvino.Tensor(np.zeros(list(request.get_input_tensor().shape), np.float32)))
    return request.infer


# Name and version -> maker of a call. OpenVINO is measured where pip's openvino is installed.
PEERS = {PEER: ort_call, **({f"openvino {openvino.__version__.partition('-')[0]}": openvino_call} if openvino else {})}


def time_call(call, seconds=0.3):
    """Milliseconds of one call: the median of a short series."""
    call()
    times, end = [], time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def interval(values):
    """The ends between which the median lies in 19 of 20 cases, from order statistics."""
    v, n = sorted(values), len(values)
    half = 1.96 * math.sqrt(n) / 2
    return v[max(0, math.floor(n / 2 - half))], v[min(n - 1, math.ceil(n / 2 + half))]


def cpu_name():
    with open("/proc/cpuinfo") as f:
        return next((line.split(":")[1].strip() for line in f if line.startswith("model name")), "an unknown CPU")
