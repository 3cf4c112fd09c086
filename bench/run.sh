#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Everything that bench/ measures, on a quiet machine.
set -e
packages="numpy, onnx, onnxruntime, openvino"
. "$(dirname "$0")/python.sh"
exec "$python" "$(dirname "$0")/peers.py" "$@"
